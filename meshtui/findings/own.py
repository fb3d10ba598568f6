"""Queries about policies of the CNI's own kinds for rules: what is never asked, and the tunnel that they leave closed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.matching.identity import Same
from meshtui.engine.policy.networkpolicy import Direction
from meshtui.engine.policy.tiers import Action, Rule, Tier, decide
from meshtui.findings.context import OF_KUBERNETES, Context
from meshtui.findings.netrules import through_tunnel
from meshtui.findings.pods import declared_ports, is_ambient
from meshtui.model.constants import HBONE_PORT
from meshtui.model.verdict import Decider

_DNS = 53
_FEW = 8
"""A range of at most so many ports is about an application."""


def field_of(decider: Decider) -> str:
    """The field of a policy's rule, as ``spec.ingress[0]``; empty for the policy as a whole."""
    rule = decider.rule or ""
    return rule if not rule or rule.startswith("specs[") else f"spec.{rule}"


def all_tiers(context: Context) -> Iterator[tuple[PodClass, Direction, tuple[Tier, ...]]]:
    """The tiers of every class with pods, in each direction; nothing if no policies of the CNI's own kinds are evaluated."""
    if context.own is None:
        return
    for member in context.classes:
        for direction in Direction if member.pods else ():
            yield member, direction, context.own.tiers(direction, member.endpoint)


def tiers_of(context: Context) -> Iterator[tuple[PodClass, Direction, tuple[Tier, ...]]]:
    """The tiers of the classes that a policy of the CNI's own kinds selects."""
    return ((member, way, tiers) for member, way, tiers in all_tiers(context) if context.by_cni(member.endpoint, way))


# ---- rules that are never asked


def never_asked(context: Context) -> dict[Decider, Decider]:
    """The rules that decide nothing for any pod that they are about, each with the one that decides everything before it.

    Only what is certain counts: a rule for everybody on all ports, or the end of a tier.
    """
    asked: set[Decider] = set()
    never: dict[Decider, Decider] = {}
    seen: set[Same] = set()
    for _, _, tiers in all_tiers(context):
        if Same(tiers) in seen:
            continue
        seen.add(Same(tiers))
        for rule, by in _in_order(tiers):
            if by is None:
                asked.add(rule)
            else:
                never.setdefault(rule, by)
    return {rule: by for rule, by in never.items() if rule not in asked and rule != by}


def _in_order(tiers: tuple[Tier, ...]) -> Iterator[tuple[Decider, Decider | None]]:
    """Each rule of a policy, and what decides everything before it, if anything does."""
    over: Decider | None = None
    for tier in tiers:
        here = over
        passes = False
        for rule in tier.rules:
            passes |= rule.action in {Action.PASS, Action.UNKNOWN}
            if rule.decider is None:
                continue
            yield rule.decider, here
            if here is None and rule.is_everything and rule.action is not Action.UNKNOWN:
                here = rule.decider
                over = here if not passes else over
        if here is None and not passes and tier.end is Action.DENY:
            over = tier.by


# ---- the tunnel


@dataclass(frozen=True, slots=True)
class Closed:
    """A flow that a rule means to allow, which stays closed because the tunnel's port is."""

    decider: Decider
    direction: Direction
    flow: tuple[PodClass, PodClass, int]


def tunnel_closed(context: Context) -> Iterator[Closed]:
    """The flows that rules of own policies allow on an application's port between ambient pods, and deny on HBONE's."""
    for subject, direction, tiers in tiers_of(context):
        if not is_ambient(subject):
            continue
        known: dict[int, bool] = {}
        for rule in (rule for tier in tiers for rule in tier.rules if _names_ports(rule)):
            surely, _ = rule.peers.classes(context.index)
            for peer in context.of(surely):
                source, target = (subject, peer) if direction is Direction.EGRESS else (peer, subject)
                if not peer.pods or not through_tunnel(source, target):
                    continue
                if peer.number not in known:
                    known[peer.number] = _denies(tiers, peer, target, HBONE_PORT)
                if known[peer.number] and rule.decider is not None:
                    for port in _opened(context, rule, target):
                        if _allows(tiers, rule, peer, target, port):
                            yield Closed(rule.decider, direction, (source, target, port))


def _names_ports(rule: Rule) -> bool:
    """Whether a rule of an own policy allows some ports, and not HBONE's."""
    if rule.action is not Action.ALLOW or rule.decider is None or rule.decider.ref.kind in OF_KUBERNETES:
        return False
    return rule.doubt is None and rule.ports.entries is not None and not rule.ports.contain(HBONE_PORT, "TCP", None)


def _opened(context: Context, rule: Rule, target: PodClass) -> list[int]:
    """The application's TCP ports that a rule names and the pods declare; all named numbers if they declare none."""
    declared = declared_ports(context, target)
    numbers = [port for port in declared if rule.ports.contain(port, "TCP", target.endpoint.pod)]
    if not declared:
        few = [e for e in rule.ports.entries or () if e.protocol == "TCP" and not e.name and e.last - e.first < _FEW]
        numbers = [entry.first for entry in few]
    return [port for port in dict.fromkeys(numbers) if port not in {HBONE_PORT, _DNS}]


def _denies(tiers: tuple[Tier, ...], peer: PodClass, target: PodClass, port: int) -> bool:
    found = decide(tiers, peer.endpoint, port, "TCP", target.endpoint.pod)
    return found is not None and not found.perhaps and (found.rule is None or found.rule.action is Action.DENY)


def _allows(tiers: tuple[Tier, ...], rule: Rule, peer: PodClass, target: PodClass, port: int) -> bool:
    found = decide(tiers, peer.endpoint, port, "TCP", target.endpoint.pod)
    return found is not None and not found.perhaps and found.rule is rule


def by_own(context: Context, decider: Decider | None, flow: tuple[PodClass, PodClass, int]) -> Decider | None:
    """What decides, if it is a policy of the CNI's own kinds, and not because it leaves the tunnel closed (MT301)."""
    if decider is None or decider.ref.kind in OF_KUBERNETES:
        return None
    (stopped,) = context.once(_stopped)
    return None if flow in stopped else decider


def _stopped(context: Context) -> Iterator[frozenset[tuple[PodClass, PodClass, int]]]:
    """All flows that only the closed tunnel stops, as one set."""
    yield frozenset(each.flow for each in context.once(tunnel_closed))
