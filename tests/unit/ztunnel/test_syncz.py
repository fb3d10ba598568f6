"""What istiod says that it has sent."""

import json
from datetime import UTC, datetime

import pytest

from meshtui.ztunnel.look import Sent, Synced
from meshtui.ztunnel.syncz import SynczError, read_syncz

ADDRESS, POLICY = "type.googleapis.com/istio.workload.Address", "type.googleapis.com/istio.security.Authorization"
PROXIES = [
    {
        "cluster_id": "Kubernetes",
        "proxy": "ztunnel-b.istio-system",
        "proxy_type": "ztunnel",
        "istio_version": "1.30.1",
        "resources": {
            POLICY: {"sent": "n2", "acked": "n1", "sentTime": "2026-08-14T13:52:16.492907123Z", "lastError": "bad policy"},
            ADDRESS: {"sent": "n1", "acked": "n1", "sentTime": "0001-01-01T00:00:00Z"},
        },
    },
    {"proxy": "ztunnel-a.istio-system", "proxy_type": "ztunnel"},
    {"proxy": "web-1.shop", "proxy_type": "sidecar", "cluster_sent": "x", "resources": {ADDRESS: {"sent": "x"}}},
    {"proxy": "old-ztunnel.istio-system", "resources": {ADDRESS: {"sent": "x"}}},
    {"proxy": "old-sidecar.shop", "resources": None},
]


def test_the_ztunnels_by_name_with_their_types():
    found = read_syncz(json.dumps(PROXIES).encode(), "istio-system/istiod-1")
    assert [each.proxy for each in found] == ["old-ztunnel.istio-system", "ztunnel-a.istio-system", "ztunnel-b.istio-system"]
    assert found[2] == Synced(
        "ztunnel-b.istio-system",
        "istio-system/istiod-1",
        "1.30.1",
        (
            Sent(POLICY, "n2", "n1", datetime(2026, 8, 14, 13, 52, 16, 492907, UTC), "bad policy"),
            Sent(ADDRESS, "n1", "n1", None, ""),
        ),
    )
    assert [each.behind for each in found[2].resources] == [True, False]


@pytest.mark.parametrize("raw", [b"[]", b"null"])
def test_nobody_is_connected(raw):
    assert read_syncz(raw) == ()


@pytest.mark.parametrize("raw", [b"", b"<html>", b"{}", b'[{"proxy": 1}]', b"[" * 100_000, b'["\xff"]'])
def test_nonsense(raw):
    with pytest.raises(SynczError, match="/debug/syncz"):
        read_syncz(raw)


def test_a_refusal_without_an_end_is_cut():
    proxies = [{"proxy": "z.n", "proxy_type": "ztunnel", "resources": {ADDRESS: {"lastError": "x" * 100_000}}}]
    (one,) = read_syncz(json.dumps(proxies).encode())
    assert len(one.resources[0].last_error) == 2000
