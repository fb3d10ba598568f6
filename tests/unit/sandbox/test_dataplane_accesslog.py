"""Envoy's access log lines as ztunnel's own, field by field."""

import json

import pytest

from meshtui.sandbox.dataplane.accesslog import AccessLog
from meshtui.sandbox.dataplane.world import ContainerPort, Pod, World

A = Pod("ua", "ecom", "a", "127.1.0.1", {}, "sa-a", "n1", (), captured=True, gateway=False, ready=True)
B = Pod("ub", "inv", "b", "127.1.0.2", {}, "sa-b", "n2", (ContainerPort(80, None),), True, gateway=False, ready=True)
OUT = {
    "k": "out",
    "src": "ua",
    "peer": "127.1.0.1:4000",
    "cluster": "hbone|ua|ub",
    "upstream": "127.1.0.2:15008",
    "port": "80",
    "service": "b.inv.svc.cluster.local",
    "received": 5,
    "sent": 7,
    "ms": 3,
    "flags": "-",
    "why": None,
}
HBONE = {
    "k": "hbone",
    "dst": "ub",
    "peer": "127.1.0.1:4001",
    "authority": "127.1.0.2:80",
    "identity": "spiffe://cluster.local/ns/ecom/sa/sa-a",
    "status": 200,
    "received": 5,
    "sent": 7,
    "ms": 3,
    "flags": "-",
    "details": "via_upstream",
}


DRAINED = {**HBONE, "details": "on_drain_deadline"}


class Store:
    def list(self, plural, namespace=None):
        return [
            {"metadata": {"uid": f"z{node}", "labels": {"app": "ztunnel"}}, "spec": {"nodeName": node}} for node in ("n1", "n2")
        ]


class Logs:
    def __init__(self):
        self.lines = []

    def append(self, pod_uid, line):
        self.lines.append((pod_uid, line))


def written(entry, logs=None):
    logs = logs or Logs()
    log = AccessLog(Store(), logs)
    log.follow(World("cluster.local", "istio-system", {}, (A, B), ()))
    log.take(json.dumps(entry).encode())
    return logs.lines


def test_both_sides_of_a_connection():
    (source,) = written(OUT)
    (destination,) = written(HBONE)
    assert (source[0], destination[0]) == ("zn1", "zn2")
    rest = (
        'src.workload="a" src.namespace="ecom" src.identity="spiffe://cluster.local/ns/ecom/sa/sa-a" src.cluster="Kubernetes" '
        "dst.addr=127.1.0.2:15008 dst.hbone_addr=127.1.0.2:80 {service}"
        'dst.workload="b" dst.namespace="inv" dst.identity="spiffe://cluster.local/ns/inv/sa/sa-b" dst.cluster="Kubernetes" '
        'direction="{direction}" bytes_sent={sent} bytes_recv={received} duration="3ms"'
    )
    outbound = rest.format(service='dst.service="b.inv.svc.cluster.local" ', direction="outbound", sent=5, received=7)
    inbound = rest.format(service="", direction="inbound", sent=7, received=5)
    head, _, fields = source[1].partition("\tconnection complete\t")
    assert head.endswith("Z\tinfo\taccess")
    assert fields == f"src.addr=127.1.0.1:4000 {outbound}"
    assert destination[1].partition("\tconnection complete\t")[2] == f"src.addr=127.1.0.1:4001 {inbound}"


ERROR_ROWS = {
    "denied at the destination": ({**OUT, "flags": "UF,URX", "why": "tunnel_response:401"}, "http status: 401 Unauthorized"),
    "dropped tunnel": (
        {**OUT, "flags": "UF,URX", "ms": 10000},
        "connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: deadline has elapsed",
    ),
    "dropped plaintext": (
        {**OUT, "cluster": "plain|ua|ub|80", "flags": "UF,URX", "ms": 10001},
        "io error: deadline has elapsed",
    ),
    "a tunnel that was closed at once is no policy's doing": (
        {**OUT, "flags": "UF,URX", "ms": 4},
        "io error: connection closed before it was established",
    ),
    "plaintext that was closed at once": (
        {**OUT, "cluster": "plain|ua|ub|80", "flags": "UF,URX"},
        "io error: connection closed before it was established",
    ),
    "explicit deny": (
        {**HBONE, "status": 401, "details": "rbac_access_denied_matched_policy[inv/no/0]"},
        "connection closed due to policy rejection: explicitly denied by: inv/no",
    ),
    "nothing allowed": (
        {**HBONE, "status": 401, "details": "rbac_access_denied_matched_policy[none]"},
        "connection closed due to policy rejection: allow policies exist, but none allowed",
    ),
    "nobody listens": ({**HBONE, "status": 503, "flags": "UF"}, "connection failed: Connection refused (os error 111)"),
    "drained": (DRAINED, "connection closed due to connection drain"),
}


@pytest.mark.parametrize(("entry", "error"), ERROR_ROWS.values(), ids=ERROR_ROWS)
def test_errors(entry, error):
    ((_, line),) = written(entry)
    assert "\terror\taccess\tconnection complete\t" in line
    assert line.endswith(f'error="{error}"')


def test_what_is_closed_after_a_policy_changed_is_said_to_be_closed_by_that():
    logs = Logs()
    log = AccessLog(Store(), logs)
    policy = {"kind": "AuthorizationPolicy", "metadata": {"name": "p", "namespace": "inv"}, "spec": {"rules": [{}]}}
    for objects in ({}, {"authorizationpolicies": (policy,)}):
        log.follow(World("cluster.local", "istio-system", {}, (A, B), (), objects))
    log.take(json.dumps(DRAINED).encode())
    assert logs.lines[0][1].endswith('error="connection closed due to policy change"')


@pytest.mark.parametrize("line", [b"not json\n", b"[]\n", b'{"k":"out"}\n'])
def test_a_strange_line_costs_only_itself(line):
    logs = Logs()
    AccessLog(Store(), logs).take(line)
    assert logs.lines == []


def test_a_full_disk_doesnt_stop_the_reader():
    class FullDisk(Logs):
        def append(self, pod_uid, line):
            raise OSError(28, "No space left on device")

    assert written(OUT, FullDisk()) == []
