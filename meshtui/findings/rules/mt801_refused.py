"""MT801: a policy that istiod's validation refuses."""

from __future__ import annotations

import re
from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.refused import refusals
from meshtui.kinds.registry import POLICY_KINDS
from meshtui.model.finding import Severity

_NAMED = 3

_FIELD = re.compile(
    r"(?:rules|targetRefs|jwtRules|ingress|egress)(?:\[\d+\][\w.\[\]]*|\b)|mtls\.mode"
    r"|(?:action|portLevelMtls|provider|selector|podSelector|targetRef)\b"
)
_TYPES = re.compile(r"Expected `(\w+)(?: \| null)?`, got `(\w+)`")
_NOUNS = {
    "str": "text",
    "int": "a number",
    "float": "a number",
    "bool": "a boolean",
    "object": "a map",
    "array": "a list",
    "null": "nothing",
}


def _look(context: Context) -> Iterator[Found]:
    """In a cluster it got past validation, and a warning is enough: it stays until somebody changes it."""
    snapshot = context.snapshot
    live = snapshot.live
    kinds = (snapshot.authorization_policies, snapshot.request_authentications, snapshot.peer_authentications)
    found = {policy.meta.ref: list(refusals(policy)) for kind in kinds for policy in kind.values()}
    for each in snapshot.problems:
        if each.ref is not None and each.ref.kind in POLICY_KINDS:
            found.setdefault(each.ref, []).append(f"{each.path.removeprefix('spec.') or 'it'} {_mistyped(each.reason)}")
    for ref, reasons in sorted(found.items(), key=lambda item: item[0]):
        problems = tuple(dict.fromkeys(reasons))
        if not problems:
            continue
        more = f"; and {len(problems) - _NAMED} more" if len(problems) > _NAMED else ""
        yield Found(
            (ref,),
            f"{ref} isn't valid: {'; '.join(problems[:_NAMED])}{more}",
            "it was written past istiod's validation, which refuses its next change"
            if live
            else "istiod's validation, or the schema of its kind, refuses it when it is applied: what it says never holds",
            Severity.WARNING if live else None,
            field=_field(problems[0]),
        )


def _mistyped(reason: str) -> str:
    """A decoder's words for a value of another type than the schema's."""
    types = _TYPES.match(reason)
    if types is None or not set(types.groups()) <= set(_NOUNS):
        return f"can't be read: {reason}"
    wanted, got = (_NOUNS[each] for each in types.groups())
    return f"is {got}, and the schema wants {wanted}"


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
