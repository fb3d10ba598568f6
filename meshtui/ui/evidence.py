"""What was seen of flows: how often each is being denied, and what probes say. Flows are compared by where they end.

A log names the workload and the container's port, where a map has a Service and its port.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import timedelta

from meshtui.engine.explain.denials import Agreement
from meshtui.engine.path.relations import workload_endpoint
from meshtui.model.denial import WINDOW_S
from meshtui.model.flow import EndpointKind, Flow
from meshtui.model.ids import ObjectRef
from meshtui.model.observation import Observation
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod, Service, ServicePort, Workload
from meshtui.session import Session
from meshtui.ui.pictures.map_data import Probed

End = tuple[str, int | str | None, str]
"""An endpoint, a port of it, and the protocol."""


class Services:
    """The workloads behind Services, and the ports that they listen on."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._services = {(each.meta.namespace, each.meta.name): each for each in snapshot.services.values()}
        self._workloads: dict[str, list[tuple[Workload, Pod]]] = defaultdict(list)
        for ref, workload in snapshot.workloads.items():
            pod = next((pod for pod in workload.pods if not pod.completed), None)
            if pod is not None:
                self._workloads[ref.namespace].append((workload, pod))
        self._behind: dict[tuple[str, str], list[tuple[Workload, Pod]]] = {}

    def behind(self, namespace: str, name: str) -> list[ObjectRef]:
        """The workloads whose pods a Service selects (by the labels of one running pod of each)."""
        return [workload.ref for workload, _ in self._selected(namespace, name)]

    def _selected(self, namespace: str, name: str) -> list[tuple[Workload, Pod]]:
        key = (namespace, name)
        if key not in self._behind:
            service = self._services.get(key)
            found = [each for each in self._workloads.get(namespace, ()) if service and service.selects(each[1].labels)]
            self._behind[key] = found
        return self._behind[key]

    def ends(self, flow: Flow) -> set[End]:
        """Where a flow ends: at its destination, and for a Service at the workloads behind it too."""
        end = flow.destination
        found: set[End] = {(str(end), flow.port, flow.protocol)}
        service = self._services.get((end.namespace, end.name)) if end.kind is EndpointKind.SERVICE else None
        port = _port(service, flow) if service is not None else None
        if port is not None:
            for workload, pod in self._selected(end.namespace, end.name):
                number = _number(port, pod)
                if number is not None:
                    found.add((str(workload_endpoint(workload.ref)), number, flow.protocol))
        return found


def _port(service: Service, flow: Flow) -> ServicePort | None:
    return next(
        (port for port in service.ports if flow.port in {port.number, port.name} and port.protocol == flow.protocol), None
    )


def _number(port: ServicePort, pod: Pod) -> int | None:
    """The container's port behind a Service's port."""
    if isinstance(port.target, int):
        return port.target
    return next((each.number for each in pod.ports if each.name == port.target), None)


class Evidence:
    """What a session has seen, by the ends of flows."""

    def __init__(self, session: Session, services: Services) -> None:
        self._session, self._services = session, services
        self.denied: list[tuple[Flow, int]] = _denied(session)
        """The flows that were denied in the last ten minutes (``WINDOW_S``), and how often."""
        self._denied: dict[tuple[str, End], int] = defaultdict(int)
        for flow, number in self.denied:
            self._denied[str(flow.source), _end(flow)] += number
        self._observed: dict[tuple[str, End], Observation] = {}
        self._exact: Mapping[Flow, Observation] = dict(session.observations)
        for flow, observation in self._exact.items():
            if flow.http is None and flow.jwt is None:
                self._observed[str(flow.source), _end(flow)] = observation

    def denials_of(self, flow: Flow) -> int:
        """How often a flow is being denied now."""
        if not self._denied:
            return 0
        return sum(self._denied.get((str(flow.source), end), 0) for end in self._services.ends(flow))

    def observation_of(self, flow: Flow) -> Observation | None:
        """The last probe of a flow."""
        exact = self._exact.get(flow)
        if exact is not None or not self._observed:
            return exact
        return self._observed.get((str(flow.source), _end(flow)))

    def probed(self, flow: Flow) -> Probed:
        """What the last probe of a flow says."""
        observation = self.observation_of(flow)
        if observation is None:
            return None
        if self._session.outdated(observation.flow):
            return "old"
        return {True: "agrees", False: "disagrees", None: None}[observation.agrees]


def _end(flow: Flow) -> End:
    return str(flow.destination), flow.port, flow.protocol


def _denied(session: Session) -> list[tuple[Flow, int]]:
    """Recent denials by their flow, those that are certain or agree with the prediction."""
    log = session.denials.log
    if log is None or not log.readable:
        return []
    since = session.clock() - timedelta(seconds=WINDOW_S)
    found: dict[Flow, int] = defaultdict(int)
    for each in session.denials.judged:
        denial, number = each.denial, each.denial.since(since)
        if not number or denial.source is None or denial.destination is None or denial.port is None:
            continue
        if denial.kind.certain or each.agreement is Agreement.AGREES:
            found[Flow(denial.source, denial.destination, denial.port)] += number
    return list(found.items())
