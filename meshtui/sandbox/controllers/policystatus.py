"""AuthorizationPolicies for ztunnels: istiod writes into their status whether it sends them, and what it leaves out."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.controllers.common import condition, is_deleting, set_status
from meshtui.sandbox.ports import Obj

ACCEPTED = "ZtunnelAccepted"
_DRY_RUN = "istio.io/dry-run"
_PARSED_AS_TRUE = {"1", "t", "T", "TRUE", "true", "True"}
_L7 = {
    "source": ("requestPrincipals", "notRequestPrincipals", "remoteIpBlocks", "notRemoteIpBlocks"),
    "operation": ("hosts", "notHosts", "methods", "notMethods", "paths", "notPaths"),
}
_L4_CONDITIONS = {"source.ip", "source.namespace", "source.principal", "destination.ip", "destination.port"}


class PolicyStatusController:
    """Writes the condition ``ZtunnelAccepted``. Policies with ``targetRefs`` are for proxies, and have none."""

    watches = ("authorizationpolicies",)

    def __init__(self, store: Store) -> None:
        self._store = store

    def sync(self) -> None:
        """Reconcile every AuthorizationPolicy."""
        for policy in self._store.list("authorizationpolicies"):
            spec = policy.get("spec") or {}
            if is_deleting(policy) or spec.get("targetRefs") or spec.get("targetRef"):
                continue
            holds, reason, message = _verdict(policy)
            made = condition(policy, ACCEPTED, holds, reason, message)
            made.pop("lastUpdateTime", None)
            made["observedGeneration"] = policy["metadata"].get("generation", 1)
            others = [each for each in (policy.get("status") or {}).get("conditions") or [] if each.get("type") != ACCEPTED]
            status = {**(policy.get("status") or {}), "conditions": [*others, made]}
            set_status(self._store, "authorizationpolicies", policy, status)


def _verdict(policy: Obj) -> tuple[bool, str, str]:
    spec, annotations = policy.get("spec") or {}, policy["metadata"].get("annotations") or {}
    action = spec.get("action", "ALLOW")
    if action not in {"ALLOW", "DENY"}:
        return False, "UnsupportedValue", f"ztunnel does not support the {action} action"
    if annotations.get(_DRY_RUN) in _PARSED_AS_TRUE:
        return False, "UnsupportedValue", "support for ambient dry-run authorizationPolicies isn't enabled"
    found = sorted(set(_l7_attributes(spec)))
    if not found:
        return True, "Accepted", "attached to ztunnel"
    what = f"ztunnel does not support HTTP attributes (found: {', '.join(found)})."
    words = f"{what} In ambient mode you must use a waypoint proxy to enforce HTTP rules."
    return True, "UnsupportedValue", words


def _l7_attributes(spec: Obj) -> Iterator[str]:
    for rule in spec.get("rules") or []:
        for key, part in (("from", "source"), ("to", "operation")):
            for each in (rule or {}).get(key) or []:
                inner = (each or {}).get(part) or {}
                yield from (name for name in _L7[part] if inner.get(name))
        for each in (rule or {}).get("when") or []:
            if each.get("key") not in _L4_CONDITIONS:
                yield str(each.get("key"))
