"""The CNIs whose own policies are evaluated: one row for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from meshtui.engine.policy.calico.policies import CalicoPolicies, identity
from meshtui.engine.policy.cilium.policies import CiliumPolicies
from meshtui.engine.policy.tiers import OwnPolicies
from meshtui.kinds.calico import CRD_GROUP
from meshtui.model.calico import CalicoPolicy
from meshtui.model.policy import AdminPolicy, Enforcer, ForeignPolicy, NetworkPolicy
from meshtui.model.snapshot import Snapshot

_BY_CNI: Mapping[str, Callable[[Snapshot], OwnPolicies]] = {"calico": CalicoPolicies, "cilium": CiliumPolicies}


def own_policies(snapshot: Snapshot) -> OwnPolicies | None:
    """The policies of the cluster's CNI; None if it has none, or if they aren't evaluated.

    They aren't where it isn't certain that the CNI enforces policies, and what it does with pods that none selects.
    """
    make = _BY_CNI.get(snapshot.cni.name)
    if make is None or not snapshot.cni.enforces or not snapshot.cni.leaves_open:
        return None
    if not any(policy.own is not None and policy.enforcer is Enforcer.CNI for policy in snapshot.foreign.values()):
        return None
    return make(snapshot)


def policies_of_network(snapshot: Snapshot) -> list[NetworkPolicy | AdminPolicy | ForeignPolicy]:
    """Every policy of the network: NetworkPolicies, admin policies, and kinds of CNIs, evaluated or not.

    Objects that Calico serves in both of its API groups are there once.
    """
    foreign = [policy for policy in snapshot.foreign.values() if policy.enforcer is Enforcer.CNI]
    served = {_identity(policy) for policy in foreign if not policy.api_version.startswith(CRD_GROUP)}
    once = [
        policy for policy in foreign if not policy.api_version.startswith(CRD_GROUP) or _identity(policy) not in served - {None}
    ]
    return [*snapshot.network_policies.values(), *snapshot.admin_policies.values(), *once]


def _identity(policy: ForeignPolicy) -> tuple[str, str, str] | None:
    return identity(policy, policy.own.tier) if isinstance(policy.own, CalicoPolicy) else None
