"""MT102: unlike workloads share one ServiceAccount."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.identities import named_in
from meshtui.model.constants import MESHED
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef

_VERSION = re.compile(r"[-.]?(v\d+|\d+|blue|green|canary|stable|primary|replica|master|slave|leader|follower)$")


def _look(context: Context) -> Iterator[Found]:
    """A warning when a policy names the identity: it means one workload, and allows all of them."""
    snapshot = context.snapshot
    sharing: dict[str, dict[str, ObjectRef]] = defaultdict(dict)
    for workload, pods in context.workloads:
        for pod in pods:
            if pod.service_account != "default" and snapshot.mesh_mode(pod) in MESHED:
                sharing[snapshot.principal_of(pod)].setdefault(
                    _kind_of(workload.ref.name, pod.labels.get("app", "")), workload.ref
                )
    policies: dict[str, ObjectRef] = {}
    for policy in snapshot.authorization_policies.values():
        for named in named_in(snapshot, policy):
            policies.setdefault(named.identity, policy.meta.ref)
    for identity, workloads in sharing.items():
        if len(workloads) > 1:
            refs = tuple(sorted(workloads.values()))
            by = policies.get(identity)
            why = f"{by} names it, and can't mean one of them without the others" if by else "no policy can tell them apart"
            names = ", ".join(ref.name for ref in refs[:4]) + (" …" if len(refs) > 4 else "")
            yield Found(
                refs,
                f"{len(refs)} unlike workloads of {refs[0].namespace} run as {identity.rpartition('/')[2]}: {names}",
                why,
                Severity.WARNING if by else None,
            )


def _kind_of(name: str, app: str) -> str:
    """The key by which workloads count as alike: the ``app`` label, or the name without a version."""
    return app or _VERSION.sub("", name)


RULE = Rule("MT102", "shared identity", Severity.INFO, _look, ("AuthorizationPolicy",), partial=True)
