"""The condition that the sandbox's istiod writes into AuthorizationPolicies for ztunnels."""

import pytest

from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.controllers.policystatus import PolicyStatusController


def written(spec, annotations=None):
    store = Store()
    meta = {"name": "p", "namespace": "a", "annotations": annotations or {}}
    store.create(
        "authorizationpolicies",
        {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": meta, "spec": spec},
    )
    PolicyStatusController(store).sync()
    return store


def conditions(store):
    return (store.get("authorizationpolicies", "a", "p").get("status") or {}).get("conditions", [])


METHODS = {"rules": [{"to": [{"operation": {"methods": ["GET"]}}], "when": [{"key": "request.headers[x]", "values": ["y"]}]}]}


@pytest.mark.parametrize(
    ("spec", "annotations", "expected"),
    [
        ({}, {}, ("True", "Accepted", "attached to ztunnel")),
        ({"rules": [{"from": [{"source": {"namespaces": ["a"]}}]}]}, {}, ("True", "Accepted", "attached to ztunnel")),
        (METHODS, {}, ("True", "UnsupportedValue", "(found: methods, request.headers[x])")),
        ({"action": "AUDIT"}, {}, ("False", "UnsupportedValue", "the AUDIT action")),
        ({}, {"istio.io/dry-run": "true"}, ("False", "UnsupportedValue", "dry-run")),
    ],
)
def test_what_istiod_says_of_a_policy(spec, annotations, expected):
    (found,) = conditions(written(spec, annotations))
    status, reason, words = expected
    assert (found["type"], found["status"], found["reason"]) == ("ZtunnelAccepted", status, reason)
    assert words in found["message"]
    assert found["observedGeneration"] == 1


def test_a_new_version_is_observed_and_nothing_is_written_twice():
    store = written({})
    policy = store.get("authorizationpolicies", "a", "p")
    before = conditions(store)[0]["lastTransitionTime"]
    store.update("authorizationpolicies", policy | {"spec": {"action": "DENY"}})
    PolicyStatusController(store).sync()
    (found,) = conditions(store)
    assert (found["observedGeneration"], found["lastTransitionTime"]) == (2, before)
    revision = store.revision
    PolicyStatusController(store).sync()
    assert store.revision == revision


def test_a_policy_of_a_proxy_has_no_condition_of_ztunnels():
    assert conditions(written({"targetRefs": [{"kind": "Gateway", "name": "g"}]})) == []
