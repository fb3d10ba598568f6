"""The change that each blocking step of a verdict needs: an edit of the one policy that should carry it, or why there is none.

A rule is added to a policy only if that selects the blocked workload alone. Else a new policy is proposed, with labels that only
that workload has. Nothing is proposed in the root namespace, for a whole Gateway, or in cluster-wide policies.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from meshtui.engine.explain import manifests
from meshtui.engine.explain.own_manifests import Opening, example_in, like
from meshtui.engine.matching.addresses import parse_address
from meshtui.engine.matching.http import normal_path
from meshtui.engine.policy.authorization import l7_fields_of
from meshtui.engine.policy.tiers import OwnPolicies
from meshtui.engine.whatif.narrow import Narrow, free_name
from meshtui.model.constants import POD_NETWORK_LAYERS, TIER_LAYERS
from meshtui.model.finding import Edit, Operation
from meshtui.model.flow import HttpRequest
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import AuthorizationPolicy, NetworkPolicy
from meshtui.model.reason import Caller, Code, Reason, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decider, Hop, Layer, Step, StepResult, Verdict
from meshtui.model.virtual_service import ISTIO_GATEWAY
from meshtui.model.workload import Pod

_NO_ROUTE = frozenset({Code.NO_ROUTE_LEADS_THERE, Code.NO_ROUTE_TAKES_REQUEST})
_ELSEWHERE = frozenset({Code.ROUTED_ELSEWHERE, Code.ROUTE_REDIRECTS, Code.ROUTE_ANSWERS, Code.SERVER_REDIRECTS_TO_TLS})
_NO_BACKEND = frozenset({Code.ROUTE_WITHOUT_BACKEND, Code.BACKEND_MISSING, Code.BACKEND_WITHOUT_PODS})
_GROUPS = {"Service": "", "ServiceEntry": "networking.istio.io"}
_TOKENS = frozenset({Code.TOKEN_FOR_OTHERS, Code.TOKEN_ISSUER_UNKNOWN})


@dataclass(frozen=True, slots=True)
class Change:
    """What one blocking step needs.

    ``hop`` is the connection that it blocks, with the port that its policies see; ``objects`` are what it considered. ``edit`` is
    None where no change of a policy may be proposed; ``why`` then says what to do instead. ``placeholders`` are the words in the
    edit that somebody has to fill in.
    """

    layer: Layer
    hop: Hop
    objects: tuple[ObjectRef, ...]
    why: Reason
    edit: Edit | None = None
    placeholders: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Carrier:
    """Where a rule may go: the workload's own policy, or the place of a new one (None: no labels are its own)."""

    kind: str
    namespace: str
    section: str
    own: NetworkPolicy | AuthorizationPolicy | None
    place: Mapping[str, Any] | None
    new: Callable[[ObjectRef, Mapping[str, Any]], dict[str, Any]]


class Proposer:
    """Builds the changes for one flow on one snapshot; equal needs give the same change.

    ``own`` are the evaluated policies of the CNI's own kinds. ``exact``: rules for a proxy name the method and path of the flow's
    request.
    """

    def __init__(
        self, snapshot: Snapshot, http: HttpRequest | None, own: OwnPolicies | None = None, *, exact: bool = True
    ) -> None:
        self._snapshot = snapshot
        self._http = http
        self._exact = exact
        self._narrow = Narrow(snapshot)
        self._network = {p.meta.ref: p for p in snapshot.network_policies.values()}
        self._authorization = {p.meta.ref: p for p in snapshot.authorization_policies.values()}
        self._foreign = {p.meta.ref: p for p in snapshot.foreign.values()}
        self._own = {policy.ref: policy for policy in own.policies.values()} if own is not None else {}
        self._shared_tiers = {each.name for each in own.places if each.networkpolicies is not None} if own is not None else set()
        self._made: dict[object, Change] = {}
        self._taken = {*self._network, *self._authorization, *self._foreign}

    def changes(self, verdict: Verdict, fallback: Hop) -> list[Change]:
        """A change for each blocking step, in order. ``fallback`` is the connection of a step that names none."""
        blocking = [step for step in verdict.steps if step.result is StepResult.BLOCK]
        return list({id(change): change for change in (self._change(step, step.hop or fallback) for step in blocking)}.values())

    def _change(self, step: Step, hop: Hop) -> Change:
        code = step.reason.code
        if step.layer in POD_NETWORK_LAYERS:
            return self._for_network(step, hop)
        if code is Code.NO_RULE_ALLOWS and step.layer is not Layer.GATEWAY:
            return self._for_caller(step, hop)
        if code is Code.RULE_DENIES and step.layer is not Layer.GATEWAY:
            return self._for_denied(step, hop)
        return self._hint(step, hop, self._instead(step, hop))

    def _instead(self, step: Step, hop: Hop) -> Reason:
        """What to do about a step where no policy of the workload's own could help."""
        code, policies = step.reason.code, tuple(d.ref for d in step.objects)
        if step.layer in TIER_LAYERS:
            return because(Code.CHANGE_CLUSTER_POLICY, rule=step.objects[0])
        if code is Code.PLAINTEXT_REFUSED:
            return because(Code.CHANGE_JOIN_MESH, source=hop.source)
        if code is Code.REGISTRY_ONLY:
            return because(Code.CHANGE_REGISTER)
        if code in _TOKENS:
            return because(Code.CHANGE_TOKEN, policies=policies)
        if code in _NO_ROUTE:
            asked = f"{self._http.method} {self._http.path}" if self._http else "the request"
            classic = any(ref.kind == ISTIO_GATEWAY for ref in policies)
            return because(Code.CHANGE_ROUTE, route="a VirtualService" if classic else "an HTTPRoute", request=asked)
        if code in _NO_BACKEND:
            return because(Code.CHANGE_BACKEND)
        return because(Code.CHANGE_ROUTING if code in _ELSEWHERE else Code.CHANGE_SHARED_POLICY, policies=policies)

    # ---- NetworkPolicy

    def _for_network(self, step: Step, hop: Hop) -> Change:
        """A rule for the peer and the port that this hop's policies see, for the pod whose policies block it."""
        egress = step.layer is Layer.EGRESS_POLICY
        direction, side = ("egress", "to") if egress else ("ingress", "from")
        ends = (hop.source_pod, hop.source), (hop.destination_pod, hop.destination)
        (subject, _), (peer_pod, peer_name) = ends if egress else ends[::-1]
        if subject is None:
            return self._hint(step, hop, self._instead(step, hop))
        if egress and peer_pod is None and parse_address(peer_name) is None:
            return self._hint(step, hop, because(Code.CHANGE_HOST_ADDRESS, host=peer_name))
        peer = self._peer(peer_pod, peer_name, subject.namespace)
        if peer is None:
            return self._hint(step, hop, because(Code.CHANGE_NO_LABELS, pod=peer_name))
        instead = self._instead_of_own(step)
        if instead is not None:
            return self._hint(step, hop, instead)
        no_labels = because(Code.CHANGE_NO_LABELS, pod=subject.key)
        rule = {side: [peer], "ports": [{"protocol": hop.protocol, "port": hop.port}]}
        owner, labels = self._snapshot.owner_of(subject), self._narrow.labels(subject)
        found = (self._network.get(d.ref) for d in step.objects)
        own = next((p for p in found if p is not None and self._narrow.is_own(p, owner)), None)

        def new(ref: ObjectRef, rule: Mapping[str, Any]) -> dict[str, Any]:
            return manifests.new_network_policy(ref, labels or {}, direction, rule)

        carrier = _Carrier("NetworkPolicy", subject.namespace, direction, own, labels, new)
        refused = step.reason.code is Code.OWN_REQUEST_REFUSED
        if refused or step.reason.code is Code.OWN_TIER_END:
            theirs = self._narrow.own_or_common_labels(peer_pod) if peer_pod is not None else None
            home = peer_pod.namespace if peer_pod is not None else ""
            request = (self._http.method, self._http.path) if refused and self._http is not None else None
            opening = Opening(direction, theirs, home, peer_name, ((hop.protocol, hop.port),), request)
            in_kind = self._in_kind_of(subject.namespace, labels, opening)
            if refused and (in_kind is None or not self._exact):  # a NetworkPolicy would let every request through
                return self._hint(step, hop, because(Code.CHANGE_SHARED_POLICY, policies=_refusing(step)))
            carrier = in_kind or carrier
        return self._carried(step, hop, carrier, rule) or self._hint(step, hop, no_labels)

    def _instead_of_own(self, step: Step) -> Reason | None:
        """Who has to change a policy of the CNI's own kinds that denies: one that says so, or that ends a tier for others."""
        rule = step.reason["rule"] if step.reason.code is Code.OWN_RULE else None
        if step.reason.code is Code.OWN_TIER_END:
            tiers = ((d, self._own[d.ref].tier) for d in step.objects if d.ref in self._own)
            rule = next((d for d, tier in tiers if tier and tier not in self._shared_tiers), None)
        if not isinstance(rule, Decider):
            return None
        if rule.ref.namespace:
            return because(Code.CHANGE_SHARED_POLICY, policies=(rule.ref,))
        return because(Code.CHANGE_CLUSTER_POLICY, rule=rule)

    def _in_kind_of(self, namespace: str, labels: Mapping[str, str] | None, opening: Opening) -> _Carrier | None:
        """The place of a new policy of the CNI's own kind, if the namespace has such a policy that is evaluated."""
        example = example_in(self._own, self._foreign, namespace, labels, opening)
        if example is None:
            return None

        def new(ref: ObjectRef, _: Mapping[str, Any]) -> dict[str, Any]:
            return like(example, ref, labels or {}, opening)

        return _Carrier(example.meta.kind, namespace, opening.direction, None, labels, new)

    def _peer(self, pod: Pod | None, name: str, home: str) -> dict[str, Any] | None:
        if pod is None:
            return manifests.address_peer(name)
        labels = self._narrow.own_or_common_labels(pod)
        return None if labels is None else manifests.pods_peer(labels, pod.namespace, home)

    # ---- AuthorizationPolicy

    def _for_caller(self, step: Step, hop: Hop) -> Change:
        """A rule for the caller's identity on the port that the destination's proxy sees."""
        caller = step.reason["caller"]
        principal = caller.principal if isinstance(caller, Caller) else None
        if principal is None:
            return self._hint(step, hop, because(Code.CHANGE_JOIN_MESH, source=hop.source))
        shared = _shared_account(hop, principal)
        if shared is not None:
            return self._hint(step, hop, shared)
        found = self._at_waypoint(step, hop) if step.layer is Layer.WAYPOINT else self._at_workload(step, hop)
        if not isinstance(found, _Carrier):
            return self._hint(step, hop, found)
        operation = self._operation(step, hop)
        if any(set(path) & set("*{}") for path in operation.get("paths", ())):
            return self._hint(step, hop, because(Code.CHANGE_PATH_PATTERN, path=operation["paths"][0]))
        rule = manifests.caller_rule(principal, operation)
        return self._carried(step, hop, found, rule) or self._hint(step, hop, because(Code.CHANGE_NO_LABELS, pod=hop.destination))

    def _operation(self, step: Step, hop: Hop) -> dict[str, list[str]]:
        operation = {"ports": [str(hop.port)]}
        if self._http is not None and self._exact and step.layer is not Layer.ZTUNNEL:
            operation |= {
                "methods": [self._http.method],
                "paths": [normal_path(self._http.path, self._snapshot.mesh.path_normalization)],
            }
        return operation

    def _at_waypoint(self, step: Step, hop: Hop) -> _Carrier | Reason:
        """A policy for the one Service; for a pod's own address only one for the whole waypoint would apply."""
        service = hop.service
        if service is None:
            return because(Code.CHANGE_SHARED_POLICY, policies=tuple(d.ref for d in step.objects))
        if service.namespace == self._snapshot.mesh.root_namespace:
            return because(Code.CHANGE_ROOT_NAMESPACE, pod=str(service), namespace=service.namespace)
        found = (self._authorization.get(d.ref) for d in step.objects)
        own = next((p for p in found if p is not None and _is_services(p, service)), None)
        place = {"targetRefs": [{"kind": service.kind, "group": _GROUPS[service.kind], "name": service.name}]}

        def new(ref: ObjectRef, rule: Mapping[str, Any]) -> dict[str, Any]:
            return manifests.new_authorization_policy(ref, place, rule)

        return _Carrier("AuthorizationPolicy", service.namespace, "rules", own, place, new)

    def _at_workload(self, step: Step, hop: Hop) -> _Carrier | Reason:
        pod = hop.destination_pod
        if pod is None:
            return because(Code.CHANGE_SHARED_POLICY, policies=tuple(d.ref for d in step.objects))
        if pod.namespace == self._snapshot.mesh.root_namespace:
            return because(Code.CHANGE_ROOT_NAMESPACE, pod=pod.key, namespace=pod.namespace)
        labels, owner = self._narrow.labels(pod), self._snapshot.owner_of(pod)
        found = (self._authorization.get(d.ref) for d in step.objects)
        own = next((p for p in found if p is not None and p.action == "ALLOW" and self._narrow.is_own(p, owner)), None)
        place = {"selector": {"matchLabels": labels}} if labels else None

        def new(ref: ObjectRef, rule: Mapping[str, Any]) -> dict[str, Any]:
            return manifests.new_authorization_policy(ref, place or {}, rule)

        return _Carrier("AuthorizationPolicy", pod.namespace, "rules", own, place, new)

    def _for_denied(self, step: Step, hop: Hop) -> Change:
        """Split the workload's own DENY rule, so that it matches the caller on all its ports but this one."""
        decider, caller, pod = step.reason["rule"], step.reason["caller"], hop.destination_pod
        hint = self._hint(step, hop, self._instead(step, hop))
        if not isinstance(decider, Decider) or not isinstance(caller, Caller) or pod is None or caller.principal is None:
            return hint
        policy, index = self._authorization.get(decider.ref), _index(decider)
        if policy is None or not self._narrow.is_own(policy, self._snapshot.owner_of(pod)) or step.layer is not Layer.ZTUNNEL:
            return hint
        rule = policy.rules[index]
        if l7_fields_of(rule):
            return hint  # ztunnel drops these fields: a port beside them would make a rule match that matches nothing now
        operations = (
            Operation("replace", ("spec", "rules", index), manifests.without_caller(rule, caller.principal)),
            Operation("add", ("spec", "rules", "-"), manifests.caller_elsewhere(rule, caller.principal, hop.port)),
        )
        why = because(Code.CHANGE_NARROWER_RULE, rule=decider, caller=caller, port=hop.port)
        return self._kept(step, hop, (decider, caller.principal, hop.port), why, Edit(policy.meta.ref, operations))

    # ---- changes

    def _hint(self, step: Step, hop: Hop, why: Reason) -> Change:
        return self._kept(step, hop, (step.layer, why), why, None)

    def _carried(self, step: Step, hop: Hop, carrier: _Carrier, rule: Mapping[str, Any]) -> Change | None:
        """The change that puts a rule where a carrier says; None where it may go nowhere."""
        own = carrier.own
        if own is None and carrier.place is None:
            return None
        at = (carrier.kind, carrier.namespace, carrier.section, own.meta.ref if own else _text(carrier.place))
        key = (at, _text(rule))
        if key in self._made:
            return self._made[key]
        if own is not None:
            there = getattr(own, carrier.section)
            path: tuple[str | int, ...] = ("spec", carrier.section, *(("-",) if there else ()))
            edit = Edit(own.meta.ref, (Operation("add", path, rule if there else [rule]),))
            why = because(Code.CHANGE_MORE_RULES, policy=edit.ref)
        else:
            ref = self._free(carrier, hop)
            edit = Edit(ref, create=carrier.new(ref, rule))
            why = because(Code.CHANGE_NEW_POLICY, policy=ref)
        return self._kept(step, hop, key, why, edit)

    def _kept(self, step: Step, hop: Hop, key: object, why: Reason, edit: Edit | None) -> Change:
        if key not in self._made:
            blanks = (manifests.CLIENT_CIDR,) if manifests.CLIENT_CIDR in _text(edit and (edit.create or _values(edit))) else ()
            self._made[key] = Change(step.layer, hop, tuple(d.ref for d in step.objects), why, edit, blanks)
        return self._made[key]

    def _free(self, carrier: _Carrier, hop: Hop) -> ObjectRef:
        """A reference for a new policy, named for what it allows."""
        source, destination = self._short(hop.source_pod, hop.source), self._short(hop.destination_pod, hop.destination)
        if hop.service is not None:
            destination = hop.service.name
        direction = f"-{carrier.section}" if carrier.section in {"ingress", "egress"} else ""
        taken = [ref.name for ref in self._taken if (ref.kind, ref.namespace) == (carrier.kind, carrier.namespace)]
        name = free_name(f"allow-{source}-to-{destination}-{hop.port}{direction}", taken)
        ref = ObjectRef(carrier.kind, carrier.namespace, name)
        self._taken.add(ref)
        return ref

    def _short(self, pod: Pod | None, name: str) -> str:
        if pod is not None:
            return self._snapshot.owner_of(pod).name
        return "client" if name == "external" else name


def _refusing(step: Step) -> tuple[ObjectRef, ...]:
    """The policies whose requests the flow's isn't one of."""
    rules = step.reason["rules"]
    deciders = [by for _, by in rules if isinstance(by, Decider)] if isinstance(rules, tuple) else []
    return tuple(dict.fromkeys(by.ref for by in deciders))


def _is_services(policy: AuthorizationPolicy, service: ObjectRef) -> bool:
    """Whether a policy is an ALLOW policy for one Service or ServiceEntry alone."""
    refs = [(ref.kind, policy.meta.namespace, ref.name) for ref in policy.target_refs]
    return policy.action == "ALLOW" and not policy.unmodelled and refs == [(service.kind, service.namespace, service.name)]


def _shared_account(hop: Hop, principal: str) -> Reason | None:
    """A reason to give the caller an account of its own, if it runs as default, like every pod that names none."""
    pod = hop.source_pod
    if pod is None or not principal.endswith(f"/ns/{pod.namespace}/sa/default"):
        return None
    return because(Code.CHANGE_OWN_ACCOUNT, pod=pod.key, namespace=pod.namespace)


def _index(decider: Decider) -> int:
    """The index in ``rules[N]``."""
    return int((decider.rule or "rules[0]").partition("[")[2].rstrip("]"))


def _values(edit: Edit) -> Sequence[Any]:
    return [operation.value for operation in edit.operations]


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
