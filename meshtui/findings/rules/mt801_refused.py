"""MT801: a policy that istiod's validation refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.refused import refusals
from meshtui.model.finding import Severity

_NAMED = 3

_FIELD = re.compile(
    r"(?:rules|targetRefs|jwtRules)\[\d+\][\w.\[\]]*|mtls\.mode|(?:action|portLevelMtls|provider|selector|targetRef)\b"
)


def _look(context: Context) -> Iterator[Found]:
    """In a cluster it got past validation, and a warning is enough: it stays until somebody changes it."""
    snapshot = context.snapshot
    live = snapshot.live
    kinds = (snapshot.authorization_policies, snapshot.request_authentications, snapshot.peer_authentications)
    for policy in sorted((p for kind in kinds for p in kind.values()), key=lambda p: p.meta.ref):
        problems = tuple(dict.fromkeys(refusals(policy)))
        if not problems:
            continue
        more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        yield Found(
            (policy.meta.ref,),
            f"{policy.meta.ref} isn't valid: {'; '.join(problems[:_NAMED])}{more}",
            "it was written past istiod's validation, which refuses its next change"
            if live
            else "istiod's validation, or the schema of its kind, refuses it when it is applied: what it says never holds",
            Severity.WARNING if live else None,
            field=_field(problems[0]),
        )


def _field(problem: str) -> str:
    """The field that a problem begins with, or nothing."""
    at = _FIELD.match(problem)
    return f"spec.{at[0]}" if at else ""


RULE = Rule(
    "MT801",
    "will be refused",
    Severity.ERROR,
    _look,
    ("AuthorizationPolicy", "RequestAuthentication", "PeerAuthentication"),
    partial=True,
)
