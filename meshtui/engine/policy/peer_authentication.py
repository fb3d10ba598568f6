"""PeerAuthentications as ambient implements them: which plaintext connections ztunnel refuses.

Source: istio/istio pilot/pkg/serviceregistry/ambient/authorization.go (which policies a workload gets, and the conversion of
port-level modes) and policies.go. Ambient converts the modes to DENY policies. Where the result of the conversion differs from
the configured modes, the evaluation follows Istio's code, and adds an assumption that describes the difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from meshtui.engine.matching.selectors import matches
from meshtui.model.policy import PeerAuthentication
from meshtui.model.reason import Code, Reason, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod

_NEVER = datetime.max.replace(tzinfo=UTC)
STRICT, UNSET = "STRICT", "UNSET"
LENIENT = {"PERMISSIVE", "DISABLE"}


@dataclass(frozen=True, slots=True)
class Strictness:
    """The plaintext mode of one pod port: the deciding policy and its field, and any error of Istio's conversion."""

    strict: bool
    policy: PeerAuthentication | None = None
    field: str = "spec.mtls"
    assumption: Reason | None = None


@dataclass(frozen=True, slots=True)
class _PortPolicy:
    """A workload's port-level policy after conversion: strict on all ports except some, or on single ports."""

    strict_default: bool
    exempt: frozenset[int]
    strict_ports: frozenset[int]


class PeerAuthentications:
    """The PeerAuthentications of a snapshot, by level: mesh, namespace or workload. The oldest wins within a level."""

    def __init__(self, snapshot: Snapshot) -> None:
        root = snapshot.mesh.root_namespace
        policies = list(snapshot.peer_authentications.values())
        self._wide: dict[str, list[PeerAuthentication]] = defaultdict(list)
        self._wide[root] = [p for p in policies if p.meta.namespace == root and p.selector is None]
        self._mesh = _oldest(self._wide[root])
        self._namespaces: dict[str, PeerAuthentication] = {}
        self._converted_namespaces: dict[str, PeerAuthentication] = {}
        self._workloads: dict[str, list[PeerAuthentication]] = defaultdict(list)
        members = defaultdict[str, list[PeerAuthentication]](list)
        for policy in policies:
            if policy.meta.namespace != root:
                wide = policy.selector is None or policy.selector.is_empty
                (members if wide else self._workloads)[policy.meta.namespace].append(policy)
        self._wide |= members
        for namespace, wide_policies in members.items():
            if oldest := _oldest(wide_policies):
                self._namespaces[namespace] = oldest
            if unselected := _oldest(p for p in wide_policies if p.selector is None):
                self._converted_namespaces[namespace] = unselected

    def without_selector(self) -> Mapping[str, Sequence[PeerAuthentication]]:
        """The policies for whole namespaces, and in the root namespace for the mesh, each time the one that counts first."""
        return {namespace: sorted(several, key=_age) for namespace, several in self._wide.items()}

    def selecting(self, pod: Pod) -> tuple[PeerAuthentication, ...]:
        """The policies that select a pod by labels, the one that counts first."""
        found = (p for p in self._workloads.get(pod.namespace, ()) if p.selector and matches(p.selector, pod.labels))
        return tuple(sorted(found, key=_age))

    def effective(self, pod: Pod, port: int) -> Strictness:
        """Whether plaintext to a pod's port is refused, and by which PeerAuthentication."""
        mesh, namespace = self._mesh, self._namespaces.get(pod.namespace)
        workload = next(iter(self.selecting(pod)), None)
        inherited, strict = None, False
        if mesh is not None:
            inherited, strict = mesh, mesh.mode == STRICT
        if namespace is not None and namespace.mode != UNSET:
            inherited, strict = namespace, namespace.mode == STRICT
        if workload is None:
            return Strictness(strict, inherited)
        parent_strict = strict
        if workload.mode == STRICT:
            inherited, strict = workload, True
        elif workload.mode in LENIENT:
            inherited, strict = workload, False
        if not workload.port_modes:
            return Strictness(strict, inherited)
        return self._with_ports(workload, port, inherited, strict=strict, parent_strict=parent_strict)

    def _with_ports(
        self, workload: PeerAuthentication, port: int, inherited: PeerAuthentication | None, *, strict: bool, parent_strict: bool
    ) -> Strictness:
        """The result for a workload with port-level modes: its converted policy is attached, or the static strict one."""
        modes = workload.port_modes.values()
        lenient_counts = {"PERMISSIVE"} if workload.mode == UNSET else LENIENT
        attached = any(m in lenient_counts for m in modes) if strict else STRICT in modes
        converted = self._converted(workload) if attached else None
        static_strict = strict and not attached
        refused = static_strict
        if converted is not None:
            by_default = converted.strict_default and port not in converted.exempt
            refused = refused or by_default or port in converted.strict_ports
        said = workload.port_modes.get(port, UNSET)
        wanted = said == STRICT or (said == UNSET and strict)
        field = f"spec.portLevelMtls[{port}]" if said != UNSET else "spec.mtls"
        from_ports = converted is not None and refused and not static_strict
        policy = workload if from_ports or said != UNSET or workload.mode != UNSET else inherited
        return Strictness(refused, policy, field, _slip(workload, wanted=wanted, refused=refused, parent_strict=parent_strict))

    def _converted(self, workload: PeerAuthentication) -> _PortPolicy | None:
        """The DENY policy to which a workload's port-level modes are converted, or None when there is no such policy."""
        namespace, mesh = self._converted_namespaces.get(workload.meta.namespace), self._mesh
        ns_mode = namespace.mode if namespace else None
        mesh_mode = mesh.mode if mesh else None
        unset_here = ns_mode in {None, UNSET}
        strict_ports, exempt = set(), set()
        for port, mode in workload.port_modes.items():
            if mode == STRICT:
                covered = (
                    workload.mode == STRICT
                    or (workload.mode == UNSET and ns_mode == STRICT)
                    or (unset_here and mesh_mode == STRICT)
                )
                if not covered:
                    strict_ports.add(port)
            elif mode in LENIENT:
                parent = mesh_mode if ns_mode is None else ns_mode
                lenient_parent = workload.mode == UNSET and parent != STRICT
                if workload.mode not in LENIENT and not lenient_parent:
                    exempt.add(port)
        merged = bool(exempt) and (ns_mode == STRICT or (unset_here and mesh_mode == STRICT))
        if workload.mode == STRICT and not exempt:
            return None
        return _PortPolicy(workload.mode == STRICT or merged, frozenset(exempt), frozenset(strict_ports))


def _slip(workload: PeerAuthentication, *, wanted: bool, refused: bool, parent_strict: bool) -> Reason | None:
    """The error of Istio's conversion that makes the result differ from the configured modes, if any."""
    if wanted == refused:
        return None
    if refused:
        return because(Code.DISABLE_PORT_IGNORED)
    return because(Code.STRICT_MODE_LOST if workload.mode == UNSET and parent_strict else Code.STRICT_PORTS_DROPPED)


def _age(policy: PeerAuthentication) -> tuple[datetime, str]:
    return policy.meta.created or _NEVER, policy.meta.name


def _oldest(policies: Iterable[PeerAuthentication]) -> PeerAuthentication | None:
    return min(policies, key=_age, default=None)
