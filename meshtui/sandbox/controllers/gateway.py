"""GatewayClasses and Gateways of Istio: their status says that they are accepted, and whether a proxy serves them.

The types and reasons are those of Gateway API v1, as Istio's controller writes them.
"""

from __future__ import annotations

from typing import Any

from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.controllers.common import condition, is_active, is_deleting, is_ready, set_status
from meshtui.sandbox.ports import Obj

_CONTROLLERS = frozenset({"istio.io/gateway-controller", "istio.io/mesh-controller"})
_NAME_LABEL = "gateway.networking.k8s.io/gateway-name"


class GatewayController:
    """Writes the status of GatewayClasses and Gateways. The proxies themselves are Deployments of the scenario."""

    watches = ("gatewayclasses", "gateways", "pods")

    def __init__(self, store: Store) -> None:
        self._store = store

    def sync(self) -> None:
        """Reconcile every GatewayClass of Istio, and every Gateway of one."""
        classes = [c for c in self._store.list("gatewayclasses") if c["spec"].get("controllerName") in _CONTROLLERS]
        for each in classes:
            self._write("gatewayclasses", each, _condition(each, "Accepted", True, "Handled by Istio controller"))
        names = {each["metadata"]["name"] for each in classes}
        for gateway in self._store.list("gateways"):
            if not is_deleting(gateway) and gateway["spec"].get("gatewayClassName") in names:
                self._write(
                    "gateways",
                    gateway,
                    _condition(gateway, "Accepted", True, "Resource accepted"),
                    _condition(gateway, "Programmed", self._is_served(gateway), "Pods of the gateway that are ready"),
                )

    def _is_served(self, gateway: Obj) -> bool:
        metadata = gateway["metadata"]
        return any(
            pod["metadata"]["namespace"] == metadata["namespace"]
            and (pod["metadata"].get("labels") or {}).get(_NAME_LABEL) == metadata["name"]
            and is_active(pod)
            and is_ready(pod)
            for pod in self._store.list("pods")
        )

    def _write(self, plural: str, obj: Obj, *conditions: Obj) -> None:
        status: dict[str, Any] = {**(obj.get("status") or {}), "conditions": list(conditions)}
        set_status(self._store, plural, obj, status)


def _condition(obj: Obj, kind: str, holds: bool, message: str) -> Obj:
    made = condition(obj, kind, holds, kind if holds else "Pending", message)
    made.pop("lastUpdateTime", None)
    return made | {"observedGeneration": obj["metadata"].get("generation", 1)}
