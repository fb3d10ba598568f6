"""WasmPlugins and TrafficExtensions: what they do to requests isn't known, wherever they are attached."""

import pytest

from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.matrix.proxied import Proxied
from meshtui.model.snapshot import KindState, KindStatus
from meshtui.model.verdict import Decision
from tests.fakes.gateway_routes import AT_WEB, GATEWAY, INSIDE, OUTSIDE, WORLD, gateway, route
from tests.fakes.requests import Case, beside, check, judge, service, thing
from tests.fakes.snapshots import pod, snapshot_of

ATTACH = "istio/istio pilot/pkg/model/policyattachment.go (ShouldAttachPolicy)"
BOTH = "istio/istio pilot/pkg/networking/core/listener_builder.go (buildHTTPConnectionManager)"
SIDES = [beside("side/web", "10.0.3.1", [("http", 80)]), service("side/web", [("http", 80, 80)]), pod("side/bare", "10.0.3.2")]
TO_SIDE, FROM_SIDE, PLAIN = "side/bare > side/web:80", "side/client > front/svc/plain:80", "front/client > front/plain:80"
THERE = [*WORLD, *SIDES, pod("front/plain", "10.0.1.3", [("http", 80)]), service("front/plain", [("http", 80, 80)])]
KINDS = ["WasmPlugin", "TrafficExtension"]


def extension(kind, where, **spec):
    return thing(kind, where, {"phase": "AUTHN"} | spec, apiVersion="extensions.istio.io/v1alpha1")


def at(name, kind="Gateway", group=GATEWAY):
    return {"targetRefs": [{"group": group, "kind": kind, "name": name}]}


def labelled(app):
    return {"selector": {"matchLabels": {"app": app}}}


CASES = [
    ("at a Gateway", "back/x", at("gw"), OUTSIDE, True),
    ("at another Gateway", "back/x", at("other"), OUTSIDE, False),
    ("at a gateway by its labels", "back/x", {"selector": {"matchLabels": {f"{GATEWAY}/gateway-name": "gw"}}}, OUTSIDE, True),
    ("at a waypoint", "back/x", at("wp"), INSIDE, True),
    ("… for a Service", "back/x", AT_WEB, INSIDE, True),
    ("… for another Service", "back/x", at("other", "Service", ""), INSIDE, False),
    ("… for its class", "istio-system/x", at("istio-waypoint", "GatewayClass"), INSIDE, True),
    ("… never by labels", "back/x", {}, INSIDE, False),
    ("at a sidecar", "side/x", labelled("web"), TO_SIDE, True),
    ("at a sidecar that isn't selected", "side/x", labelled("other"), TO_SIDE, False),
    ("at all sidecars", "istio-system/x", {}, TO_SIDE, True),
    ("at another namespace's", "front/x", {}, TO_SIDE, False),
    ("at the caller's own sidecar", "side/x", labelled("client"), FROM_SIDE, True),
    ("ztunnel has none", "istio-system/x", {}, PLAIN, False),
]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("name", "where", "spec", "flow", "counts"), CASES, ids=[case[0] for case in CASES])
def test_an_extension_of_a_proxy(kind, name, where, spec, flow, counts):
    snapshot = snapshot_of(THERE, [gateway(), route(), extension(kind, where, **spec)])
    says = f"{kind} {where} changes this proxy" if counts else ""
    check(judge(snapshot, flow, "GET /"), Case(name, ATTACH, [], flow, "GET /", "unknown" if counts else "allow", says=says))


def test_an_envoy_filter_at_the_callers_own_sidecar():
    snapshot = snapshot_of(THERE, [thing("EnvoyFilter", "side/f", {"workloadSelector": {"labels": {"app": "client"}}})])
    case = Case("", BOTH, [], FROM_SIDE, "GET /", "unknown", says="EnvoyFilter side/f changes this proxy")
    check(judge(snapshot, FROM_SIDE, "GET /"), case)


def test_targets_that_cant_be_read_may_be_any_proxy():
    odd = extension("WasmPlugin", "back/odd", targetRefs="all")
    assert judge(snapshot_of(THERE, [gateway(), route(), odd]), OUTSIDE, "GET /").decision is Decision.UNKNOWN


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("flow", [OUTSIDE, INSIDE, TO_SIDE, FROM_SIDE])
def test_extensions_that_cant_be_seen(kind, flow):
    hidden = {kind: KindState(KindStatus.FORBIDDEN, "may not be listed", "list")}
    snapshot = snapshot_of(THERE, [gateway(), route()], kinds=hidden)
    check(judge(snapshot, flow, "GET /"), Case("", ATTACH, [], flow, "GET /", "unknown", says=f"{kind} objects can't be seen"))


@pytest.mark.parametrize("kind", KINDS)
def test_all_pairs_know_of_them(kind):
    for found, expect in (([], Decision.ALLOW), ([extension(kind, "side/x")], Decision.UNKNOWN)):
        matrix = Matrix(snapshot_of(THERE, found))
        proxied = Proxied(matrix)
        source, target = matrix.class_of("side/bare"), matrix.class_of("side/web")
        assert proxied.whole(source, target, matrix.cell(source, target)).at(80).decision is expect
    proxied = Proxied(Matrix(snapshot_of(THERE, [extension(kind, "back/x", **AT_WEB)])))
    entrance = next(e for e in proxied.entrances() if e.service.meta.name == "web")
    assert proxied.through(Matrix(snapshot_of(THERE)).class_of("front/client"), entrance).decision is Decision.UNKNOWN
