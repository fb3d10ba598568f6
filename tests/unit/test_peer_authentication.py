"""Which plaintext ztunnel refuses: levels, inheritance, ports, and the three slips of the real conversion."""

import pytest

from meshtui.engine.explain.wording import in_words as said
from tests.fakes.snapshots import decider, in_words, judge, namespace, pod, policy, snapshot_of

PROTO = "istio/api security/v1beta1/peer_authentication.proto"
AMBIENT = "istio/istio pilot/pkg/serviceregistry/ambient/authorization.go"
ROOT = "istio-system"
WORLD = [
    {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "back", "labels": {"istio.io/dataplane-mode": "ambient"}}},
    namespace("bare"),
    namespace(ROOT),
    pod("back/db", "10.0.2.1", [5432, 9187], account="db"),
    pod("back/api", "10.0.2.2", [8080], account="api"),
    pod("bare/plain", "10.0.3.1", [80]),
]
PLAIN = "bare/plain > back/db:5432"
MESHED = "back/api > back/db:5432"
STRICT, PERMISSIVE, DISABLE, UNSET = (f"{{mtls: {{mode: {m}}}}}" for m in ("STRICT", "PERMISSIVE", "DISABLE", "UNSET"))
DB = "selector: {matchLabels: {app: db}}"


def db(mode, **ports):
    levels = ", ".join(f"'{port[1:]}': {{mode: {m}}}" for port, m in ports.items())
    return f"{{{DB}, mtls: {{mode: {mode}}}" + (f", portLevelMtls: {{{levels}}}" if ports else "") + "}"


Z = "deny ztunnel"


def row(name, source, written, expect, by=None, slips="", flow=PLAIN):
    """``written`` is {place: spec}; ``source`` is where the rule is written; ``slips`` is what the assumption says of a slip."""
    return name, source, written, flow, expect, by, slips


ROWS = [
    row("nothing: plaintext passes", PROTO, {}, "allow"),
    row("mesh STRICT", PROTO, {f"{ROOT}/p": STRICT}, Z, by=f"PeerAuthentication {ROOT}/p spec.mtls"),
    row("mesh STRICT, but mutual TLS", PROTO, {f"{ROOT}/p": STRICT}, "allow", flow=MESHED),
    row("mesh PERMISSIVE", PROTO, {f"{ROOT}/p": PERMISSIVE}, "allow"),
    row("namespace over mesh", PROTO, {f"{ROOT}/p": STRICT, "back/p": PERMISSIVE}, "allow"),
    row("namespace STRICT", PROTO, {"back/p": STRICT}, Z, by="PeerAuthentication back/p spec.mtls"),
    row(
        "namespace UNSET inherits", PROTO, {f"{ROOT}/p": STRICT, "back/p": UNSET}, Z, by=f"PeerAuthentication {ROOT}/p spec.mtls"
    ),
    row("another namespace's doesn't count", PROTO, {"bare/p": STRICT}, "allow"),
    row("workload over namespace", PROTO, {"back/n": STRICT, "back/w": db("PERMISSIVE")}, "allow"),
    row("workload STRICT", PROTO, {"back/w": db("STRICT")}, Z, by="PeerAuthentication back/w spec.mtls"),
    row("workload UNSET inherits", PROTO, {"back/n": STRICT, "back/w": db("UNSET")}, Z, by="PeerAuthentication back/n spec.mtls"),
    row("a selector that doesn't fit", PROTO, {"back/w": "{selector: {matchLabels: {app: x}}, mtls: {mode: STRICT}}"}, "allow"),
    row("selector: {} means the namespace", AMBIENT, {"back/p": "{selector: {}, mtls: {mode: STRICT}}"}, Z),
    row("in the root namespace a selector doesn't count", AMBIENT, {f"{ROOT}/p": f"{{{DB}, mtls: {{mode: STRICT}}}}"}, "allow"),
    row("… not even an empty one", AMBIENT, {f"{ROOT}/p": "{selector: {}, mtls: {mode: STRICT}}"}, "allow"),
    row("DISABLE acts as PERMISSIVE", AMBIENT, {"back/n": STRICT, "back/w": db("DISABLE")}, "allow"),
    row(
        "a port that is STRICT",
        PROTO,
        {"back/w": db("PERMISSIVE", p5432="STRICT")},
        Z,
        by="PeerAuthentication back/w spec.portLevelMtls[5432]",
    ),
    row("another port is STRICT", PROTO, {"back/w": db("PERMISSIVE", p9187="STRICT")}, "allow"),
    row("a port that is PERMISSIVE", PROTO, {"back/w": db("STRICT", p5432="PERMISSIVE")}, "allow"),
    row("another port is PERMISSIVE", PROTO, {"back/w": db("STRICT", p9187="PERMISSIVE")}, Z),
    row("a DISABLE port of a STRICT workload", AMBIENT, {"back/w": db("STRICT", p5432="DISABLE")}, "allow"),
    row("ports without a selector don't count", PROTO, {"back/p": "{portLevelMtls: {'5432': {mode: STRICT}}}"}, "allow"),
    row(
        "slip 1: UNSET under STRICT with only DISABLE ports stays strict",
        AMBIENT,
        {"back/n": STRICT, "back/w": db("UNSET", p5432="DISABLE")},
        Z,
        slips="stays strict",
    ),
    row(
        "slip 2: a lenient workload's STRICT port under a STRICT mesh is open",
        AMBIENT,
        {f"{ROOT}/p": STRICT, "back/w": db("PERMISSIVE", p5432="STRICT")},
        "allow",
        slips="STRICT ports of a lenient workload",
    ),
    row(
        "slip 3: mesh STRICT, namespace and workload UNSET, one PERMISSIVE port: open",
        AMBIENT,
        {f"{ROOT}/p": STRICT, "back/n": UNSET, "back/w": db("UNSET", p9187="PERMISSIVE")},
        "allow",
        slips="loses an inherited STRICT",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=[r[0] for r in ROWS])
def test_level(row):
    _, _, written, flow, expect, by, slips = row
    verdict = judge(snapshot_of(WORLD, [policy(key, spec, "PeerAuthentication") for key, spec in written.items()]), flow)
    assert in_words(verdict) == expect, [step.reason for step in verdict.steps]
    assert by is None or decider(verdict) == by
    found = [each for each in verdict.assumptions if "ambient" in said(each)]
    assert len(found) == bool(slips), verdict.assumptions
    assert all(slips in said(each) for each in found)


@pytest.mark.parametrize("older", ["STRICT", "PERMISSIVE"])
def test_the_oldest_wins_within_a_level(older):
    newer = {"STRICT": "PERMISSIVE", "PERMISSIVE": "STRICT"}[older]
    written = [
        policy("back/a", f"{{mtls: {{mode: {newer}}}}}", "PeerAuthentication", created="2024-02-01T00:00:00Z"),
        policy("back/b", f"{{mtls: {{mode: {older}}}}}", "PeerAuthentication", created="2024-01-01T00:00:00Z"),
    ]
    assert in_words(judge(snapshot_of(WORLD, written), PLAIN)) == (Z if older == "STRICT" else "allow")
