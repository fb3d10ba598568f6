"""HBONE's port, from outside the mesh: the start of a TLS handshake, without a client certificate.

A ztunnel has only TLS 1.3 as a rule, offers h2 as the only protocol, and demands a client certificate (istio/ztunnel
src/tls/certificate.rs, ``server_config``). With TLS 1.3 the handshake is over for a client before its missing certificate is
noticed: curl has the server's certificate then, and ends with 56 and the alert "certificate required". Without ALPN no curl is
refused because of its protocol. No flow is sent with this protocol: ``probe/capture.py`` chooses it.
"""

from __future__ import annotations

import shlex

from meshtui.model.flow import Flow
from meshtui.model.verdict import CLOSED, CONNECTED, TIMEOUT, UNKNOWN
from meshtui.probe.protocols.base import CURL, EMPTY_REPLY, RECV_ERROR, SEND_ERROR, TIMED_OUT, Attempt, Protocol, Sent, in_url

NAME = "hbone"
_WRITE_OUT = "%{certs}@@%{time_connect}|%{time_appconnect}|%{time_total}|%{errormsg}"
_PRELUDE = (
    r"""
hbone() {
  text=$(CURL -v -k --no-alpn --max-time "$LIMIT" -o /dev/null -w 'WRITE_OUT' "$1" 2>&1 </dev/null); code=$?
  rest=${text##*@@}
  connect=${rest%%|*}; rest=${rest#*|}; tls=${rest%%|*}; rest=${rest#*|}; total=${rest%%|*}; error=${rest#*|}
  first=
  case $tls in *[1-9]*) first=tls
    case $text in *URI:spiffe://*) id=${text#*URI:spiffe://}; first="tls spiffe://${id%%[!A-Za-z0-9._/:-]*}";; esac;;
  esac
  case $code:$text in 7:*"onnection refused"*) error="Connection refused";; esac
  error=$(printf '%s' "$error" | head -n 1 | cut -c 1-300)
  printf '%s|%s|%s|0|||%s|%s' "$first" "$connect" "$total" "$error" "$code"
}
""".strip()
    .replace("CURL", CURL)
    .replace("WRITE_OUT", _WRITE_OUT)
)
"""curl names an error that ended a connect only among the lines of ``-v`` (since 7.87 its own message doesn't)."""


def _takes(_flow: Flow, _port: int, _hint: str) -> bool:
    return False


def _attempt(sent: Sent) -> str:
    return f"hbone {shlex.quote(f'https://{in_url(sent.address)}:{sent.port}/')}"


def _outcome(attempt: Attempt) -> str:
    if attempt.first:
        return CONNECTED
    if attempt.exit_code == TIMED_OUT:
        return TIMEOUT
    return CLOSED if attempt.exit_code in {EMPTY_REPLY, SEND_ERROR, RECV_ERROR} else UNKNOWN


PROTOCOL = Protocol(NAME, 95, _takes, _attempt, _outcome, prelude=_PRELUDE)
