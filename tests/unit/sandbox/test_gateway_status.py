"""The status that the sandbox writes into GatewayClasses and Gateways: only Istio's, and programmed when a pod serves it."""

import pytest

from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.controllers.gateway import GatewayController


@pytest.fixture
def store():
    made = Store()
    made.create("namespaces", {"metadata": {"name": "infra"}})
    for name, controller in (("istio", "istio.io/gateway-controller"), ("other", "example.com/controller")):
        made.create("gatewayclasses", {"metadata": {"name": name}, "spec": {"controllerName": controller}})
        gateway = {"metadata": {"name": f"to-{name}", "namespace": "infra"}, "spec": {"gatewayClassName": name}}
        made.create("gateways", gateway)
    return made


def add_pod(store, name, gateway, *, ready):
    labels = {"gateway.networking.k8s.io/gateway-name": gateway}
    store.create("pods", {"metadata": {"name": name, "namespace": "infra", "labels": labels}, "spec": {}})
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    store.update("pods", store.get("pods", "infra", name) | {"status": status}, subresource="status")


def conditions(store, plural, namespace, name):
    status = store.get(plural, namespace, name).get("status") or {}
    return {each["type"]: each["status"] for each in status.get("conditions") or []}


def test_only_istios_are_taken_up(store):
    GatewayController(store).sync()
    assert conditions(store, "gatewayclasses", None, "istio") == {"Accepted": "True"}
    assert conditions(store, "gateways", "infra", "to-istio") == {"Accepted": "True", "Programmed": "False"}
    assert conditions(store, "gatewayclasses", None, "other") == conditions(store, "gateways", "infra", "to-other") == {}


def test_a_gateway_is_programmed_while_a_ready_pod_of_its_name_is_there(store):
    controller = GatewayController(store)
    add_pod(store, "of-the-other", "to-other", ready=True)
    add_pod(store, "starting", "to-istio", ready=False)
    controller.sync()
    assert conditions(store, "gateways", "infra", "to-istio")["Programmed"] == "False"
    add_pod(store, "ready", "to-istio", ready=True)
    controller.sync()
    assert conditions(store, "gateways", "infra", "to-istio")["Programmed"] == "True"
    before = store.get("gateways", "infra", "to-istio")
    controller.sync()
    assert store.get("gateways", "infra", "to-istio") is before, "nothing changed, so nothing is written"
