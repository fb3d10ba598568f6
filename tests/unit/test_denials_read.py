"""Lines as ztunnels, waypoints and gateways really write them, and what may be read from them."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.logs.envoy import Unreadable
from meshtui.logs.rejections import LONGEST, EnvoyReader, ZtunnelReader
from meshtui.model.denial import DenialKind, Rejection

REJECTED = "connection closed due to policy rejection"
NONE_ALLOWED = f"{REJECTED}: allow policies exist, but none allowed"
WHO = (
    'src.addr=10.244.1.13:52252 src.workload="web-1" src.namespace="shop" src.identity="spiffe://cluster.local/ns/shop/sa/web" '
    'dst.addr=10.244.1.12:15008 dst.hbone_addr=10.244.1.12:8080 dst.service="db.back.svc.cluster.local" dst.workload="db-0" '
    'dst.namespace="back" dst.identity="spiffe://cluster.local/ns/back/sa/db"'
)
PLAIN = (
    'src.addr=10.217.0.2:44480 dst.addr=10.217.0.248:8080 dst.workload="web-1" dst.namespace="shop" '
    'direction="inbound" bytes_sent=0 bytes_recv=0 duration="0ms"'
)


def text(error, who=WHO, direction="inbound", message="connection complete"):
    said = f' error="{error}"' if error else ""
    level = "error" if error else "info"
    rest = f'{who} direction="{direction}" bytes_sent=0 bytes_recv=0 duration="0ms"' if who is WHO else who
    return f"2024-10-19T01:39:58.302311Z\t{level}\taccess\t{message}\t{rest}{said}"


def as_json(error, direction="inbound"):
    entry = {
        "level": "error", "time": "2024-10-19T01:39:58.302311Z", "scope": "access", "message": "connection complete",
        "src.addr": "10.244.1.13:52252", "src.workload": "web-1", "src.namespace": "shop",
        "src.identity": "spiffe://cluster.local/ns/shop/sa/web", "dst.addr": "10.244.1.12:15008",
        "dst.hbone_addr": "10.244.1.12:8080", "dst.workload": "db-0", "dst.namespace": "back", "direction": direction,
        "bytes_sent": 0, "bytes_recv": 0, "duration": "0ms", "error": error,
    }  # fmt: skip
    return json.dumps(entry)


@pytest.mark.parametrize("write", [text, as_json], ids=["text", "JSON"])
@pytest.mark.parametrize(
    ("error", "kind", "named"),
    [
        (NONE_ALLOWED, DenialKind.REJECTED, None),
        (REJECTED, DenialKind.REJECTED, None),
        (f"{REJECTED}: explicitly denied by: back/deny-web", DenialKind.REJECTED, "AuthorizationPolicy back/deny-web"),
        (f"{REJECTED}: explicitly denied by: istio-system/istio_converted_static_strict", DenialKind.REJECTED, None),
        (f"{REJECTED}: explicitly denied by: back/converted_peer_authentication_strict", DenialKind.REJECTED,
         "PeerAuthentication back/strict"),
        ("connection closed due to policy change", DenialKind.POLICY_CHANGE, None),
        ("http status: 401 Unauthorized", DenialKind.REFUSED, None),
        ("connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: deadline has elapsed",
         DenialKind.TIMED_OUT, None),
    ],
)  # fmt: skip
def test_a_denial_is_read_from_both_forms(write, error, kind, named):
    seen = ZtunnelReader().read(write(error))
    assert isinstance(seen, Rejection)
    assert (seen.kind, str(seen.named.ref) if seen.named else None) == (kind, named)
    assert (seen.source.pod, seen.destination.pod, seen.port) == ("web-1", "db-0", 8080)
    assert seen.identity == "spiffe://cluster.local/ns/shop/sa/web"
    assert seen.at.isoformat() == "2024-10-19T01:39:58.302311+00:00"


@pytest.mark.parametrize(
    "line",
    [
        text(""),
        text("http status: 503 Service Unavailable"),
        "2024-10-19T01:39:58Z\tinfo\txds::client{id=1}\treceived response\ttype_url=x error=none",
        '2024-10-19T01:39:58Z\twarn\tproxy::inbound\tsaid "access" error="policy rejection"',
        '{"level":"info","time":"x","scope":"xds","message":"policy rejection"}',
        "",
    ],
)  # fmt: skip
def test_other_lines_tell_of_no_denial(line):
    assert ZtunnelReader().read(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "hello",
        '{"level":"info"',
        '{"a":1}',
        "[]",
        text(NONE_ALLOWED)[:-20],
        text("")[:150],
        text(NONE_ALLOWED).replace("src.addr=10.244.1.13:52252 ", ""),
        text(NONE_ALLOWED).replace('direction="inbound"', 'direction="sideways"'),
        text(NONE_ALLOWED).replace("2024-10-19T01:39:58.302311Z", "2024-99-19T01:39:58Z"),
        text(NONE_ALLOWED) + ' and "more',
        "2024-10-19T01:39:58Z  INFO inbound{id=1}: access: rejected by policy",
        "x" * (LONGEST + 1),
    ],
)
def test_what_cannot_be_told_is_unreadable_and_never_guessed(line):
    assert isinstance(ZtunnelReader().read(line), Unreadable)


def test_plaintext_has_no_identity_and_an_early_denial_no_port():
    seen = ZtunnelReader().read(text(NONE_ALLOWED, PLAIN))
    assert (seen.identity, seen.port, seen.source.pod) == ("", 8080, "")
    early = 'src.addr=10.0.0.1:4 dst.addr=10.0.0.2:15008 direction="inbound"'
    seen = ZtunnelReader().read(text(NONE_ALLOWED, early, message="connection failed"))
    assert seen.port is None


def test_on_the_way_to_a_waypoint_the_destination_is_what_stands_in_the_tunnel():
    through = WHO.replace("hbone_addr=10.244.1.12:8080", "hbone_addr=10.96.0.9:80")
    seen = ZtunnelReader().read(text("http status: 401 Unauthorized", f'{through} direction="outbound" duration="1ms"'))
    assert (seen.destination.ip, seen.destination.pod, seen.port) == ("10.96.0.9", "", 80)
    named = WHO.replace("hbone_addr=10.244.1.12:8080", "hbone_addr=db.back.svc.cluster.local:80")
    seen = ZtunnelReader().read(text("http status: 401 Unauthorized", f'{named} direction="outbound" duration="1ms"'))
    assert (seen.service, seen.port) == (("back", "db"), 80)


def test_the_configuration_that_ztunnel_prints_at_its_start_is_not_unreadable():
    reader = ZtunnelReader()
    assert reader.read("2024-10-19T01:39:58Z\tinfo\tztunnel\trunning with config: proxy: true") is None
    for row in ("dnsProxy: true", "  - nested", "proxyArgs:", "'a': b", "", "}"):
        assert reader.read(row) is None
    assert isinstance(reader.read("surprise"), Unreadable)
    assert isinstance(reader.read(text(NONE_ALLOWED)), Rejection)
    assert isinstance(reader.read("dnsProxy: true"), Unreadable)


ENVOY = (
    '[2026-10-09T11:44:23.028Z] "POST /anything?q=1 HTTP/1.1" 403 - {details} - "-" 0 19 0 - "-" "curl/8.11.1" '
    '"1227bbf1" "probe:8000" "-" inbound-vip|8000|http|probe.fleet.svc.cluster.local - 10.96.132.123:8000 '
    "10.244.0.14:59462 - default"
)
BY_RULE = "rbac_access_denied_matched_policy[ns[fleet]-policy[read-only]-rule[2]]"
BY_NONE = "rbac_access_denied_matched_policy[none]"


def envoy_json(details, **changes):
    entry = {
        "start_time": "2026-10-09T11:44:23.028Z", "method": "POST", "path": "/anything?q=1", "protocol": "HTTP/1.1",
        "response_code": 403, "response_flags": "-", "response_code_details": details,
        "connection_termination_details": None, "authority": "probe:8000", "upstream_host": None,
        "upstream_cluster": "inbound-vip|8000|http|probe.fleet.svc.cluster.local", "route_name": None,
        "downstream_local_address": "10.96.132.123:8000", "downstream_remote_address": "10.244.0.14:59462",
    }  # fmt: skip
    return json.dumps(entry | changes)


@pytest.mark.parametrize("write", [lambda d: ENVOY.format(details=d), envoy_json], ids=["text", "JSON"])
@pytest.mark.parametrize(("details", "rule"), [(BY_RULE, ("fleet", "read-only", "rules[2]")), (BY_NONE, None)])
def test_a_waypoints_403_is_read_from_both_forms(write, details, rule):
    seen = EnvoyReader("waypoint").read(write(details))
    assert isinstance(seen, Rejection)
    named = seen.named and (seen.named.ref.namespace, seen.named.ref.name, seen.named.rule)
    assert named == rule
    assert (seen.kind, seen.source.ip, seen.service, seen.port) == (
        DenialKind.FORBIDDEN, "10.244.0.14", ("fleet", "probe"), 8000,
    )  # fmt: skip
    assert (seen.http.method, seen.http.path, seen.http.host) == ("POST", "/anything", "probe:8000")


def test_subsets_and_unnamed_clusters():
    subset = ENVOY.format(details=BY_NONE).replace(
        "|http|probe.fleet.svc.cluster.local", "|http/v1|probe.fleet.svc.cluster.local;"
    )
    assert EnvoyReader("waypoint").read(subset).service == ("fleet", "probe")
    unnamed = ENVOY.format(details=BY_NONE).replace("inbound-vip|8000|http|probe.fleet.svc.cluster.local", "-")
    seen = EnvoyReader("waypoint").read(unnamed)
    assert (seen.service, seen.destination.ip, seen.port) == (None, "10.96.132.123", 8000)
    internal = ENVOY.format(details=BY_NONE).replace("10.244.0.14:59462", "envoy://internal_client_address/")
    assert EnvoyReader("waypoint").read(internal).source.ip == ""


def test_a_tcp_connection_that_rbac_closed():
    line = envoy_json(None, response_code=0, method=None, path=None, connection_termination_details=BY_NONE)
    seen = EnvoyReader("waypoint").read(line)
    assert (seen.kind, seen.http) == (DenialKind.REJECTED, None)


@pytest.mark.parametrize(
    "line",
    [
        ENVOY.format(details="via_upstream"),
        ENVOY.format(details="-").replace(" 403 ", " 200 "),
        envoy_json("via_upstream"),
        '{"level":"info","time":"x","msg":"Envoy proxy is ready"}',
        "2026-10-09T11:44:23.028Z\tinfo\tEnvoy proxy is ready",
        "2026-10-09T11:44:23.028Z\twarning\tenvoy config\tgRPC config stream closed",
        " ",
    ],
)
def test_an_applications_own_403_is_no_denial(line):
    assert EnvoyReader("waypoint").read(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "GET / 403",
        ENVOY.format(details=BY_NONE).replace('"curl/8.11.1"', '"a "quoted" agent"'),
        ENVOY.format(details=BY_NONE).replace(" default", ""),
        ENVOY.format(details="rbac_access_denied_matched_policy[somebody]"),
        envoy_json(BY_NONE, response_code="x"),
        '{"x":1}',
        ENVOY.format(details=BY_NONE).replace("2026-10", "2026-99"),
    ],
)
def test_a_proxys_line_that_cannot_be_told_is_unreadable(line):
    assert isinstance(EnvoyReader("waypoint").read(line), Unreadable)


def test_a_request_cannot_forge_a_denial_through_its_path():
    forged = '/x HTTP/1.1" 403 - rbac_access_denied_matched_policy[ns[a]-policy[b]-rule[0]] - "-" 0 0 0 - "-" "'
    line = ENVOY.format(details="via_upstream").replace("/anything?q=1", forged).replace(" 403 - via", " 200 - via")
    assert not isinstance(EnvoyReader("waypoint").read(line), Rejection)


@given(
    st.one_of(
        st.text(),
        st.integers(0, 500).map(lambda n: text(NONE_ALLOWED)[:n]),
        st.integers(0, 500).map(lambda n: ENVOY.format(details=BY_RULE)[:n]),
        st.text().map(lambda t: text(NONE_ALLOWED).replace("web-1", t)),
        st.text().map(lambda t: ENVOY.format(details=BY_RULE).replace("curl/8.11.1", t)),
        st.text().map(as_json),
    )
)
def test_no_line_breaks_a_reader(line):
    for reader in (ZtunnelReader(), EnvoyReader("gateway")):
        assert reader.read(line) is None or isinstance(reader.read(line), Rejection | Unreadable)
