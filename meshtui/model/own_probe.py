"""Names and labels by which meshtui recognizes its own probes: one Job per run and namespace, and the pods that it owns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from meshtui.model.ids import Uid
from meshtui.model.meta import Meta
from meshtui.model.workload import Controller, OwnerRef, Pod

MANAGED_BY = "app.kubernetes.io/managed-by"
RUN = "meshtui.dev/run"
PREFIX = "meshtui-probe-"
_NAME = re.compile(rf"{PREFIX}([0-9a-f]{{8}})(?:-[0-9]{{1,6}})?")


def labels(run: str) -> dict[str, str]:
    """The two labels of everything that meshtui creates. Nothing without both is ever deleted."""
    return {MANAGED_BY: "meshtui", RUN: run}


def run_in(name: str) -> str:
    """The run id in the name of a probe's Job or pod, or an empty string for any other name."""
    found = _NAME.fullmatch(name)
    return found[1] if found else ""


def job_name(run: str) -> str:
    """The name of a run's Job."""
    return f"{PREFIX}{run}"


def is_own_job(meta: Meta) -> bool:
    """Whether a Job belongs to a probe: its name and both labels have the same run id."""
    run = meta.labels.get(RUN, "")
    return bool(run) and meta.name == job_name(run) and run_in(meta.name) == run and meta.labels.get(MANAGED_BY) == "meshtui"


def is_own_pod(meta: Meta, owners: Iterable[OwnerRef]) -> bool:
    """Whether a pod belongs to a probe: its name, both labels and its owning Job have the same run id.

    Anybody can set the labels, so the owner is checked as well.
    """
    run = run_in(meta.name)
    if not run or meta.labels.get(RUN) != run or meta.labels.get(MANAGED_BY) != "meshtui":
        return False
    return any(owner.kind == "Job" and owner.name == job_name(run) for owner in owners)


def own_pods(pods: Mapping[Uid, Pod]) -> dict[Uid, Pod]:
    """The pods of probes among ``pods``."""
    return {uid: pod for uid, pod in pods.items() if pod.name.startswith(PREFIX) and is_own_pod(pod.meta, pod.owners)}


def own_jobs(controllers: Mapping[Uid, Controller]) -> dict[Uid, Controller]:
    """The Jobs of probes among some controllers."""
    jobs = ((uid, c) for uid, c in controllers.items() if c.meta.kind == "Job" and c.meta.name.startswith(PREFIX))
    return {uid: job for uid, job in jobs if is_own_job(job.meta)}
