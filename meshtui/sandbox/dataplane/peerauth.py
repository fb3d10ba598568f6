"""PeerAuthentications as ztunnel enforces them: STRICT becomes a DENY policy for peers without an identity.

As in istio/istio ``pilot/pkg/serviceregistry/ambient/authorization.go``, including its three known bugs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from meshtui.sandbox.dataplane.l4 import Clause, How, Match, Policy, Text
from meshtui.sandbox.dataplane.selectors import equals_all
from meshtui.sandbox.dataplane.world import Pod, World
from meshtui.sandbox.ports import Obj

_NO_IDENTITY = Match(not_principals=(Text(How.PRESENT, ""),))


def peer_authentication_policies(world: World, pod: Pod) -> list[Policy]:
    """Return the DENY policies that istiod derives from the PeerAuthentications of a pod, including its three known bugs."""
    root = world.root_namespace
    mesh = _oldest(world, lambda each: _namespace(each) == root and not _labels(each))
    namespace = _of_namespace(world, pod.namespace) if pod.namespace != root else None
    workload = _oldest(
        world,
        lambda each: _namespace(each) == pod.namespace != root and bool(_labels(each)) and equals_all(_labels(each), pod.labels),
    )
    parent_strict = _mode(mesh) == "STRICT" if _mode(namespace) == "UNSET" else _mode(namespace) == "STRICT"
    own, ports = _mode(workload), _port_modes(workload)
    strict = parent_strict if own == "UNSET" else own == "STRICT"
    if workload is None or not ports:
        return [_static_strict(root)] if strict else []

    modes = set(ports.values())
    excepts = modes & ({"PERMISSIVE"} if own == "UNSET" else {"PERMISSIVE", "DISABLE"})
    if strict and not excepts:
        return [_static_strict(root)]
    if not strict and "STRICT" not in modes:
        return []
    converted = _convert_ports(workload, mesh, namespace)
    return [converted] if converted else []


def converted_policies(world: World) -> list[Policy]:
    """Return every policy that istiod derives from PeerAuthentications, whether or not a pod has it."""
    root, found = world.root_namespace, []
    policies = world.objects.get("peerauthentications", ())
    if policies:
        found.append(_static_strict(root))
    mesh = _oldest(world, lambda each: _namespace(each) == root and not _labels(each))
    for policy in policies:
        own = _namespace(policy)
        if own == root or not _labels(policy) or not _port_modes(policy):
            continue
        converted = _convert_ports(policy, mesh, _of_namespace(world, own))
        if converted is not None:
            found.append(converted)
    return found


def _convert_ports(workload: Obj, mesh: Obj | None, namespace: Obj | None) -> Policy | None:
    own, ports = _mode(workload), _port_modes(workload)
    ns_mode, mesh_mode = _mode(namespace), _mode(mesh)
    inherits_mesh = ns_mode == "UNSET" and mesh_mode == "STRICT"
    # Bug: the mesh's STRICT hides a STRICT port even where the workload itself is PERMISSIVE.
    parent_covers = own == "STRICT" or (own == "UNSET" and ns_mode == "STRICT") or inherits_mesh
    rules: list[tuple[Clause, ...]] = []
    together: list[Clause] = [(_NO_IDENTITY,)] if own == "STRICT" else []
    excepted = False
    for port, mode in sorted(ports.items()):
        if mode == "STRICT" and not parent_covers:
            rules.append(((Match(not_principals=_NO_IDENTITY.not_principals, ports=(port,)),),))
        elif mode in {"PERMISSIVE", "DISABLE"} and not _exception_is_moot(own, mesh, namespace):
            excepted = True
            together.append((Match(not_ports=(port,)),))
    if own == "STRICT" and not excepted:
        return None
    if excepted and (inherits_mesh or ns_mode == "STRICT"):
        together.append((_NO_IDENTITY,))
    if together:
        rules.append(tuple(together))
    meta = workload["metadata"]
    name = f"{meta['namespace']}/converted_peer_authentication_{meta['name']}"
    return Policy(name, deny=True, rules=tuple(rules)) if rules else None


def _exception_is_moot(own: str, mesh: Obj | None, namespace: Obj | None) -> bool:
    if own in {"PERMISSIVE", "DISABLE"}:
        return True
    if own != "UNSET":
        return False
    # Bug: a namespace policy that is explicitly UNSET counts as not strict here, though it inherits.
    return _mode(namespace) != "STRICT" if namespace is not None else _mode(mesh) != "STRICT"


def _static_strict(root: str) -> Policy:
    return Policy(f"{root}/istio_converted_static_strict", deny=True, rules=(((_NO_IDENTITY,),),))


def _oldest(world: World, wanted: Callable[[Obj], bool]) -> Obj | None:
    found = [each for each in world.objects.get("peerauthentications", ()) if wanted(each)]
    return min(found, key=lambda each: str(each["metadata"].get("creationTimestamp", "")), default=None)


def _of_namespace(world: World, namespace: str) -> Obj | None:
    return _oldest(world, lambda each: _namespace(each) == namespace and not _labels(each))


def _namespace(policy: Obj) -> str:
    return str(policy["metadata"]["namespace"])


def _labels(policy: Obj) -> Mapping[str, str]:
    return ((policy.get("spec") or {}).get("selector") or {}).get("matchLabels") or {}


def _mode(policy: Obj | None) -> str:
    mtls: dict[str, Any] = ((policy or {}).get("spec") or {}).get("mtls") or {}
    return str(mtls.get("mode") or "UNSET")


def _port_modes(policy: Obj | None) -> dict[int, str]:
    ports = ((policy or {}).get("spec") or {}).get("portLevelMtls") or {}
    return {int(port): (value or {}).get("mode", "UNSET") for port, value in ports.items()}
