"""DNS over UDP: a query, which every server answers."""

from __future__ import annotations

import shlex

from meshtui.model.flow import Flow
from meshtui.model.verdict import CONNECTED, TIMEOUT, UNKNOWN
from meshtui.probe.protocols.base import TIMED_OUT, Attempt, Protocol, Sent

_PORT = 53
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
"""A script for images with Python that sends a DNS query (RFC 1035, section 4.1) to one server; any response counts."""

_PRELUDE = (
    f"QUESTION={shlex.quote(_QUESTION)}\n"
    + r"""
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
""".strip()
)


def _takes(flow: Flow, port: int, hint: str) -> bool:
    return flow.protocol == "UDP" and (port == _PORT or hint.startswith("dns"))


def _attempt(sent: Sent) -> str:
    return f"dns {shlex.quote(sent.address)} {sent.port}"


def _outcome(attempt: Attempt) -> str:
    """Any response is an answer; without one the query was lost, because a DNS server always answers."""
    if attempt.first:
        return CONNECTED
    return TIMEOUT if attempt.exit_code == TIMED_OUT else UNKNOWN


PROTOCOL = Protocol("dns", 10, _takes, _attempt, _outcome, prelude=_PRELUDE)
