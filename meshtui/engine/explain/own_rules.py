"""Rules of Calico's and Cilium's policies as sentences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meshtui.engine.matching.selectors import describe
from meshtui.model.calico import CalicoPolicy, CalicoRule, Side
from meshtui.model.cilium import CiliumCidr, CiliumPolicy, CiliumPorts, CiliumRule, CiliumService, CiliumSpec
from meshtui.model.ids import ObjectRef

_SECTIONS = {"ingress": ("ingress_deny", "ingressDeny", "ingress"), "egress": ("egress_deny", "egressDeny", "egress")}


_OWNERS = {"projectcalico.org": "Calico", "crd.projectcalico.org": "Calico", "crd.antrea.io": "Antrea"}
_SHORT = {
    "NetworkPolicy": "netpol",
    "GlobalNetworkPolicy": "gnp",
    "AdminNetworkPolicy": "anp",
    "BaselineAdminNetworkPolicy": "banp",
    "CiliumNetworkPolicy": "cnp",
    "CiliumClusterwideNetworkPolicy": "ccnp",
}
"""The short names that kubectl takes."""


def kind_in_words(ref: ObjectRef) -> str:
    """A kind as lists show it: ``NetworkPolicy (Calico)`` where its name alone is that of another API's kind too."""
    name, _, group = ref.kind.partition(".")
    return f"{name} ({_OWNERS.get(group, group)})" if group else name


def short_kind(ref: ObjectRef) -> str:
    """The same in a few letters: ``netpol (Calico)``."""
    name, _, group = ref.kind.partition(".")
    owner = f" ({_OWNERS.get(group, group)})" if group and name == "NetworkPolicy" else ""
    return f"{_SHORT.get(name, name)}{owner}"


def selected_in_words(policy: CalicoPolicy | CiliumPolicy) -> str:
    """What a policy selects, as it is written."""
    if isinstance(policy, CalicoPolicy):
        return " and ".join(_calico_subject(policy)) or "all pods"
    return " or ".join(dict.fromkeys(_cilium_subject(spec) for _, spec in policy.specs)) or "nothing"


def rules_in_words(policy: CalicoPolicy | CiliumPolicy, direction: str) -> Iterator[tuple[str, str, str]]:
    """The rules of a policy in a direction (``ingress`` or ``egress``): place, action, and the rest of the sentence."""
    if isinstance(policy, CalicoPolicy):
        for number, rule in enumerate(policy.ingress if direction == "ingress" else policy.egress):
            yield f"{direction}[{number}]", rule.action or "(no action)", _calico(rule)
        return
    field, denied, allowed = _SECTIONS[direction]
    for path, spec in policy.specs:
        prefix = f"{path}." if path else ""
        for action, name, rules in (("Deny", denied, getattr(spec, field)), ("Allow", allowed, getattr(spec, allowed))):
            for number, each in enumerate(rules):
                yield f"{prefix}{name}[{number}]", action, _cilium(each, "from" if direction == "ingress" else "to")


# ---- Calico


def _calico_subject(policy: CalicoPolicy) -> Iterator[str]:
    if policy.selector:
        yield policy.selector
    if policy.namespace_selector:
        yield f"in namespaces [{policy.namespace_selector}]"
    if policy.service_account_selector:
        yield f"with accounts [{policy.service_account_selector}]"


def _calico(rule: CalicoRule) -> str:
    protocol = rule.protocol or (f"all but {rule.not_protocol}" if rule.not_protocol else "")
    parts = [f"IPv{rule.ip_version}" if rule.ip_version else "", protocol, "ICMP types" if rule.icmp else ""]
    source, destination = _side(rule.source), _side(rule.destination)
    parts += [f"from {source}" if source else "", f"to {destination}" if destination else ""]
    words = " ".join(part for part in parts if part) or "everything"
    return f"{words}, if an HTTP request matches" if rule.http else words


def _side(side: Side) -> str:
    accounts, service = side.service_accounts, side.service
    named = [*(accounts.names if accounts else ()), *([f"[{accounts.selector}]"] if accounts and accounts.selector else ())]
    whom = [
        f"[{side.selector}]" if side.selector else "",
        f"not [{side.not_selector}]" if side.not_selector else "",
        f"in namespaces [{side.namespace_selector}]" if side.namespace_selector else "",
        f"accounts {', '.join(named)}" if named else "",
        f"Service {'/'.join(part for part in service if part)}" if service else "",
        ", ".join(side.nets or ()),
        f"not {', '.join(side.not_nets)}" if side.not_nets else "",
        ", ".join(side.domains),
        f"ports {', '.join(side.ports)}" if side.ports else "",
        f"not ports {', '.join(side.not_ports)}" if side.not_ports else "",
    ]
    return " ".join(part for part in whom if part)


# ---- Cilium


def _cilium_subject(spec: CiliumSpec) -> str:
    if spec.endpoint_selector is not None:
        return describe(spec.endpoint_selector)
    return f"nodes [{describe(spec.node_selector)}]" if spec.node_selector is not None else "nothing"


def _cilium(rule: CiliumRule, word: str) -> str:
    peers = list(_cilium_peers(rule))
    ports = [_cilium_ports(each) for each in rule.ports] + [f"ICMP ({', '.join(each)})" for each in rule.icmps]
    said = f"{word} {' or '.join(peers) if peers else 'everywhere'}"
    said += f" on {' or '.join(ports)}" if ports else " on all ports"
    return f"{said}, authentication {rule.authentication}" if rule.authentication else said


def _cilium_peers(rule: CiliumRule) -> Iterator[str]:
    yield from (f"[{describe(each)}]" for each in rule.endpoints or ())
    yield from (rule.cidrs or ())
    yield from (_cidr(each) for each in rule.cidr_sets or ())
    yield from (rule.entities or ())
    yield from (f"nodes [{describe(each)}]" for each in rule.nodes or ())
    yield from (_service(each) for each in rule.services)
    yield from (name or pattern for name, pattern in rule.names)
    if rule.groups:
        yield f"{rule.groups} group(s) of a cloud"
    if any(each == () for each in (rule.endpoints, rule.cidrs, rule.cidr_sets, rule.entities, rule.nodes)):
        yield "nobody (an empty list)"


def _cidr(entry: CiliumCidr) -> str:
    groups = f"groups [{describe(entry.groups)}]" if entry.groups is not None else ""
    base = entry.cidr or (f"group {entry.group}" if entry.group else groups)
    return f"{base} except {', '.join(entry.excepts)}" if entry.excepts else base


def _service(service: CiliumService) -> str:
    if service.selector is not None:
        return f"Services [{describe(service.selector)}]" + (f" in {service.namespace}" if service.namespace else "")
    return f"Service {service.namespace}/{service.name}" if service.namespace else f"Service {service.name}"


def _cilium_ports(ports: CiliumPorts) -> str:
    numbers = ", ".join(_joined((p.protocol, f"{p.port}-{p.end}" if p.end else p.port)) for p in ports.ports) or "all ports"
    asked = [
        f"one of {len(ports.http)} HTTP rules" if ports.http else "",
        f"one of {len(ports.dns)} DNS rules" if ports.dns else "",
        *(f"rules of {name}" for name in ports.other_rules),
        f"TLS for {', '.join(ports.server_names)}" if ports.server_names else "",
    ]
    if_ = " and ".join(each for each in asked if each)
    return f"{numbers} if the request matches {if_}" if if_ else numbers


def _joined(parts: Iterable[str]) -> str:
    return " ".join(part for part in parts if part)
