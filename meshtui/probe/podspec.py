"""The manifests of a probe: one Job per run and namespace, which owns the pods, and one pod per identity. Pure."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from meshtui.model.own_probe import job_name, labels
from meshtui.probe.plan import PARALLEL, Batch, Target
from meshtui.probe.protocols import PROTOCOLS, Attempt

if TYPE_CHECKING:
    from meshtui.settings import Probe

EXPIRES = "meshtui.dev/expires"
NEVER_READY = "meshtui.dev/never-ready"
"""The condition of a readiness gate that is never met: the pod runs, but never becomes a ready endpoint."""
_TTL_MARGIN_S = 120
"""PostgreSQL's SSLRequest: length 8, code 80877103 (PostgreSQL: Frontend/Backend Protocol, message formats)."""
_MOST_ATTEMPTS = 5


def job(run: str, namespace: str, settings: Probe, now: datetime) -> dict[str, Any]:
    """A Job that completes at once and owns the pods. If meshtui is killed, its TTL makes the cluster remove them all."""
    expires = (now + timedelta(seconds=settings.deadline_s)).isoformat(timespec="seconds")
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": job_name(run),
            "namespace": namespace,
            "labels": labels(run),
            "annotations": {EXPIRES: expires},
        },
        "spec": {
            "completions": 0,
            "parallelism": 0,
            "backoffLimit": 0,
            "ttlSecondsAfterFinished": settings.deadline_s + _TTL_MARGIN_S,
            "template": {
                "metadata": {"labels": labels(run)},
                "spec": {
                    "restartPolicy": "Never",
                    "automountServiceAccountToken": False,
                    "securityContext": _pod_security(settings),
                    "containers": [_container("owner", settings, "exit 0")],
                },
            },
        },
    }


def pod(run: str, number: int, batch: Batch, owner_uid: str, settings: Probe, now: datetime) -> dict[str, Any]:
    """The pod of one batch. It passes Pod Security *restricted*, and ends at its deadline."""
    expires = (now + timedelta(seconds=settings.deadline_s)).isoformat(timespec="seconds")
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "serviceAccountName": batch.service_account,
        "automountServiceAccountToken": False,
        "activeDeadlineSeconds": settings.deadline_s,
        "terminationGracePeriodSeconds": 0,
        "enableServiceLinks": False,
        "readinessGates": [{"conditionType": NEVER_READY}],
        "securityContext": _pod_security(settings),
        "containers": [_container("probe", settings, script(batch.targets, settings))],
    }
    if batch.node:
        spec["affinity"] = _on_node(batch.node)
        spec["tolerations"] = [{"operator": "Exists"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"{job_name(run)}-{number}",
            "namespace": batch.namespace,
            "labels": {**batch.labels, **labels(run)},
            "annotations": {EXPIRES: expires},
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": job_name(run),
                    "uid": owner_uid,
                    "controller": batch.controlled,
                    "blockOwnerDeletion": False,
                }
            ],
        },
        "spec": spec,
    }


def _on_node(name: str) -> dict[str, Any]:
    """Node affinity for the node of the represented pod. The scheduler places the pod, so that resources are respected."""
    terms = [{"matchFields": [{"key": "metadata.name", "operator": "In", "values": [name]}]}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}


def _pod_security(settings: Probe) -> dict[str, Any]:
    return {
        "runAsNonRoot": True,
        "runAsUser": settings.run_as_user,
        "runAsGroup": settings.run_as_user,
        "seccompProfile": {"type": "RuntimeDefault"},
    }


def _container(name: str, settings: Probe, text: str) -> dict[str, Any]:
    return {
        "name": name,
        "image": settings.image,
        "imagePullPolicy": settings.pull_policy,
        "command": ["/bin/sh", "-c", text],
        "resources": {
            "requests": {"cpu": "10m", "memory": "16Mi"},
            "limits": {"cpu": "500m", "memory": "64Mi"},
        },
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def script(targets: tuple[Target, ...], settings: Probe) -> str:
    """A POSIX shell script around curl that prints one JSON line per attempt.

    Each flow is tried until two consecutive attempts have the same result, at most five times, since the mesh needs a moment to
    learn of a new pod. A line is
    ``{"id","attempt","exit","status","connect","total","bytes","server","upstream","reply","error"}``.
    """
    functions, calls = [], []
    for index, target in enumerate(targets):
        functions.append(f"f{index}() {{ {_attempt(target)}; }}")
        calls.append(f"try {shlex.quote(target.id)} f{index} &")
        if (index + 1) % PARALLEL == 0:
            calls.append("wait")
    return "\n".join(
        [
            f"LIMIT={settings.attempt_timeout_s}",
            *(
                PROTOCOLS[name].prelude
                for name in dict.fromkeys(target.protocol for target in targets)
                if PROTOCOLS[name].prelude
            ),
            _PRELUDE,
            *functions,
            *calls,
            "wait",
            "echo '{\"done\":true}'",
        ]
    )


_PRELUDE = r"""
say() {
  text=$(printf '%s' "$4" | tr -d '\000-\037"\\')
  printf '{"id":"%s","attempt":%s,"exit":%s,"result":"%s"}\n' "$1" "$2" "$3" "$text"
}
try() {
  last=; n=0; limit=2
  while [ "$n" -lt MOST_ATTEMPTS ]; do
    n=$((n + 1))
    out=$("$2"); code=${out##*|}
    say "$1" "$n" "$code" "$out"
    key=$code/$(printf '%s' "$out" | cut -d'|' -f1)
    [ "$key" = "$last" ] && break
    last=$key; [ "$code" = 0 ] || [ "${out%%|*}" ] || limit=$LIMIT
    case $code in 0) sleep 0.2;; *) sleep 1;; esac
  done
}
""".strip().replace("MOST_ATTEMPTS", str(_MOST_ATTEMPTS))


def is_last_attempt(attempts: Sequence[Attempt]) -> bool:
    """Whether the script tries a flow no more after these attempts: two have the same result, or there are five."""
    if len(attempts) >= _MOST_ATTEMPTS:
        return True
    last = [(attempt.exit_code, attempt.first) for attempt in attempts[-2:]]
    return len(last) == 2 and last[0] == last[1]


def _attempt(target: Target) -> str:
    """One attempt: prints ``first|connect|total|bytes|server|upstream|error|exit code``."""
    attempt = PROTOCOLS[target.protocol].attempt
    if attempt is None:
        raise ValueError(f"nothing can be sent over {target.protocol}: plans refuse such flows")
    return attempt(target)
