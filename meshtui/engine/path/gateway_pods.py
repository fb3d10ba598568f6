"""What the proxy of a gateway's pod enforces for a connection to the pod itself."""

from __future__ import annotations

from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.endpoints import Endpoint
from meshtui.engine.path.question import Question
from meshtui.engine.policy import attachment
from meshtui.engine.policy.l7 import Request
from meshtui.engine.policy.proxy import Proxy, ask
from meshtui.model.constants import GATEWAY_NAME, MANAGED, MESH_CONTROLLERS
from meshtui.model.ids import ObjectRef
from meshtui.model.reason import Code, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Layer, StepResult
from meshtui.model.workload import MeshMode


class GatewayPods:
    """The policies of the gateways' pods of one snapshot, waypoints included."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._extensions = attachment.Extensions(snapshot)
        self._authorizations = tuple(snapshot.authorization_policies.values())
        self._authentications = tuple(snapshot.request_authentications.values())

    def guards(self, endpoint: Endpoint) -> bool:
        """Whether an endpoint is a gateway's pod whose proxy has policies."""
        proxy = self.proxy(endpoint)
        if proxy is not None and endpoint.labels.get(MANAGED) in MESH_CONTROLLERS:
            scopes = {endpoint.namespace, self._snapshot.mesh.root_namespace}
            return any(policy.meta.namespace in scopes for policy in self._authorizations)
        return proxy is not None and bool(proxy.policies or proxy.authentications or proxy.filters)

    def results(self, source: Endpoint, endpoint: Endpoint, port: int, question: Question) -> list[LayerResult]:
        """The results of a gateway's own proxy for plaintext to one of its ports; none for other endpoints.

        Without a request, rules about HTTP depend on it. Routes aren't considered.
        """
        proxy = self.proxy(endpoint)
        if proxy is None or not self.guards(endpoint):
            return []
        if endpoint.labels.get(MANAGED) in MESH_CONTROLLERS:  # a waypoint serves HBONE, for its destinations
            reason = because(Code.DEPENDS_ON_GATEWAY_POLICIES)
            return [layer_result(Layer.GATEWAY, proxy.where, StepResult.UNKNOWN, reason)]
        request = Request(
            port,
            source=source.address,
            destination=endpoint.address,
            http=question.http,
            jwt=question.jwt,
            token_known=question.http is not None,
            mesh=self._snapshot.mesh,
        )
        return ask(proxy, request)

    def proxy(self, endpoint: Endpoint) -> Proxy | None:
        """The proxy of a gateway's pod with the policies that it enforces; None for other endpoints."""
        pod, root = endpoint.pod, self._snapshot.mesh.root_namespace
        if pod is None or endpoint.mode is not MeshMode.GATEWAY:
            return None
        ref = ObjectRef("Gateway", pod.namespace, pod.labels.get(GATEWAY_NAME, ""))
        return Proxy(
            Layer.GATEWAY,
            f"gateway {pod.key}",
            tuple(attachment.to_gateway(self._authorizations, ref, pod, root)),
            tuple(attachment.to_gateway(self._authentications, ref, pod, root)),
            self._extensions.of_gateway(ref, pod),
        )
