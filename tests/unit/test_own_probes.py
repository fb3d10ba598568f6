"""meshtui's own probe pods stand apart: nothing counts them, and nobody else's pod is taken for one."""

from datetime import UTC, datetime

import pytest

from meshtui.findings import look
from meshtui.logs.tally import Tally
from meshtui.model import own_probe
from meshtui.model.denial import DenialKind, Peer, Rejection
from meshtui.probe import podspec
from meshtui.probe.plan import Batch
from meshtui.settings import Probe
from tests.fakes.snapshots import namespace, pod, snapshot_of

NOW = datetime(2026, 11, 24, 13, 0, tzinfo=UTC)
RUN = "1234abcd"


def job(run=RUN):
    return podspec.job(run, "shop", Probe(), NOW)


def probe(run=RUN, ip="10.0.0.9", **changes):
    made = podspec.pod(run, 0, Batch("shop", "web", "shop/deploy/web", {"app": "web"}, "", True, ()), "uid", Probe(), NOW)
    made["metadata"].update(changes)
    made["status"] = {"phase": "Running", "podIP": ip}
    return made


BASE = [namespace("shop"), pod("shop/web", "10.0.0.1", labels={"app": "web"})]


def test_what_a_probe_made_is_no_pod_workload_or_finding():
    without, having = snapshot_of(BASE), snapshot_of([*BASE, job(), probe()])
    assert [p.key for p in having.pods.values()] == ["shop/web"]
    assert [str(ref) for ref in having.workloads] == ["Pod shop/web"]
    assert not having.controllers
    assert [p.key for p in having.own_probes.values()] == [f"shop/meshtui-probe-{RUN}-0"]
    assert look(having).findings == look(without).findings


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(probe(name="web-2"), id="another name"),
        pytest.param(probe(name="meshtui-probe-notahexx-0"), id="a name without a run"),
        pytest.param(probe(name="meshtui-probe-ffffffff-0"), id="the name of another run"),
        pytest.param(probe(labels={"app": "web"}), id="no label"),
        pytest.param(probe(labels={**own_probe.labels(RUN), own_probe.MANAGED_BY: "helm"}), id="managed by another"),
        pytest.param(probe(ownerReferences=[]), id="nobody's"),
        pytest.param(
            probe(ownerReferences=[{"apiVersion": "batch/v1", "kind": "Job", "name": "backup", "uid": "1"}]), id="another Job's"
        ),
        pytest.param(
            probe(ownerReferences=[{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": f"meshtui-probe-{RUN}", "uid": "1"}]),
            id="a StatefulSet's",
        ),
    ],
)
def test_nobody_hides_a_pod_behind_the_labels_of_a_probe(foreign):
    snapshot = snapshot_of([*BASE, foreign])
    assert not snapshot.own_probes
    assert len(snapshot.pods) == 2


def rejected(source, destination=None):
    to = destination or Peer("10.0.0.2", "shop", "db")
    identity = "spiffe://cluster.local/ns/shop/sa/web"
    return Rejection(NOW, DenialKind.REJECTED, source, to, 5432, "rejected", True, "ztunnel", identity)


def test_a_denied_probe_is_nobodys_denial():
    tally = Tally()
    tally.add(rejected(Peer("10.0.0.9", "shop", f"meshtui-probe-{RUN}-0")), snapshot_of(BASE))
    tally.add(rejected(Peer("10.0.0.1", "shop", "web"), Peer("10.0.0.9", "shop", f"meshtui-probe-{RUN}-0")), snapshot_of(BASE))
    assert (tally.denials, tally.own) == ((), 2)


def test_a_line_with_only_an_address_is_a_probes_while_no_other_pod_has_that_address():
    tally, having = Tally(), snapshot_of([*BASE, job(), probe()])
    tally.add(rejected(Peer("10.0.0.9")), having)
    assert len(tally.denials) == 1, "nothing is known of a probe there yet"
    tally = Tally()
    tally.note_probes(having)
    tally.add(rejected(Peer("10.0.0.9")), snapshot_of(BASE))
    assert (tally.denials, tally.own) == ((), 1), "the probe is gone by now, and was there"
    tally.add(rejected(Peer("10.0.0.9")), snapshot_of([*BASE, pod("shop/late", "10.0.0.9")]))
    assert len(tally.denials) == 1, "another pod has its address now"


def test_another_pod_whose_name_only_begins_like_a_probe_is_counted():
    tally = Tally()
    tally.add(rejected(Peer("10.0.0.9", "shop", "meshtui-probe-of-mine")), snapshot_of(BASE))
    assert len(tally.denials) == 1
