"""MT604: a gateway's route sends to a Service of another namespace, and no ReferenceGrant there allows it."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.given import not_given
from meshtui.findings.routing import backends, parents, services
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef


def _look(context: Context) -> Iterator[Found]:
    """Routes for the mesh need no grant (istio/istio gateway/conversion.go, enforceRefGrant). A missing Service is MT603's."""
    of_gateways = {parent.route.meta.ref for parent in context.once(parents) if parent.is_gateway}
    there, grants = services(context), tuple(context.snapshot.reference_grants.values())
    for backend in context.once(backends):
        route, home, to = backend.route.meta, backend.route.meta.namespace, backend.to
        if route.ref not in of_gateways or to.namespace == home or backend.ref not in there:
            continue
        here = [grant for grant in grants if grant.meta.namespace == to.namespace]
        if any(grant.allows(route.kind, home, "Service", to.name) for grant in here):
            continue
        doubt = not_given(context.snapshot, ObjectRef("ReferenceGrant", to.namespace, ""))
        yield Found(
            (route.ref, backend.ref),
            f"{backend.place}: {backend.ref} is in another namespace, and no ReferenceGrant of {to.namespace} lets "
            f"{route.kind}s of {home} send to it{doubt}",
            "requests that it gets are answered with 500",
            None if to.weight > 0 and not doubt else Severity.INFO,
            affected=frozenset({backend.ref}),
            field=backend.field,
        )


RULE = Rule("MT604", "backend without a grant", Severity.ERROR, _look, ("HTTPRoute", "Service", "ReferenceGrant"))
