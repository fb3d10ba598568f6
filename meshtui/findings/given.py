"""What the input leaves out: folders often hold the policies of a namespace, and not what runs in it."""

from __future__ import annotations

from meshtui.findings.context import Context


def in_view(context: Context, namespace: str) -> bool:
    """Whether what a namespace holds can be told: of manifests, if they have pods, Services or Gateways of it."""
    snapshot = context.snapshot
    if snapshot.live or namespace in context.namespaces_with_pods:
        return True
    several = (snapshot.services.values(), snapshot.gateways.values())
    return any(each.meta.namespace == namespace for kind in several for each in kind)


def labels_known(context: Context, namespace: str) -> bool:
    """Whether the labels of a namespace are in the input."""
    known = context.snapshot.namespace_by_name.get(namespace)
    return context.snapshot.live or (known is not None and known.known)
