"""MT605: a ReferenceGrant names a namespace that doesn't exist, or a Service that doesn't."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.given import not_given
from meshtui.findings.routing import services
from meshtui.model.finding import Severity
from meshtui.model.gateway import ReferenceGrant
from meshtui.model.ids import ObjectRef


def _look(context: Context) -> Iterator[Found]:
    """Manifests rarely contain every namespace: without a cluster it is an info, unless the name is nearly one that is there."""
    for grant in sorted(context.snapshot.reference_grants.values(), key=lambda grant: grant.meta.ref):
        yield from _sources(context, grant)
        yield from _targets(context, grant)


def _sources(context: Context, grant: ReferenceGrant) -> Iterator[Found]:
    snapshot, ref = context.snapshot, grant.meta.ref
    for name in dict.fromkeys(namespace for _, _, namespace in grant.sources):
        space = snapshot.namespace_by_name.get(name)
        if space is not None or name in context.namespaces_with_pods:
            continue
        near = get_close_matches(name, snapshot.namespace_by_name, 1, 0.8)
        yield Found(
            (ref,),
            f"{ref} is for namespace {name}, which doesn't exist{f' (there is {near[0]})' if near else ''}",
            "it allows nothing: routes of the namespace that it was written for aren't allowed by it",
            None if snapshot.live or near else Severity.INFO,
        )


def _targets(context: Context, grant: ReferenceGrant) -> Iterator[Found]:
    ref, home, there = grant.meta.ref, grant.meta.namespace, services(context)
    for kind, group, name in grant.targets:
        wanted = ObjectRef(kind, home, name)
        if (kind, group) != ("Service", "") or not name or wanted in there:
            continue
        doubt = not_given(context.snapshot, wanted)
        yield Found(
            (ref,),
            f"{ref} allows {wanted}, which isn't there{doubt}",
            "it allows nothing: a Service of that name, once made, would be open to the routes that it names",
            Severity.INFO if doubt else None,
        )


RULE = Rule("MT605", "grant for nobody", Severity.WARNING, _look, ("ReferenceGrant", "Namespace", "Service"))
