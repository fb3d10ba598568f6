"""MT105: a workload's ServiceAccount doesn't exist."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.fixes import creation_of_account
from meshtui.model.finding import Fix, Severity
from meshtui.model.ids import ObjectRef


def _look(context: Context) -> Iterator[Found]:
    """Without it the API server admits no pod. Namespaces without a ServiceAccount in the manifests aren't evaluated."""
    snapshot = context.snapshot
    known = {account.meta.ref for account in snapshot.service_accounts.values()}
    told = {ref.namespace for ref in known}
    for ref, controller in snapshot.tops.items():
        account = ObjectRef("ServiceAccount", ref.namespace, controller.template.service_account)
        if account in known or account.name == "default" or not (snapshot.live or ref.namespace in told):
            continue
        running = snapshot.live and any(p.service_account == account.name for p in snapshot.workloads[ref].pods)
        yield Found(
            (ref, account),
            f"{ref} runs as ServiceAccount {account.name}, which doesn't exist in {ref.namespace}",
            "its pods run on, but none will be made anew" if running else "no pod of it can be made",
            Severity.ERROR if snapshot.live else None,
            fix=Fix(f"make ServiceAccount {account.name}", (creation_of_account(account),)),
        )


RULE = Rule(
    "MT105", "missing ServiceAccount", Severity.WARNING, _look, ("ServiceAccount", "Deployment", "StatefulSet", "DaemonSet")
)
