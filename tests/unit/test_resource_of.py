"""What a refusal is about, as a role has to name it."""

import pytest

from meshtui.sources.kubernetes.api import resource_of


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("/api/v1/pods", "pods"),
        ("/api/v1/namespaces", "namespaces"),
        ("/api/v1/namespaces/ecom", "namespaces"),
        ("/api/v1/namespaces/ecom/pods", "pods in namespace ecom"),
        ("/api/v1/namespaces/ecom/pods/web-0", "pods in namespace ecom"),
        ("/api/v1/namespaces/infra/pods/gateway-0/log", "pods/log in namespace infra"),
        ("/apis/apps/v1/deployments", "deployments.apps"),
        ("/apis/apps/v1/namespaces/ecom/deployments/web", "deployments.apps in namespace ecom"),
        ("/apis/security.istio.io/v1/authorizationpolicies", "authorizationpolicies.security.istio.io"),
        ("/version", "/version"),
    ],
)
def test_a_path_names_its_resource(path, named):
    assert resource_of(path) == named
