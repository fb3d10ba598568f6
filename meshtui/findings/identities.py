"""The identities that policies name, and the workloads that are meant by identities that no pod has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from meshtui.engine.classes.classifier import PodClass
from meshtui.findings.context import Context
from meshtui.findings.pods import declared_ports
from meshtui.model.constants import IDENTITY_LAYERS
from meshtui.model.ids import ObjectRef, principal
from meshtui.model.policy import AuthorizationPolicy
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision, StepResult


@dataclass(frozen=True, slots=True)
class Named:
    """One identity as written in a policy: its rule, its path in the manifest, and its full form."""

    policy: AuthorizationPolicy
    rule: int
    path: tuple[str | int, ...]
    text: str
    identity: str
    """TRUST_DOMAIN/ns/NAMESPACE/sa/ACCOUNT, or the text itself if it doesn't have this form."""

    @property
    def namespace(self) -> str:
        """The namespace of the identity, or an empty string."""
        return parts_of(self.identity)[1]

    @property
    def account(self) -> str:
        """The ServiceAccount of the identity, or an empty string."""
        return parts_of(self.identity)[2]


def parts_of(identity: str) -> tuple[str, str, str]:
    """Trust domain, namespace and ServiceAccount; three empty strings for a text that isn't an identity."""
    domain, mark, rest = identity.removeprefix("spiffe://").partition("/ns/")
    namespace, second, account = rest.partition("/sa/")
    return (domain, namespace, account) if mark and second else ("", "", "")


def named_in(snapshot: Snapshot, policy: AuthorizationPolicy) -> Iterator[Named]:
    """The identities that a policy's rules name in full, in sources and conditions, without not-fields."""
    domain, home = snapshot.mesh.trust_domain, policy.meta.namespace
    for index, rule in enumerate(policy.rules):
        for place, source in enumerate(rule.sources):
            path = ("spec", "rules", index, "from", place, "source")
            for number, text in enumerate(source.principals):
                if "*" not in text:
                    yield Named(policy, index, (*path, "principals", number), text, text)
            for number, text in enumerate(source.service_accounts):
                namespace, slash, name = text.partition("/")
                owner, account = (namespace, name) if slash else (home, text)
                yield Named(policy, index, (*path, "serviceAccounts", number), text, principal(domain, owner, account))
        for place, condition in enumerate(rule.conditions):
            if condition.key == "source.principal":
                for number, text in enumerate(condition.values):
                    if "*" not in text:
                        yield Named(policy, index, ("spec", "rules", index, "when", place, "values", number), text, text)


@dataclass(frozen=True, slots=True)
class Meant:
    """A workload that a policy means by an identity that it doesn't run as, and the flows that this breaks."""

    workload: ObjectRef
    account: str
    named: tuple[Named, ...]
    flows: tuple[tuple[PodClass, PodClass, int], ...]


def meant_workloads(context: Context) -> Mapping[ObjectRef, Meant]:
    """Workloads ``NS/NAME`` that don't run as ``ns/NS/sa/NAME``, when a policy names this identity and no pod has it."""
    wanted: dict[tuple[str, str], list[Named]] = {}
    for policy in context.snapshot.authorization_policies.values():
        for named in named_in(context.snapshot, policy):
            if named.identity not in context.identities and named.account:
                wanted.setdefault((named.namespace, named.account), []).append(named)
    found = {}
    for workload, pods in context.workloads if wanted else ():
        ref = workload.ref
        several = wanted.get((ref.namespace, ref.name))
        if several and any(pod.service_account != ref.name for pod in pods):
            flows = tuple(dict.fromkeys(flow for named in several for flow in broken_flows(context, named, ref)))
            found[ref] = Meant(ref, ref.name, tuple(several), flows)
    return found


def broken_flows(context: Context, named: Named, workload: ObjectRef) -> Iterator[tuple[PodClass, PodClass, int]]:
    """The flows of a workload that the mesh denies at the pods that an ALLOW policy covers, one for each port."""
    if named.policy.action != "ALLOW":
        return
    sources = [member for member in context.classes_in(workload.namespace) if workload in context.owners(member)]
    for target in context.covered(named.policy):
        for source in sources:
            cell = context.matrix.cell(source, target)
            for port in declared_ports(context, target):
                decided = cell.at(port)
                if decided.decision is Decision.DENY and (
                    decided.ruling.layer in IDENTITY_LAYERS or _denied_in_mesh(context, source, target, port)
                ):
                    yield source, target, port


def _denied_in_mesh(context: Context, source: PodClass, target: PodClass, port: int) -> bool:
    """Whether the mesh would deny a flow that a network policy already blocks."""
    verdict = context.engine.between(source.endpoint, target.endpoint, port)
    return any(step.layer in IDENTITY_LAYERS and step.result is StepResult.BLOCK for step in verdict.steps)
