"""MT606: a Gateway is of a class that isn't there."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Edit, Fix, Operation, Severity
from meshtui.model.gateway import Gateway

_ISTIOS = ("istio", "istio-remote", "istio-waypoint", "istio-east-west", "istio-agentgateway", "istio-agentgateway-waypoint")
"""The classes that istiod makes (istio/istio pilot/pkg/config/kube/gateway/gatewayclass.go)."""
_OF_OTHERS = frozenset(
    {
        *(
            "agentgateway",
            "amazon-vpc-lattice",
            "apisix",
            "azure-alb-external",
            "cilium",
            "contour",
            "eg",
            "envoy",
            "envoy-gateway",
        ),
        *(
            "example",
            "gloo-gateway",
            "haproxy",
            "higress",
            "kgateway",
            "kgateway-waypoint",
            "kong",
            "linkerd",
            "nginx",
            "traefik",
        ),
        *("openshift-default", "tyk", "kuma", "consul"),
    }
)
"""Names that other controllers' documentation gives to their classes, which manifests seldom contain."""


def _look(context: Context) -> Iterator[Found]:
    """Controllers make their classes themselves, so manifests lack them: a name like one of Istio's is taken for a mistake."""
    snapshot = context.snapshot
    there = {each.meta.name for each in snapshot.gateway_classes.values()}
    for gateway in sorted(snapshot.gateways.values(), key=lambda g: g.meta.ref):
        name = gateway.class_name
        if name in there or (not snapshot.live and (name in _ISTIOS or name in _OF_OTHERS or name.startswith("gke-"))):
            continue
        near = get_close_matches(name.lower(), (*_ISTIOS, *sorted(there)), 1, 0.75)
        meant = f" (there is {near[0]})" if near else ""
        sure = snapshot.live or bool(near)
        yield Found(
            (gateway.meta.ref,),
            f"{gateway.meta.ref} is of class {name or '(none)'}, and no such GatewayClass is known{meant}",
            "no controller serves it: it gets no proxy, its routes lead nowhere, and its policies are enforced by nobody",
            (Severity.ERROR if snapshot.live else None) if sure else Severity.INFO,
            fix=_fix(gateway, near[0]) if near else None,
        )


def _fix(gateway: Gateway, name: str) -> Fix:
    edit = Edit(gateway.meta.ref, (Operation("replace", ("spec", "gatewayClassName"), name),))
    return Fix(f"use the class {name}", (edit,))


RULE = Rule("MT606", "unknown GatewayClass", Severity.WARNING, _look, ("Gateway", "GatewayClass"))
