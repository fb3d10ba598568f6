"""Versions that don't fit together."""

import pytest

from meshtui.mesh.versions import minor_of, tag_of, version_differences
from meshtui.ztunnel.look import NodeLook
from tests.fakes.snapshots import snapshot_of
from tests.fakes.ztunnels import dump, look_of, policy


def said(versions, istiod=(), **parts):
    looks = look_of(*(dump(str(number), version=each, **parts) for number, each in enumerate(versions))).nodes
    return [(d.node, d.name, d.found) for d in version_differences(looks, None, istiod)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1.29.1", (1, 29)), ("v1.30-alpha", (1, 30)), ("1.31-dev", (1, 31)), ("latest", None), ("", None), ("sha-129", None)],
)
def test_minor_versions(text, expected):
    assert minor_of(text) == expected


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("docker.io/istio/ztunnel:1.29.1-distroless", "1.29.1-distroless"),
        ("localhost:5000/ztunnel", ""),
        ("localhost:5000/ztunnel:1.2", "1.2"),
        ("ztunnel@sha256:00", ""),
        ("ztunnel:1.2@sha256:00", "1.2"),
    ],
)
def test_tags(image, tag):
    assert tag_of(image) == tag


@pytest.mark.parametrize(
    ("versions", "istiod", "nodes"),
    [
        (["1.29.1", "1.29.4"], ["1.29.2"], []),
        (["1.28.1", "1.28.1"], ["1.29.2"], []),
        (["1.27.1", "1.27.1"], ["1.29.2"], ["0", "1"]),
        (["1.30.0", "1.30.0"], ["1.29.2"], ["0", "1"]),
        (["1.29.1", "1.29.1", "1.28.3"], ["1.29.2"], ["2"]),
        (["1.29.1", "1.29.1", "1.28.3"], [], ["2"]),
        (["latest", "1.29.1"], ["1.29.2"], []),
        (["1.28.1", "1.28.1"], ["1.28.2", "1.29.0"], []),
        (["1.27.1", "1.27.1"], ["1.27.2", "1.29.0"], []),
    ],
)
def test_what_is_too_far_apart(versions, istiod, nodes):
    assert [node for node, *_ in said(versions, istiod)] == nodes


def test_a_dry_run_that_an_old_ztunnel_enforces():
    tried = [policy("shop", "try", dryRun=True)]
    assert said(["1.29.0"], policies=tried) == []
    assert said(["1.28.0"], policies=tried) == [
        ("0", "AuthorizationPolicy shop/try", "enforced: ztunnel 1.28.0 doesn't know dry runs")
    ]


def test_the_version_of_a_node_whose_dump_could_not_be_read_is_its_images():
    looks = [NodeLook("a", image="istio/ztunnel:1.25.0"), NodeLook("b", image="istio/ztunnel")]
    assert [(d.node, d.found) for d in version_differences(looks, None, ["1.29.0"])] == [("a", "1.25.0")]


def pod(name, label, *images):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "istio-system", "labels": dict([label.split("=")])},
        "spec": {"nodeName": "a", "containers": [{"name": f"x{number}", "image": each} for number, each in enumerate(images)]},
        "status": {"phase": "Running"},
    }


def test_containers_that_others_put_into_the_pods_have_versions_of_their_own():
    agent = "hashicorp/vault:1.15.2"
    pods = [
        pod("istiod", "app=istiod", agent, "istio/pilot:1.29.0", "datadog/agent:7.52.0"),
        pod("cni", "k8s-app=istio-cni-node", "istio/install-cni:1.29.0", agent),
    ]
    looks = [NodeLook("a", image="istio/ztunnel:1.29.0")]
    assert version_differences(looks, snapshot_of(pods)) == ()


def test_istio_cni_is_compared_too():
    pods = [pod("istiod", "app=istiod", "istio/pilot:1.29.0"), pod("cni", "k8s-app=istio-cni-node", "istio/install-cni:1.26.0")]
    found = version_differences((), snapshot_of(pods))
    assert [(d.node, d.name, d.found, d.expected) for d in found] == [("a", "version of istio-cni", "1.26.0", "1.29.0")]
