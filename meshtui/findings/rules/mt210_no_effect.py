"""MT210: a policy that ambient doesn't enforce: AUDIT, CUSTOM, or a dry run."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.policy.switches import switches_of
from meshtui.findings.authz import policies
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.pods import is_ambient
from meshtui.model.finding import Severity

_DRY_RUN = "istio.io/dry-run"


def _look(context: Context) -> Iterator[Found]:
    """ztunnel supports only ALLOW and DENY (istio/istio ambient/authorization.go: UnsupportedValue).

    A word that is no action is refused (MT801). With a switch of istiod, an old ztunnel enforces dry runs (policy.switches).
    """
    enforced = switches_of(context.snapshot).dry_runs_enforced
    for policy in policies(context):
        ref = policy.meta.ref
        ambient = any(is_ambient(member) and member.pods for member in context.covered(policy))
        if policy.dry_run and ambient and enforced is not False:
            head, said = ("is", Severity.WARNING) if enforced else ("may be", Severity.INFO)
            why = "istiod sends dry runs to ztunnels, and a ztunnel before 1.29 takes them for ordinary policies"
            yield Found((ref,), f"{ref} is a dry run, and {head} enforced", why, said)
        elif policy.dry_run and (ambient or policy.target_refs):
            why = f"it says what it would do, and does nothing: without the annotation {_DRY_RUN} it is enforced"
            yield Found((ref,), f"{ref} is a dry run", why, Severity.INFO)
        elif policy.action in {"AUDIT", "CUSTOM"} and ambient:
            why = "ztunnel enforces ALLOW and DENY only; a waypoint, by targetRefs, does what it says"
            severity = Severity.WARNING if policy.action == "CUSTOM" else Severity.INFO
            yield Found((ref,), f"{ref} is of action {policy.action}, which has no effect on ambient pods", why, severity)


RULE = Rule("MT210", "policy without effect", Severity.WARNING, _look, ("AuthorizationPolicy",), partial=True)
