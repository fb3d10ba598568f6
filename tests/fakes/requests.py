"""Flows that carry a request, written in one line, and objects that route and guard them."""

from dataclasses import dataclass, replace

import yaml

from meshtui.engine import Engine
from meshtui.engine.explain.wording import in_words as said
from meshtui.engine.path.references import parse_flow
from meshtui.model.flow import HttpRequest, Jwt
from tests.fakes.snapshots import pod


@dataclass(frozen=True)
class Case:
    """One row: what is there, which flow and request is asked, what must come out, and where the rule is written.

    ``request`` is ``METHOD PATH [HOST]``, or empty. ``expect`` is ``allow``, ``unknown`` or ``deny LAYER OUTCOME``. ``says`` is
    in the reason, ``by`` the deciding object and rule.
    """

    name: str
    source: str
    objects: object
    flow: str
    request: str
    expect: str
    by: str | None = None
    says: str = ""
    jwt: Jwt | None = None
    headers: tuple = ()


def http(text, headers=()):
    """``METHOD PATH [HOST]``."""
    if not text:
        return None
    method, path, *host = text.split(" ")
    return HttpRequest(method, path, host[0] if host else "", tuple(headers))


def judge(snapshot, flow, request="", jwt=None, headers=()):
    """The verdict on ``FROM > TO:PORT`` that carries a request."""
    source, destination = flow.split(" > ")
    asked = parse_flow(source, destination, http=http(request, headers))
    return Engine(snapshot).judge(replace(asked, jwt=jwt))


def in_words(verdict):
    """``allow``, ``unknown`` or ``deny LAYER OUTCOME``."""
    if verdict.decision.value != "deny":
        return verdict.decision.value
    return f"deny {verdict.layer.value} {verdict.outcome}"


def check(verdict, case):
    """Compare a verdict with its row."""
    told = [f"{s.result.value} {s.layer.value}: {said(s.reason)}" for s in verdict.steps]
    assert in_words(verdict) == case.expect, told
    if case.by is not None:
        found = verdict.decided_by
        assert (f"{found.ref} {found.rule}" if found and found.rule else str(found and found.ref)) == case.by, told
    assert case.says in " ".join((said(verdict.reason), *told, *map(said, verdict.assumptions))), told


def thing(kind, key, spec, labels=None, annotations=None, **more):
    """Any namespaced object of the kinds that these tests write; ``spec`` is YAML text or an object."""
    versions = {
        "Gateway": "gateway.networking.k8s.io/v1",
        "HTTPRoute": "gateway.networking.k8s.io/v1",
        "GatewayClass": "gateway.networking.k8s.io/v1",
        "Service": "v1",
        "EnvoyFilter": "networking.istio.io/v1alpha3",
        "DestinationRule": "networking.istio.io/v1",
        "Sidecar": "networking.istio.io/v1",
        "NetworkPolicy": "networking.k8s.io/v1",
        "ServiceEntry": "networking.istio.io/v1",
        "WorkloadEntry": "networking.istio.io/v1",
    }
    space, _, name = key.rpartition("/")
    metadata = {"name": name, "labels": labels or {}, "annotations": annotations or {}} | ({"namespace": space} if space else {})
    body = yaml.safe_load(spec) if isinstance(spec, str) else spec
    return {"apiVersion": versions.get(kind, "security.istio.io/v1"), "kind": kind, "metadata": metadata, "spec": body} | more


def service(key, ports, selector=None, labels=None, **spec):
    """A Service; ``ports`` are (name, port, targetPort)."""
    listed = [{"name": n, "port": p, "targetPort": t} for n, p, t in ports]
    chosen = {"app": key.rpartition("/")[2]} if selector is None else selector
    return thing("Service", key, {"selector": chosen, "ports": listed, "clusterIP": "10.9.0.9"} | spec, labels)


def space(name, **labels):
    """A namespace; ``ambient=True`` and ``waypoint=NAME`` are short for their labels."""
    found = {}
    if labels.get("ambient"):
        found["istio.io/dataplane-mode"] = "ambient"
    if labels.get("waypoint"):
        found["istio.io/use-waypoint"] = labels["waypoint"]
    if labels.get("waypoint_namespace"):
        found["istio.io/use-waypoint-namespace"] = labels["waypoint_namespace"]
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": found}}


def beside(key, ip, ports, account="default", labels=None):
    """A pod with a sidecar."""
    made = pod(key, ip, ports, labels, account)
    made["spec"]["containers"].append({"name": "istio-proxy", "image": "proxy:1"})
    return made


def router(key, ip, account="gate", labels=None, **container):
    """A gateway's pod from Istio's older charts: a proxy alone, in the role of a router."""
    made = pod(key, ip, [("http", 8080)], labels, account)
    made["spec"]["containers"] = [{"name": "istio-proxy", "args": ["proxy", "router"]} | container]
    return made


def deployment(key, labels, containers=None, annotations=None, **spec):
    """A Deployment whose pods have only these labels."""
    template = {
        "metadata": {"labels": labels, "annotations": annotations or {}},
        "spec": {"containers": containers or [{"name": "main", "ports": [{"containerPort": 8080}]}]} | spec,
    }
    return thing("Deployment", key, {"selector": {"matchLabels": labels}, "template": template}) | {"apiVersion": "apps/v1"}


def policy(rules, where="back/p", action="ALLOW", **spec):
    """An AuthorizationPolicy of these rules."""
    return thing("AuthorizationPolicy", where, {"action": action, "rules": rules} | spec)


def by(*principals):
    """Rules with one source: these principals."""
    return [{"from": [{"source": {"principals": list(principals)}}]}]
