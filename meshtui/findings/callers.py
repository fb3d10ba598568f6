"""Flows that are meant to work: by configuration, by a gateway's route, or because a NetworkPolicy names the caller."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.policy.networkpolicy import Direction, applies, rules
from meshtui.findings.context import Context
from meshtui.findings.netrules import opened, particular
from meshtui.model.ids import ObjectRef


@dataclass(frozen=True, slots=True)
class Meant:
    """One flow that is meant to work, and the object that states it."""

    source: PodClass
    target: PodClass
    port: int
    said_by: ObjectRef
    words: str

    @property
    def configured(self) -> bool:
        """Whether the flow is certain to be used: a NetworkPolicy only permits a flow."""
        return self.said_by.kind != "NetworkPolicy"


def meant(context: Context) -> tuple[Meant, ...]:
    """All flows that are meant to work."""
    return context.once(_meant_flows)


def _meant_flows(context: Context) -> Iterator[Meant]:
    """The flows of all configured calls and routes, and those that an ingress rule allows by the caller's labels."""
    for call in context.calls:
        source = context.matrix.class_of(call.source.key)
        for pod, port in call.targets:
            target = context.matrix.class_of(pod.key)
            if source is not None and target is not None:
                yield Meant(source, target, port, call.said_by, call.words)
    for policy in sorted(context.snapshot.network_policies.values(), key=lambda p: p.meta.ref):
        if not applies(policy, Direction.INGRESS):
            continue
        targets = [m for m in context.of(context.selected(policy.meta.namespace, policy.pod_selector)) if m.pods]
        for index, rule in enumerate(rules(policy, Direction.INGRESS)):
            bits = context.peers(particular(rule.peers), policy.meta.namespace)
            for source in context.of(bits) if targets else ():
                for target in targets if source.pods else ():
                    for port in opened(context, rule, target):
                        yield Meant(source, target, port, policy.meta.ref, f"ingress[{index}]")
