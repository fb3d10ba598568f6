"""MT229: a mistyped field, or an empty list, makes a policy wider than it reads."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.kinds.authorization_policy import AuthorizationSpec
from meshtui.kinds.convert import field_places, fields_beside
from meshtui.kinds.peer_authentication import PeerAuthenticationSpec
from meshtui.kinds.request_authentication import RequestAuthenticationSpec
from meshtui.model.finding import Severity
from meshtui.model.policy import AuthorizationPolicy, PeerAuthentication, RequestAuthentication

_SPECS = {
    "AuthorizationPolicy": AuthorizationSpec,
    "PeerAuthentication": PeerAuthenticationSpec,
    "RequestAuthentication": RequestAuthenticationSpec,
}
_ALIKE = 0.7
_SCOPES = {"selector", "targetRef", "targetRefs"}
_LABELS = "spec.selector.matchLabels"
_OTHER_NAMES = {"jwks_uri"}
"""Second names that the schemas have for fields."""


def _look(context: Context) -> Iterator[Found]:
    """Fields that a kind doesn't have are dropped when it is applied; only those that are written like one it has are typos.

    In a cluster they have been dropped: what is left there is a field of a newer version.
    """
    snapshot = context.snapshot
    kinds = (snapshot.authorization_policies, snapshot.request_authentications, snapshot.peer_authentications)
    for policy in sorted((p for kind in kinds for p in kind.values()), key=lambda p: p.meta.ref):
        ref = policy.meta.ref
        for path in policy.unmodelled if not snapshot.live else ():
            meant = _meant(ref.kind, path)
            place = "" if meant else _place(ref.kind, path)
            if meant or place:
                said = f"which isn't one: {meant} is" if meant else f"which has no place there: it belongs in {place}"
                effect = _effect(context, policy, path, meant) if meant else _without(context, policy, place)
                yield Found(
                    (ref,),
                    f"{ref} has a field {path}, {said}",
                    f"kubectl refuses it, and clients without strict validation drop it: {effect}",
                    field=path,
                )
        for path in policy.blank if isinstance(policy, AuthorizationPolicy) else ():
            what = "every source" if path.endswith("from") else "every operation"
            why = f"to istiod an empty list is as if it weren't there: the rule is for {what}, and not for none"
            yield Found((ref,), f"{ref} {path.removeprefix('spec.')} is an empty list", why, field=path)


def _meant(kind: str, path: str) -> str:
    """The field that a mistyped one is meant to be; empty if it is like none that isn't a stand-in for something unreadable."""
    if "(" in path:
        return ""
    name = path.rpartition(".")[2]
    if name in _OTHER_NAMES:
        return ""
    known = {field.lower(): field for field in fields_beside(_SPECS[kind], path)}
    found = get_close_matches(name.lower(), known, 1, _ALIKE)
    return known[found[0]] if found else ""


def _place(kind: str, path: str) -> str:
    """Where a field belongs that stands in a wrong place; empty if the kind has none of that name."""
    if path.startswith("spec.selector."):
        return _LABELS
    return "" if "(" in path else field_places(_SPECS[kind]).get(path.rpartition(".")[2], "")


def _without(context: Context, policy: AuthorizationPolicy | PeerAuthentication | RequestAuthentication, place: str) -> str:
    """What the policy is without a field that stands in a wrong place."""
    if place == _LABELS:
        return "the selector is empty"
    if place == "spec.selector" and policy.selector is None:
        return _effect(context, policy, "spec.selector", "selector")
    return "what it restricts isn't restricted"


def _effect(
    context: Context, policy: AuthorizationPolicy | PeerAuthentication | RequestAuthentication, path: str, meant: str
) -> str:
    """What the policy is without the field."""
    if meant in _SCOPES and path.count(".") == 1:
        targets = () if isinstance(policy, PeerAuthentication) else policy.target_refs
        if policy.selector is not None or targets:
            return "its other scope counts alone"
        wide = "mesh" if policy.meta.namespace == context.snapshot.mesh.root_namespace else "namespace"
        return f"the policy is for the whole {wide}"
    if ".selector." in path:
        return "the selector is empty"
    return {
        "action": "the policy allows, as it does without an action",
        "rules": "the policy has no rules",
        "from": "the rule is for every source",
        "to": "the rule is for every operation",
        "when": "the rule holds without that condition",
        "mode": "the mode is that of the namespace or the mesh",
        "mtls": "the mode is that of the namespace or the mesh",
        "jwtRules": "no token is checked",
    }.get(meant, "what is left matches more, or nothing")


RULE = Rule(
    "MT229",
    "wider than it reads",
    Severity.WARNING,
    _look,
    ("AuthorizationPolicy", "RequestAuthentication", "PeerAuthentication"),
    partial=True,
)
