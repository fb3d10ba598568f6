"""What a ztunnel's log holds beside lines of one connection: traces, panics, waypoints, gateways of other networks, escapes."""

from dataclasses import replace

import pytest

from meshtui.logs.envoy import Unreadable
from meshtui.logs.rejections import ZtunnelReader
from meshtui.logs.tally import Tally
from meshtui.logs.ztunnel import parse_access_line
from meshtui.model.denial import DenialKind, Peer, Rejection
from meshtui.model.flow import EndpointKind
from meshtui.model.snapshot import Snapshot

TIME = "2026-11-25T15:00:00.000001Z"
RECORD = f"{TIME}\terror\tinpod::statemanager\tfailed to read a message"
TRACE = """\

Caused by:
    0: tcp connect error
    1: Connection refused (os error 111)

Stack backtrace:
   0: anyhow::error::<impl core::convert::From<E> for anyhow::Error>::from
   1: <T as core::convert::Into<U>>::into
             at ./nptl/pthread_create.c:442:8
  65: clone3
             at ./misc/../sysdeps/unix/sysv/linux/x86_64/clone3.S:81:0\t""".splitlines()
PANIC = """\

thread 'main' (2242) panicked at src/app.rs:336:5:
not implemented: something
of two lines
stack backtrace:
   0: __rustc::rust_begin_unwind
   1: core::panicking::panic_fmt
note: Some details are omitted, run with `RUST_BACKTRACE=full` for a verbose backtrace.""".splitlines()


def access(error="", direction="outbound", **changes):
    fields = {
        "src.addr": "10.0.1.10:50000", "src.workload": "web-1", "src.namespace": "shop",
        "src.identity": "spiffe://cluster.local/ns/shop/sa/web",
        "dst.addr": "10.0.2.20:15008", "dst.hbone_addr": "10.96.0.21:80", "dst.service": "front.shop.svc.cluster.local",
        "dst.workload": "waypoint-1", "dst.namespace": "shop", "direction": direction,
        **{name.replace("__", "."): value for name, value in changes.items()},
    }  # fmt: skip
    bare = {"src.addr", "dst.addr", "dst.hbone_addr"}
    written = " ".join(f"{n}={v}" if n in bare else f'{n}="{v}"' for n, v in fields.items() if v)
    failed = f' error="{error}"' if error else ""
    return f'{TIME}\terror\taccess\tconnection complete\t{written} bytes_sent=0 bytes_recv=0 duration="10ms"{failed}'


def read_all(*lines):
    reader = ZtunnelReader()
    return [reader.read(line) for line in lines]


@pytest.mark.parametrize("before", [RECORD, '{"level":"info","time":"x","scope":"app","message":"starting"}'])
@pytest.mark.parametrize("more", [TRACE, PANIC], ids=["a trace", "a panic"])
def test_a_message_of_many_lines_is_one_message(before, more):
    assert read_all(before, *more, RECORD) == [None] * (len(more) + 2)


def test_what_comes_in_between_is_not_swallowed():
    found = read_all(RECORD, *TRACE, "half of a line", *PANIC[:3], access("connection closed due to policy rejection"), "more")
    unreadable = [each for each in found if isinstance(each, Unreadable)]
    assert [each.raw for each in unreadable] == ["half of a line", "more"]
    assert any(isinstance(each, Rejection) for each in found)


def test_a_panic_without_an_end_swallows_only_some_lines():
    assert sum(isinstance(each, Unreadable) for each in read_all(PANIC[1], *["x"] * 100)) == 80


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ("http status: 401 Unauthorized", DenialKind.REFUSED),
        (
            "connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: deadline has elapsed",
            DenialKind.TIMED_OUT,
        ),
        ("io error: Connection refused (os error 111)", DenialKind.FAILED),
    ],
)
def test_through_a_waypoint_the_service_is_kept(error, kind):
    (found,) = read_all(access(error))
    assert (found.kind, found.service, found.port) == (kind, ("shop", "front"), 80)
    assert ("at shop/waypoint-1" in found.reason) is (kind is not DenialKind.REFUSED), "who didn't answer is named"


def failed(error, **changes):
    (found,) = read_all(access(error, **changes))
    return None if found is None else (found.kind, found.failure)


@pytest.mark.parametrize(
    ("error", "changes", "failure"),
    [
        ("io error: Connection refused (os error 111)", {"dst__addr": "10.0.2.10:8080", "dst__hbone_addr": ""}, "refused"),
        ("connection failed: Connection refused (os error 111)", {"direction": "inbound"}, "not_listening"),
        ("io error: Connection refused (os error 111)", {}, "proxy_closed"),
        (
            "io error: Connection refused (os error 111)",
            {"dst__hbone_addr": "10.0.2.30:8080", "dst__service": ""},
            "proxy_closed",
        ),
        ("io error: invalid peer certificate: UnknownIssuer", {}, "certificate"),
        ("identity error: signing gRPC error (Unknown error): x", {}, "certificate"),
        ("failed to fetch information about local workload: web.shop (web-1)", {}, "state"),
        ("connection closed due to connection drain", {}, "draining"),
    ],
)
def test_what_failed_for_another_reason_than_policy_has_its_class(error, changes, failure):
    assert failed(error, **changes) == (DenialKind.FAILED, failure)


@pytest.mark.parametrize(
    ("error", "changes"),
    [
        ("io error: No route to host (os error 113)", {}),
        ("http status: 503 Service Unavailable", {}),
        ("tls handshake error: Custom { kind: InvalidData, error: AlertReceived(UnknownCA) }", {"direction": "inbound"}),
    ],
    ids=["several reasons", "somebody said so", "the source's line says more"],
)
def test_what_a_line_does_not_tell_is_none(error, changes):
    assert failed(error, **changes) is None


def test_in_a_direct_tunnel_the_pod_is_the_destination():
    direct = access("http status: 401", dst__addr="10.0.2.10:15008", dst__hbone_addr="10.0.2.10:8080", dst__workload="orders-1")
    (found,) = read_all(direct)
    assert (found.service, found.destination, found.port) == (None, Peer("10.0.2.10", "shop", "orders-1"), 8080)


def test_a_pod_behind_a_waypoint_is_named_by_its_address():
    (found,) = read_all(access("http status: 401", dst__hbone_addr="10.0.1.15:8080", dst__service=""))
    assert (found.service, found.destination) == (None, Peer("10.0.1.15"))


def test_a_caller_of_another_network_is_no_pod_here_and_one_denial_counts_once():
    remote = {"dst__hbone_addr": "remote.shop.svc.cluster.local:80", "dst__service": "remote.shop.svc.cluster.local"}
    rejected = access(
        "connection closed due to policy rejection: explicitly denied by: shop/deny", "inbound",
        src__addr="10.0.2.19:50001", src__workload="web", dst__addr="10.0.2.10:15008", dst__workload="orders-1", **remote,
    )  # fmt: skip
    refused = access(
        "http status: 401", dst__addr="10.0.2.19:15008", dst__workload="NetworkGateway/net2/10.0.2.19/15008", **remote
    )
    seen = read_all(rejected, refused)
    assert seen[0].source == Peer()
    assert seen[1].destination == Peer("10.0.2.19")
    for order in (seen, seen[::-1]):
        tally = Tally()
        for each in order:
            tally.add(each, Snapshot())
        (denial,) = tally.denials
        assert denial.count == 1
        assert denial.destination.kind is EndpointKind.SERVICE
        assert denial.identity == "spiffe://cluster.local/ns/shop/sa/web"


def test_what_ended_an_open_connection_and_what_was_never_answered():
    assert parse_access_line(access("connection closed due to policy change")).denied
    assert parse_access_line(access("io error: deadline has elapsed")).timed_out
    assert not parse_access_line(access("io error: Connection refused (os error 111)")).timed_out


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"a\nb\tc", "a\nb\tc"),
        (r"\u{1b}[31m", "\x1b[31m"),
        (r"\\n", r"\n"),
        (r"\"q\" \'", '"q" \''),
        (r"\u{d800} \u{110000} \u{12345678}", r"\u{d800} \u{110000} u{12345678}"),
        (r"nul\0", "nul\0"),
    ],
)
def test_escapes_are_undone_as_rust_writes_them(written, meant):
    assert parse_access_line(access(written)).error == meant


def test_a_failure_before_the_tunnels_end_is_known():
    early = (
        f"{TIME}\twarn\taccess\tconnection failed\tsrc.addr=10.0.1.13:38154 dst.addr=10.0.1.11:15008"
        ' direction="inbound" error="tls handshake error: x"'
    )
    line = parse_access_line(early)
    assert line.before_the_tunnel
    assert not parse_access_line(access("x")).before_the_tunnel
    assert not replace(line, fields={**line.fields, "error": ""}).before_the_tunnel
