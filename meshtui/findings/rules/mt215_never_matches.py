"""MT215: a rule with an entry that never matches: no field of it is read, or its values can't be parsed."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.matching.addresses import parse_network, parse_port
from meshtui.engine.policy.authorization import compile_policy, l7_fields_of
from meshtui.engine.policy.ztunnel import NOTHING
from meshtui.findings.attached import at_waypoints
from meshtui.findings.authz import at_ztunnel
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.pods import meant_port
from meshtui.findings.refused import refusals
from meshtui.findings.words import few
from meshtui.model.finding import Severity
from meshtui.model.policy import AuthorizationPolicy, AuthorizationRule
from meshtui.model.workload import Service


def _look(context: Context) -> Iterator[Found]:
    """Unparsable ports and addresses are dropped one by one; an entry with nothing left never matches (src/rbac.rs).

    istiod's validation refuses those (MT801): they are only looked at in a cluster, where they got past it.
    """
    yield from _of_pods(context)
    for policy, members in at_ztunnel(context):
        compiled = dict(compile_policy(policy).rules)
        if not context.snapshot.live and any(refusals(policy)):
            continue
        yield from _of_services(context, policy, members)
        for index, rule in enumerate(policy.rules):
            odd = _odd(rule)
            empty = index in compiled and any(clause and all(m == NOTHING for m in clause) for clause in compiled[index])
            nothing = _only_port_zero(rule)
            if not odd and not nothing and not (empty and not _asks_http(policy, rule)):
                continue
            said = [*odd, *(["port 0 alone, which no connection has"] if nothing else [])]
            what = ", ".join(said) or "an entry in which nothing is set"
            effect = "the rule never matches" if empty or nothing else "what can't be read is dropped, and the rest counts"
            why, field = f"{effect}; nothing reports that", f"spec.rules[{index}]"
            yield Found((policy.meta.ref,), f"{policy.meta.ref} rules[{index}]: {what}", why, field=field)


def _of_services(context: Context, policy: AuthorizationPolicy, members: tuple[PodClass, ...]) -> Iterator[Found]:
    """Entries all of whose ports are a Service's, and no pod's: ztunnel compares the port of the pod."""
    for field, texts in _ports(policy):
        meant = [meant_port(context, members, parse_port(text) or 0) for text in texts]
        if not meant or meant[0] is None or None in meant:
            continue
        service, port = meant[0]
        ref, excepts = policy.meta.ref, field.endswith(("notPorts", "notValues"))
        effect = "excepts no connection" if excepts else "never matches"
        yield Found(
            (ref, service.meta.ref),
            f"{ref} {field.removeprefix('spec.')}: {texts[0]} is a port of {service.meta.ref}, which leads to {port} of the pods",
            f"ztunnel compares the pods' port, and no pod has this one: it {effect}",
            field=field,
        )


def _of_pods(context: Context) -> Iterator[Found]:
    """Entries for Services at their waypoint, all of whose ports are the pods': the waypoint compares those of the Service."""
    for each in at_waypoints(context):
        if any(target.kind != "Service" for target in each.policy.target_refs):
            continue
        ref, ports = each.policy.meta.ref, [port for service in each.services for port in service.ports]
        known, behind = {port.number for port in ports}, {number for s in each.services for number in _targets(context, s)}
        for field, texts in _ports(each.policy):
            asked = {parse_port(text) for text in texts}
            if not asked or asked & known or not asked <= behind:
                continue
            effect = "excepts no connection" if field.endswith(("notPorts", "notValues")) else "never matches"
            names = few([service.meta.ref for service in each.services])
            said = f"{ref} {field.removeprefix('spec.')}: {texts[0]} is a port of the pods of {names}"
            yield Found((ref,), said, f"the waypoint compares the Service's port, which is another: it {effect}", field=field)


def _targets(context: Context, service: Service) -> set[int]:
    return {target.port for port in service.ports for target in context.resolver.behind.targets(service, port)}


def _ports(policy: AuthorizationPolicy) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The fields of a policy that name ports, with their values."""
    for index, rule in enumerate(policy.rules):
        for place, operation in enumerate(rule.operations):
            at = f"spec.rules[{index}].to[{place}].operation"
            yield from ((f"{at}.ports", operation.ports), (f"{at}.notPorts", operation.not_ports))
        for place, condition in enumerate(rule.conditions):
            if condition.key == "destination.port":
                at = f"spec.rules[{index}].when[{place}]"
                yield from ((f"{at}.values", condition.values), (f"{at}.notValues", condition.not_values))


def _asks_http(policy: AuthorizationPolicy, rule: AuthorizationRule) -> bool:
    """Whether the entry is empty because its fields need HTTP, which MT201 reports."""
    return policy.action == "DENY" and bool(l7_fields_of(rule))


def _only_port_zero(rule: AuthorizationRule) -> bool:
    """Whether every operation, or a condition, asks for no port but 0."""
    asked = [[parse_port(text) for text in o.ports] for o in rule.operations]
    wanted = [[parse_port(text) for text in c.values] for c in rule.conditions if c.key == "destination.port"]
    return (bool(asked) and all(ports and set(ports) == {0} for ports in asked)) or any(set(ports) == {0} for ports in wanted)


def _odd(rule: AuthorizationRule) -> list[str]:
    """The values that can't be parsed, and fields that ambient doesn't read."""
    found = [f"port {text!r}" for o in rule.operations for text in (*o.ports, *o.not_ports) if parse_port(text) is None]
    blocks = [text for s in rule.sources for text in (*s.ip_blocks, *s.not_ip_blocks)]
    for condition in rule.conditions:
        values = (*condition.values, *condition.not_values)
        if condition.key == "destination.port":
            found += [f"port {text!r}" for text in values if parse_port(text) is None]
        elif condition.key in {"source.ip", "destination.ip"}:
            blocks += values
    found += [f"address {text!r}" for text in blocks if parse_network(text) is None]
    if any(s.trust_domains or s.not_trust_domains for s in rule.sources):
        found.append("trustDomains, which ztunnel doesn't get")
    return found


RULE = Rule("MT215", "entry that never matches", Severity.WARNING, _look, ("AuthorizationPolicy",), partial=True)
