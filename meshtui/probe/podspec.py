"""The objects of a probe: one Job a run and namespace that owns the pods, one pod for each identity. Pure."""

from __future__ import annotations

import shlex
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from meshtui.model.own_probe import job_name, labels
from meshtui.probe.plan import PARALLEL, Batch, Target, is_address

if TYPE_CHECKING:
    from meshtui.settings import Probe

EXPIRES = "meshtui.dev/expires"
NEVER_READY = "meshtui.dev/never-ready"
"""A readiness gate that nobody opens: the pod runs, but is never an endpoint that gets traffic."""
_TTL_MARGIN_S = 120
_POSTGRES_SSL_REQUEST = r"\000\000\000\010\004\322\026\057"
"""PostgreSQL's SSLRequest: length 8, code 80877103 (PostgreSQL: Frontend/Backend Protocol, message formats)."""


def job(run: str, namespace: str, settings: Probe, now: datetime) -> dict[str, Any]:
    """A Job that completes at once and owns the pods: when meshtui is killed, its TTL makes the cluster remove them."""
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
    """The pod of one batch. It passes Pod Security *restricted*, and lives no longer than the deadline."""
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
    """The node of the pod that it stands for, by way of the scheduler (which still minds resources)."""
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
    """A POSIX shell script around curl that prints one JSON line for each attempt.

    Each flow is tried until two attempts in a row look the same (the mesh takes a moment to know a new pod), at most five
    times. A line is ``{"id","attempt","exit","status","connect","total","bytes","server","upstream","reply","error"}``.
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
            f"QUESTION={shlex.quote(_QUESTION)}",
            _PRELUDE,
            *functions,
            *calls,
            "wait",
            "echo '{\"done\":true}'",
        ]
    )


_QUESTION = """
import socket, sys, time
host, port, limit = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
name = b"".join(bytes([len(p)]) + p for p in b"kubernetes.default.svc.cluster.local".split(b".")) + b"\\0"
began, first, size, error, code = time.time(), "", 0, "", 28
try:
    s = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(limit)
    s.connect((host, port))
    s.send(b"MT\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + name + b"\\0\\1\\0\\1")
    size = len(s.recv(4096))
    first, code = "answer", 0
except ConnectionRefusedError as e:
    error, code = str(e), 7
except OSError as e:
    error = str(e)
print("%s|0|%.3f|%d|||%s|%d" % (first, time.time() - began, size, error, code), end="")
""".strip()
"""A DNS question (RFC 1035, section 4.1) to one server, for images with Python: any answer to it is an answer."""

_PRELUDE = r"""
H2=--http2-prior-knowledge; curl -V 2>/dev/null | grep -q HTTP2 || H2=--http1.1
h2() {
  text=$("$@" "$H2"); code=$?
  case $code in 1|16|52|56) text=$("$@" --http1.1); code=$?;; esac
  printf '%s|%s' "$text" "$code"
}
dns() {
  if command -v python3 >/dev/null 2>&1; then
    python3 -c "$QUESTION" "$1" "$2" "$LIMIT"
  elif [ "$2" = 53 ] && command -v nslookup >/dev/null 2>&1; then
    text=$(timeout "$LIMIT" nslookup kubernetes.default.svc.cluster.local. "$1" 2>&1); code=$?
    case $code in 124|143) code=28;; *) case $text in *"timed out"*|*"no servers"*) code=28;; *) code=0;; esac;; esac
    if [ "$code" = 0 ]; then printf 'answer|0|0|1||||0'; else printf '|0|%s|0||||28' "$LIMIT"; fi
  else
    printf '|0|0|0|||the image has neither python3 nor, for port 53, nslookup|127'
  fi
}
say() {
  text=$(printf '%s' "$4" | tr -d '\000-\037"\\')
  printf '{"id":"%s","attempt":%s,"exit":%s,"result":"%s"}\n' "$1" "$2" "$3" "$text"
}
try() {
  last=; n=0; limit=2
  while [ "$n" -lt 5 ]; do
    n=$((n + 1))
    out=$("$2"); code=${out##*|}
    say "$1" "$n" "$code" "$out"
    key=$code/$(printf '%s' "$out" | cut -d'|' -f1)
    [ "$key" = "$last" ] && break
    last=$key; [ "$code" = 0 ] || [ "${out%%|*}" ] || limit=$LIMIT
    case $code in 0) sleep 0.2;; *) sleep 1;; esac
  done
}
""".strip()

_WRITE_OUT = (
    "%{http_code}|%{time_connect}|%{time_total}|%{size_download}"
    "|%header{server}|%header{x-envoy-upstream-service-time}|%{errormsg}"
)


def _attempt(target: Target) -> str:
    """One attempt: prints ``status|connect|total|bytes|server|upstream|error|exit code``.

    curl's telnet ends only when its time is over, so the first attempt is short; silence is given the full time after it.
    """
    if target.protocol == "dns":
        return f"dns {shlex.quote(target.address)} {target.port}"
    common = "curl -sS --noproxy '*'"
    if target.protocol in {"http", "http2"}:
        common += " --max-time $LIMIT"
        address = target.address if is_address(target.address) and ":" not in target.address else _host(target.address)
        request = target.request
        words = [
            f"h2 {common}" if target.protocol == "http2" else f"{common} --http1.1",
            "-o /dev/null",
            f"-X {shlex.quote(request.method)}" if request.method != "HEAD" else "-I",
            f"-H {shlex.quote('Host: ' + request.host)}" if request.host else "",
            "-H 'User-Agent: meshtui-probe'",
            *(f"-H {shlex.quote(f'{name}: {value}')}" for name, value in request.headers),
            f"-w {shlex.quote(_WRITE_OUT)}",
            shlex.quote(f"http://{address}:{target.port}{request.path}"),
            "2>/dev/null",
        ]
        return " ".join(word for word in words if word) + ("" if target.protocol == "http2" else '; printf "|%s" "$?"')
    url = shlex.quote(f"telnet://{_host(target.address)}:{target.port}")
    write_out = shlex.quote("|%{time_connect}|%{time_total}|%{size_download}|||%{errormsg}")
    common += " --max-time $limit"
    feed = f"printf '{_POSTGRES_SSL_REQUEST}'; sleep 1" if target.protocol == "postgres" else "sleep 2"
    return f"{{ {feed}; }} | {{ {common} -w {write_out} {url} 2>/dev/null; printf '|%s' \"$?\"; }}"


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address
