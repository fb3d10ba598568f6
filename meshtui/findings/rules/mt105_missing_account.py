"""MT105: a workload's ServiceAccount doesn't exist."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.fixes import creation_of_account
from meshtui.findings.words import few
from meshtui.model.finding import Fix, Severity
from meshtui.model.ids import ObjectRef


def _look(context: Context) -> Iterator[Found]:
    """Without it the API server admits no pod. If the manifests have no ServiceAccount of a namespace, they may be elsewhere."""
    snapshot = context.snapshot
    known = {account.meta.ref for account in snapshot.service_accounts.values()}
    told = {ref.namespace for ref in known}
    elsewhere: dict[str, dict[ObjectRef, ObjectRef]] = {}
    for ref, name in _asked(context):
        account = ObjectRef("ServiceAccount", ref.namespace, name)
        if account in known or account.name == "default":
            continue
        if not (snapshot.live or ref.namespace in told):
            elsewhere.setdefault(ref.namespace, {})[ref] = account
            continue
        pods = snapshot.workloads[ref].pods if snapshot.live and ref in snapshot.workloads else ()
        running = any(p.service_account == account.name for p in pods)
        yield Found(
            (ref, account),
            f"{ref} runs as ServiceAccount {account.name}, which doesn't exist in {ref.namespace}",
            "its pods run on, but none will be made anew" if running else "no pod of it can be made",
            Severity.ERROR if snapshot.live else None,
            fix=Fix(f"make ServiceAccount {account.name}", (creation_of_account(account),)),
        )
    for namespace, asking in sorted(elsewhere.items()):
        names = tuple(dict.fromkeys(asking.values()))
        yield Found(
            (*asking, *names),
            f"{few(tuple(asking))} {'runs' if len(asking) == 1 else 'run'} as {few(names)}; "
            f"the input has no ServiceAccount of namespace {namespace}, so they may be elsewhere",
            "without it no pod can be made",
            Severity.INFO,
        )


def _asked(context: Context) -> Iterator[tuple[ObjectRef, str]]:
    """The ServiceAccount of each controller, and in manifests that of each pod without one."""
    snapshot = context.snapshot
    crons = (c for c in snapshot.controllers.values() if c.meta.kind == "CronJob")
    for controller in (*snapshot.tops.values(), *crons):
        yield controller.meta.ref, controller.template.service_account
    if not snapshot.live:
        yield from ((pod.meta.ref, pod.service_account) for pod in context.running if pod.controller is None)


RULE = Rule(
    "MT105", "missing ServiceAccount", Severity.WARNING, _look, ("ServiceAccount", "Deployment", "StatefulSet", "DaemonSet")
)
