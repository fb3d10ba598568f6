"""MT110: a Sidecar object that is about ambient pods, which have no sidecar."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.classes.classifier import PodClass
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.pods import is_ambient
from meshtui.model.finding import Severity
from meshtui.model.policy import ForeignPolicy
from meshtui.model.workload import MeshMode

_KIND = "Sidecar"


def _look(context: Context) -> Iterator[Found]:
    """Only where no pod that it selects has a sidecar, or may get one. Without a selector, the root namespace's is the mesh's."""
    for scope in sorted(context.snapshot.foreign.values(), key=lambda each: each.meta.ref):
        if scope.meta.kind != _KIND:
            continue
        selected = _selected(context, scope)
        ambient = [member for member in selected if is_ambient(member)]
        if not ambient or any(MeshMode.SIDECAR in _modes(member) for member in selected):
            continue
        owners = context.owners_of(ambient)
        names = ", ".join(map(str, owners[:3])) + (" …" if len(owners) > 3 else "")
        yield Found(
            (scope.meta.ref,),
            f"{scope.meta.ref} has no effect: {names} {'is' if len(owners) == 1 else 'are'} in ambient, without a sidecar",
            "no proxy reads it there: which hosts the pods reach, and through which listeners, isn't limited by it",
        )


def _selected(context: Context, scope: ForeignPolicy) -> list[PodClass]:
    home, index = scope.meta.namespace, context.index
    whole = home == context.snapshot.mesh.root_namespace and scope.selector is None
    bits = index.all if whole else index.in_namespace.get(home, 0)
    if scope.selector is not None:
        bits &= index.pods.matching(scope.selector)
    return [member for member in context.of(bits) if member.pods]


def _modes(member: PodClass) -> set[MeshMode]:
    return {endpoint.mode for endpoint in member.endpoint.possible()}


RULE = Rule("MT110", "Sidecar without effect", Severity.WARNING, _look, ("Pod", "Namespace"))
