"""Jobs: pods are run until enough of them succeeded; finished Jobs are deleted after their TTL."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from meshtui.sandbox.apiserver.events import record
from meshtui.sandbox.apiserver.store import Store, now
from meshtui.sandbox.controllers.common import (
    claim,
    delete_pod,
    is_active,
    is_deleting,
    pod_from,
    set_status,
)
from meshtui.sandbox.ports import Obj


class JobController:
    """Runs Jobs. A Job with ``completions: 0`` completes at once, and pods that it owns are left alone."""

    watches = ("jobs", "pods")

    def __init__(self, store: Store) -> None:
        self._store = store

    def sync(self) -> None:
        """Reconcile every Job."""
        for job in self._store.list("jobs"):
            if is_deleting(job):
                continue
            if _finished_at(job) is not None:
                self._expire(job)
            elif not job["spec"].get("suspend"):
                self._sync_one(job)

    def _expire(self, job: Obj) -> None:
        ttl = job["spec"].get("ttlSecondsAfterFinished")
        finished = _finished_at(job)
        if ttl is not None and finished is not None and (datetime.now(UTC) - finished).total_seconds() >= ttl:
            metadata = job["metadata"]
            self._store.begin_delete("jobs", metadata["namespace"], metadata["name"], None, orphan=False)

    def _sync_one(self, job: Obj) -> None:
        spec = job["spec"]
        pods = claim(self._store, "pods", job)
        succeeded = sum(1 for pod in pods if pod["status"].get("phase") == "Succeeded")
        failed = sum(1 for pod in pods if pod["status"].get("phase") == "Failed")
        active = [pod for pod in pods if is_active(pod)]
        started = (job.get("status") or {}).get("startTime") or now()
        status: dict[str, Any] = {"startTime": started, "succeeded": succeeded, "failed": failed}
        if succeeded >= spec.get("completions", 1):
            self._finish(job, status, active, "Complete", "CompletionsReached", "Reached expected number of succeeded pods")
            return
        if failed > spec.get("backoffLimit", 6):
            why = "Job has reached the specified backoff limit"
            self._finish(job, status, active, "Failed", "BackoffLimitExceeded", why)
            return
        if _is_late(spec, started):
            why = "Job was active longer than specified deadline"
            self._finish(job, status, active, "Failed", "DeadlineExceeded", why)
            return
        missing = min(spec["parallelism"], spec.get("completions", 1) - succeeded) - len(active)
        active += [self._store.create("pods", pod_from(spec["template"], job)) for _ in range(missing)]
        status |= {"active": len(active), "ready": 0}
        set_status(self._store, "jobs", job, {field: value for field, value in status.items() if value != 0})

    def _finish(self, job: Obj, status: dict[str, Any], active: list[Obj], kind: str, reason: str, message: str) -> None:
        for pod in active:
            delete_pod(self._store, pod)
        time = now()
        done = {
            "type": kind,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastProbeTime": time,
            "lastTransitionTime": time,
        }
        status = {field: value for field, value in status.items() if value != 0}
        status |= {"conditions": [done]} | ({"completionTime": time} if kind == "Complete" else {})
        record(self._store, job, "Completed" if kind == "Complete" else reason, message, "job-controller")
        set_status(self._store, "jobs", job, status)


def _finished_at(job: Obj) -> datetime | None:
    for condition in (job.get("status") or {}).get("conditions") or []:
        if condition.get("type") in ("Complete", "Failed") and condition.get("status") == "True":
            return datetime.fromisoformat(condition["lastTransitionTime"])
    return None


def _is_late(spec: dict[str, Any], started: str) -> bool:
    deadline = spec.get("activeDeadlineSeconds")
    age = (datetime.now(UTC) - datetime.fromisoformat(started)).total_seconds()
    return deadline is not None and age >= deadline
