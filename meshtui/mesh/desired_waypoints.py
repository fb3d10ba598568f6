"""Which waypoint istiod binds a Service or a pod to.

Source: istio/istio pilot/pkg/serviceregistry/ambient/waypoints.go (fetchWaypointForTarget, …ForService, …ForWorkload,
gatewayToWaypointTransform, makeAllowedRoutes, getGatewayAddress). A Gateway counts as a waypoint there as soon as its status has
an address, whatever its class is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from meshtui.engine.matching.addresses import parse_address
from meshtui.engine.path.waypoint import USE_WAYPOINT_NAMESPACE, WAYPOINT_FOR
from meshtui.engine.policy.unmodelled import USE_WAYPOINT
from meshtui.mesh.discovery import Seen
from meshtui.model.constants import GATEWAY_NAME, HBONE_PORT, MANAGED, MESH_CONTROLLERS
from meshtui.model.gateway import Gateway, GatewayClass, Listener
from meshtui.model.meta import Meta
from meshtui.model.selectors import matches_as_far_as_known
from meshtui.model.workload import Namespace, Pod
from meshtui.ztunnel.dump import GatewayAddress

_INBOUND = "ambient.istio.io/waypoint-inbound-binding"
_PROXY_LISTENER = "istio.io/PROXY"


@dataclass(frozen=True, slots=True)
class Binding:
    """The waypoint of a Service or pod: its Gateway and ``namespace/hostname`` or address, both empty without one.

    ``known`` is whether it can be predicted. ``objects`` are those that it was read from, beside the Service or pod.
    """

    gateway: Gateway | None = None
    destination: str = ""
    known: bool = True
    objects: tuple[Meta, ...] = ()

    @property
    def address(self) -> GatewayAddress | None:
        """The waypoint as ztunnels have it, without the network of an address."""
        if not self.destination:
            return None
        return GatewayAddress(self.destination if "/" in self.destination else f"/{self.destination}", HBONE_PORT)


class Waypoints:
    """The waypoints of a Snapshot."""

    def __init__(self, seen: Seen) -> None:
        snapshot = seen.snapshot
        self._seen = seen
        self._spaces = snapshot.namespace_by_name
        self._gateways = {(g.meta.namespace, g.meta.name): g for g in snapshot.gateways.values()}
        self._classes = {each.meta.name: each for each in snapshot.gateway_classes.values()}
        self._known: dict[tuple[str, str | None, str | None, str], Binding] = {}

    def of_service(self, meta: Meta) -> Binding:
        """The waypoint of a Service, or of a ServiceEntry that is visible everywhere."""
        return Binding() if meta.labels.get(MANAGED) in MESH_CONTROLLERS else self._bound(meta.namespace, meta.labels, "service")

    def of_pod(self, pod: Pod) -> Binding:
        """The waypoint of a pod. A pod of a waypoint has none."""
        own = pod.labels.get(GATEWAY_NAME)
        if own:
            there = self.exists(pod.namespace, own)
            if there is not False:
                return Binding(known=there is True)
        return self._bound(pod.namespace, pod.labels, "workload")

    def exists(self, namespace: str, name: str) -> bool | None:
        """Whether istiod has a waypoint of some name; None if that isn't known."""
        gateway, seen = self._gateways.get((namespace, name)), self._seen
        if gateway is None:
            return False if seen.reads_all("Gateway") else None
        if not seen.reads("Gateway"):
            return None
        if gateway.addresses:
            return seen.namespace(namespace)
        return False if seen.snapshot.live else None

    def _bound(self, home: str, labels: Mapping[str, str], traffic: str) -> Binding:
        key = (home, labels.get(USE_WAYPOINT), labels.get(USE_WAYPOINT_NAMESPACE), traffic)
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._resolved(home, labels, traffic)
        return found

    def _resolved(self, home: str, labels: Mapping[str, str], traffic: str) -> Binding:
        space = self._spaces.get(home)
        objects: tuple[Meta, ...] = ()
        if USE_WAYPOINT not in labels:
            if space is None:
                return Binding(known=self._seen.reads_all("Namespace"))
            if not (space.known and self._seen.reads("Namespace")):
                return Binding(known=False)
            labels, objects = space.labels, (space.meta,)
        name = labels.get(USE_WAYPOINT, "none")
        if name == "none":
            return Binding(objects=objects)
        namespace = labels.get(USE_WAYPOINT_NAMESPACE, home)
        there, gateway = self.exists(namespace, name), self._gateways.get((namespace, name))
        if gateway is None or not there:
            return Binding(known=there is not None, objects=(*objects, gateway.meta) if gateway else objects)
        objects = (*objects, gateway.meta)
        handles, allowed = self._handles(gateway), self._allows(gateway, home, space)
        if handles is None or allowed is None:
            return Binding(known=False, objects=objects)
        if not allowed or handles not in {traffic, "all"}:
            return Binding(objects=objects)
        return Binding(gateway, _destination(gateway), objects=objects)

    def _handles(self, gateway: Gateway) -> str | None:
        """The traffic that a waypoint is for: its label's, its class's, else ``service``; None if the class isn't known."""
        own = gateway.meta.labels.get(WAYPOINT_FOR)
        if own is not None:
            return own
        known = self._class_of(gateway)
        if known is None and not self._seen.reads_all("GatewayClass"):
            return None
        return known.meta.labels.get(WAYPOINT_FOR, "service") if known else "service"

    def _class_of(self, gateway: Gateway) -> GatewayClass | None:
        return self._classes.get(gateway.class_name)

    def _allows(self, gateway: Gateway, home: str, space: Namespace | None) -> bool | None:
        """Whether a waypoint's listener admits a namespace; None if it depends on labels that aren't known."""
        listener = self._listener(gateway)
        if listener is not None and listener.allowed == "All":
            return True
        if listener is not None and listener.allowed == "Selector":
            if listener.allowed_selector is None:
                return False
            known = space.known if space else self._seen.reads_all("Namespace")
            return matches_as_far_as_known(listener.allowed_selector, space.labels if space else {}, known=known)
        return home == gateway.meta.namespace

    def _listener(self, gateway: Gateway) -> Listener | None:
        """The listener that counts: that of the annotation for waypoints behind ztunnel, else the one for HBONE."""
        known = self._class_of(gateway)
        said = gateway.meta.annotations.get(_INBOUND, known.meta.annotations.get(_INBOUND, "") if known else "")
        protocol, _, port = said.partition("/")
        if protocol in {"NONE", "PROXY"} and "/" not in port:
            for listener in gateway.listeners:
                number = int(port) if port.isdecimal() else 0
                if (listener.port == number) if number else (protocol == "PROXY" and listener.protocol == _PROXY_LISTENER):
                    return listener
        return next((each for each in gateway.listeners if (each.protocol, each.port) == ("HBONE", HBONE_PORT)), None)


def _destination(gateway: Gateway) -> str:
    """The host name in a Gateway's status, else the address."""
    host = next((each for each in gateway.addresses if parse_address(each) is None), None)
    return f"{gateway.meta.namespace}/{host}" if host is not None else gateway.addresses[0]
