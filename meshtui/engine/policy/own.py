"""The CNIs whose own policies are evaluated: one row for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from meshtui.engine.policy.calico.policies import CalicoPolicies
from meshtui.engine.policy.cilium.policies import CiliumPolicies
from meshtui.engine.policy.tiers import OwnPolicies
from meshtui.model.policy import Enforcer
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
