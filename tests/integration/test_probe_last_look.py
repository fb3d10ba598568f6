"""Right before a probe pod is made, everything that selects pods is read again; and only what a run made is ever removed."""

import asyncio

import pytest

from meshtui.engine.path.references import parse_flow
from meshtui.model.own_probe import labels
from meshtui.probe.cleanup import find_leftovers, remove
from meshtui.probe.plan import make_plan
from meshtui.sandbox.apiserver.server import running_api
from meshtui.session import Session
from meshtui.settings import load_settings
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.sources.kubernetes.writes import Confirmation, Writes
from tests.fakes.snapshots import namespace, pod, policy
from tests.unit.test_plan import budget, controller, service

YES = Confirmation("a test")
WEB = pod("shop/web", "10.0.1.1", [8080], {"app": "web"}, account="web")
READ_APP = policy("shop/p", "podSelector: {matchLabels: {app: web}}")
WORLD = [namespace("shop"), WEB, pod("shop/db", "10.0.2.1", [5432], account="db"), READ_APP]
FLOW = parse_flow("shop/web", "shop/db:5432")


async def until(good):
    async with asyncio.timeout(20):
        while not good():  # noqa: ASYNC110 - the store has no event to wait for
            await asyncio.sleep(0.02)


class Cluster:
    """An API server without a kubelet, and a session on it."""

    def __init__(self, api, source, session, settings):
        self.api, self.source, self.session, self.settings = api, source, session, settings

    def pods(self):
        return [p["metadata"]["name"] for p in self.api.store.list("pods", "shop")]


@pytest.fixture
async def cluster():
    async with running_api(WORLD) as api:
        settings = load_settings({"kubeconfig": str(api.kubeconfig)})
        source = LiveSource(settings)
        session = Session(source, settings)
        session.publish(await source.snapshot())
        try:
            yield Cluster(api, source, session, settings)
        finally:
            await source.close()


LATE = [
    ("a Service that publishes unready pods", [service("all", {"app": "web"}, "shop", publishNotReadyAddresses=True)], "all"),
    (
        "a budget and a controller that adopts",
        [controller("ReplicaSet", {"app": "web"}), budget(maxUnavailable=1)],
        "PodDisruptionBudget shop/b",
    ),
]


@pytest.mark.parametrize(("name", "objects", "said"), LATE, ids=[row[0] for row in LATE])
async def test_what_came_after_the_plan_still_refuses(cluster, name, objects, said):
    plan = make_plan(cluster.session.engine, [FLOW], cluster.settings.probe)
    assert plan.batches, plan.refused
    for obj in objects:
        cluster.api.add(obj)
    (seen,) = await cluster.session.probe(plan, YES)
    assert (seen.outcome, said in seen.detail) == ("unknown", True), seen.detail
    assert cluster.pods() == ["db", "web"], "no pod was made"
    assert cluster.api.store.list("jobs", "shop") == [], "and its Job is gone"


async def test_an_adopter_that_came_after_the_plan_finds_the_probe_taken(cluster):
    plan = make_plan(cluster.session.engine, [FLOW], cluster.settings.probe)
    assert not plan.batches[0].controlled
    cluster.api.add(controller("DaemonSet", {"app": "web"}))
    probing = asyncio.create_task(cluster.session.probe(plan, YES))
    try:
        await until(lambda: len(cluster.pods()) == 3)
        (made,) = [p for p in cluster.api.store.list("pods", "shop") if p["metadata"]["name"].startswith("meshtui-probe-")]
        assert made["metadata"]["ownerReferences"][0]["controller"] is True
    finally:
        probing.cancel()
        await asyncio.gather(probing, return_exceptions=True)
    assert cluster.pods() == ["db", "web"]


async def test_a_pod_that_cannot_be_removed_takes_no_answer_away(cluster):
    plan = make_plan(cluster.session.engine, [FLOW], cluster.settings.probe)
    probing = asyncio.create_task(cluster.session.probe(plan, YES))
    await until(lambda: len(cluster.pods()) == 3)
    cluster.api.faults.set(error=500, only=["pods"])
    (seen,) = await probing
    assert (seen.outcome, "HTTP 500" in seen.detail) == ("not_settled", True), seen.detail
    assert cluster.api.store.list("jobs", "shop") == [], "the Job that owns the pod is removed"


def job(name, run):
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": "shop", "labels": labels(run)},
        "spec": {"template": {"spec": {"containers": [{"name": "c", "image": "x"}]}}},
    }


def labelled(name, run, owners=()):
    references = [{"apiVersion": "batch/v1", "kind": kind, "name": owner, "uid": uid} for kind, owner, uid in owners]
    made = pod(f"shop/{name}", "10.0.3.1", [])
    made["metadata"] |= {"labels": labels(run), "ownerReferences": references}
    return made


RUN, OTHER = "1234abcd", "ffff0000"
JOB = f"meshtui-probe-{RUN}"


def theirs(uid):
    """What isn't a run's, though its names, labels or owners look like it; ``uid`` is that of the run's Job."""
    return [
        labelled("web-with-our-labels", RUN),
        labelled("meshtui-probe-web", RUN, [("Job", JOB, uid)]),
        labelled(f"{JOB}-1", RUN),
        labelled(f"{JOB}-2", OTHER, [("Job", JOB, uid)]),
        labelled(f"{JOB}-3", RUN, [("ReplicaSet", JOB, uid)]),
        labelled(f"{JOB}-4", RUN, [("Job", JOB, "an-earlier-jobs-uid")]),
        labelled(f"meshtui-probe-{OTHER}-0", OTHER, [("Job", f"meshtui-probe-{OTHER}", "nobodys-uid")]),
        job("meshtui-probe-backup", RUN),
        job("backup", RUN),
        job(f"meshtui-probe-{OTHER}", RUN),
    ]


def owners_of(obj):
    return obj["metadata"].get("ownerReferences", ())


async def test_only_a_jobs_own_pods_and_a_runs_own_job_are_ever_removed(cluster):
    cluster.api.add(job(JOB, RUN))
    uid = cluster.api.store.get("jobs", "shop", JOB)["metadata"]["uid"]
    others = theirs(uid)
    for obj in (labelled(f"{JOB}-0", RUN, [("Job", JOB, uid)]), *others):
        cluster.api.add(obj)
    api = cluster.session.api()
    found = await find_leftovers(api)
    assert [(item.kind, item.name) for item in found] == [("Job", JOB), ("Pod", f"{JOB}-0")]
    await remove(found, Writes(api, cluster.settings), YES)
    left = set(cluster.pods()) | {j["metadata"]["name"] for j in cluster.api.store.list("jobs", "shop")}
    by_the_garbage_collector = {o["metadata"]["name"] for o in others if any(r["uid"] == uid for r in owners_of(o))}
    assert left == {"db", "web", *(o["metadata"]["name"] for o in others)} - by_the_garbage_collector
