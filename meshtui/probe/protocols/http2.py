"""HTTP/2 without TLS, with curl; HTTP/1.1 if the image's curl or the server doesn't support it."""

from __future__ import annotations

from meshtui.model.flow import Flow
from meshtui.probe.protocols.base import CURL, Protocol, Sent
from meshtui.probe.protocols.http import curl, outcome

_HINTS = ("http2", "grpc", "h2c", "kubernetes.io/h2c")
_PRELUDE = r"""
H2=--http2-prior-knowledge; curl -V 2>/dev/null | grep -q HTTP2 || H2=--http1.1
h2() {
  text=$("$@" "$H2"); code=$?
  case $code in 1|16|52|56) text=$("$@" --http1.1); code=$?;; esac
  printf '%s|%s' "$text" "$code"
}
""".strip()


def _takes(flow: Flow, _port: int, hint: str) -> bool:
    return flow.protocol == "TCP" and hint.startswith(_HINTS) and not hint.startswith("grpc-web")


def _attempt(sent: Sent) -> str:
    return curl(sent, f"h2 {CURL} --max-time $LIMIT")


PROTOCOL = Protocol("http2", 30, _takes, _attempt, outcome, prelude=_PRELUDE, has_status=True)
