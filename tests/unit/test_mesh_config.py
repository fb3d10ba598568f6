"""The mesh's configuration in manifests: where it is written, which one counts, and what follows if it isn't known."""

import asyncio
import json

import pytest

from meshtui.engine import Engine
from meshtui.engine.explain.wording import in_words as said
from meshtui.engine.path.references import parse_flow
from meshtui.kinds.mesh_config import ConfigMap, together, written_in
from meshtui.kinds.wire import ObjectMeta
from meshtui.model.membership import Installation
from meshtui.model.reason import Code
from meshtui.model.snapshot import MeshConfig
from meshtui.session.excerpt import excerpt
from meshtui.settings import Settings
from meshtui.sources.kubernetes.live import LiveSource
from tests.fakes.pairs import agreed
from tests.fakes.requests import beside, service
from tests.fakes.snapshots import ambient, decider, in_words, judge, namespace, pod, policy, snapshot_of

ENDS = [ambient("a"), ambient("b"), pod("a/web", "10.0.0.1", account="web"), pod("b/api", "10.0.1.1", [8080])]
NOBODY = policy("config/nobody", {}, "AuthorizationPolicy")


def config_map(text, name="istio", space="istio-system", key="mesh"):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": space}, "data": {key: text}}


def operator(spec, kind="IstioOperator", version="install.istio.io/v1alpha1"):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": "i", "namespace": "istio-system"}, "spec": spec}


ROOT = "rootNamespace: config"
WRITTEN = {
    "a revision's ConfigMap": [config_map(ROOT, "istio-canary")],
    "two that say the same": [config_map(ROOT), config_map(f"{ROOT}\naccessLogFile: /x", "istio-canary")],
    "the last of two": [config_map(f"rootNamespace: other\n{ROOT}")],  # istio/istio pkg/util/protomarshal ApplyYAML
    "an IstioOperator": [operator({"profile": "ambient", "meshConfig": {"rootNamespace": "config"}})],
    "an IstioOperator's values": [operator({"values": {"meshConfig": {"rootNamespace": "config"}}})],
    "an Istio of the Sail operator": [
        operator({"namespace": "n", "values": {"meshConfig": {"rootNamespace": "config"}}}, "Istio", "sailoperator.io/v1")
    ],
    "the namespace of the control plane": [operator({"values": {"global": {"istioNamespace": "config"}}})],
    "an IstioOperator for gateways beside it": [config_map(ROOT), operator({"profile": "empty"})],
}


@pytest.mark.parametrize("objects", WRITTEN.values(), ids=WRITTEN)
def test_the_root_namespace_is_read_wherever_it_is_written(objects):
    verdict = agreed(snapshot_of([*ENDS, NOBODY, *objects]))
    assert in_words(verdict) == "deny ztunnel"
    assert decider(verdict) == "AuthorizationPolicy config/nobody"


def test_the_profile_ambient_makes_sidecars_use_the_tunnel():
    assert snapshot_of([operator({"profile": "ambient"})]).mesh.sidecars_send_hbone
    assert not snapshot_of([operator({})]).mesh.sidecars_send_hbone


DOUBTED = {
    "it isn't YAML": ([config_map("rootNamespace: [")], "data.mesh: line 1"),
    "it is no mapping": ([config_map("- a")], "it is no mapping"),
    "a field that is read has another type": ([config_map("trustDomain: {}")], "trustDomain is no text"),
    "a word that isn't known": ([config_map("pathNormalization: {normalization: SOME}")], "'SOME'"),
    "its data is no text": (
        [{**config_map(""), "data": {"mesh": {"rootNamespace": "config"}}}],
        "ConfigMap istio-system/istio can't be decoded",
    ),
    "two revisions differ": (
        [config_map(ROOT), config_map("trustDomain: x", "istio-canary")],
        "ConfigMap istio-system/istio and ConfigMap istio-system/istio-canary differ in trustDomain, rootNamespace",
    ),
    "an IstioOperator differs from the ConfigMap": (
        [config_map(ROOT), operator({"meshConfig": {}})],
        "IstioOperator istio-system/i differ in rootNamespace",
    ),
    "an IstioOperator's configuration is no mapping": ([operator({"meshConfig": [1]})], "IstioOperator istio-system/i"),
}


@pytest.mark.parametrize(("objects", "why"), DOUBTED.values(), ids=DOUBTED)
def test_what_depends_on_a_configuration_that_is_not_known_is_unknown(objects, why):
    snapshot = snapshot_of([*ENDS, NOBODY, *objects])
    verdict = agreed(snapshot)
    assert in_words(verdict) == "unknown"
    (reason,) = [step.reason for step in verdict.steps if step.reason.code is Code.MESH_CONFIG_NOT_KNOWN]
    assert why in said(reason)


BROKEN = config_map("rootNamespace: [")


def test_without_policies_of_the_mesh_nothing_depends_on_it():
    assert in_words(agreed(snapshot_of([*ENDS, BROKEN]))) == "allow"
    plain = [namespace("a"), namespace("b"), *ENDS[2:]]
    assert in_words(agreed(snapshot_of([*plain, NOBODY, BROKEN]))) == "allow", "nobody is in the mesh"


def test_network_policies_deny_all_the_same():
    shut = policy("b/np", {"podSelector": {}, "ingress": []})
    assert in_words(agreed(snapshot_of([*ENDS, NOBODY, shut, BROKEN]))) == "deny ingress_policy"


def test_a_sidecar_depends_on_it_always():
    world = [namespace("a"), pod("a/web", "10.0.0.1"), beside("b/api", "10.0.1.1", [8080]), namespace("b"), BROKEN]
    verdict = agreed(snapshot_of(world))
    assert in_words(verdict) == "unknown"
    assert Code.MESH_CONFIG_NOT_KNOWN in {step.reason.code for step in verdict.steps}


def test_a_route_to_a_host_depends_on_it():
    world = [namespace("a"), beside("a/web", "10.0.0.1", [80]), BROKEN]
    assert in_words(judge(snapshot_of(world), "a/web > api.example.com:443")) == "unknown"


def test_of_several_control_planes_in_a_cluster_none_is_preferred():
    maps = [ConfigMap(ObjectMeta(name, "istio-system"), {"mesh": text}) for name, text in (("istio", ROOT), ("istio-b", "{}"))]
    assert together([written_in(maps[0])]).root_namespace == "config"
    assert together([written_in(each) for each in maps]).doubt
    assert together([]) == MeshConfig()


def test_an_excerpt_of_such_a_verdict_gives_it_too():
    engine_objects = [*ENDS, NOBODY, BROKEN]
    by_ref = {(o["kind"], o["metadata"].get("namespace", ""), o["metadata"]["name"]): o for o in engine_objects}

    async def fetch(ref):
        return by_ref[ref.kind, ref.namespace, ref.name]

    made = asyncio.run(excerpt(Engine(snapshot_of(engine_objects)), parse_flow("a/web", "b/api:8080"), fetch, rename=False))
    assert made.same


# istio/istio pkg/kube/namespace/filter.go: namespaces that no selector matches aren't known to istiod
SELECTS = "discoverySelectors:\n- matchLabels: {mesh: 'yes'}\n- matchExpressions: [{key: env, operator: In, values: [prod]}]"
SEEN, PROD = {"mesh": "yes"}, {"env": "prod"}


def captured(name, **labels):
    return namespace(name, **{"istio.io/dataplane-mode": "ambient"}, **labels)


DISCOVERY = {
    "both are known": ([captured("a", **SEEN), captured("b", **PROD)], [], "allow"),
    "the source isn't": ([captured("a"), captured("b", **SEEN)], [], "unknown"),
    "the destination isn't": ([captured("a", **SEEN), captured("b")], [], "unknown"),
    "a pod outside the mesh": ([captured("a", **SEEN), namespace("b")], [], "allow"),
    "both are outside the mesh": ([namespace("a"), namespace("b")], [], "allow"),
    "whose labels aren't known": ([captured("a", **SEEN)], [], "unknown"),
    "the root namespace, which has a policy, isn't": (
        [captured("a", **SEEN), captured("b", **SEEN), namespace("istio-system")],
        [policy("istio-system/nobody", {}, "AuthorizationPolicy")],
        "unknown",
    ),
    "… and if it is": (
        [captured("a", **SEEN), captured("b", **SEEN), namespace("istio-system", **SEEN)],
        [policy("istio-system/nobody", {}, "AuthorizationPolicy")],
        "deny ztunnel",
    ),
}


DISCOVERED = {
    f"{name}, {where}": (*row, where == "in a cluster")
    for name, row in DISCOVERY.items()
    for where in ("in manifests", "in a cluster")
    if where == "in manifests" or len(row[0]) > 1
}


@pytest.mark.parametrize(("spaces", "objects", "expected", "live"), DISCOVERED.values(), ids=DISCOVERED)
def test_namespaces_that_istiod_does_not_know(spaces, objects, expected, live):
    wanted = {s["metadata"]["name"] for s in spaces if "istio.io/dataplane-mode" in s["metadata"]["labels"]}
    marked = {"annotations": {"ambient.istio.io/redirection": "enabled"}}
    ends = [
        pod("a/web", "10.0.0.1", account="web", metadata=marked if live and "a" in wanted else {}),
        pod("b/api", "10.0.1.1", [8080], metadata=marked if live and "b" in wanted else {}),
    ]
    snapshot = snapshot_of([*spaces, *objects, *ends, config_map(SELECTS)], live=live)
    verdict = agreed(snapshot)
    assert in_words(verdict) == expected
    if expected == "unknown":
        assert "discoverySelectors" in said(verdict.steps[0].reason) or "add its Namespace" in said(verdict.steps[0].reason)


VALUES = {"sidecarInjectorWebhook": {"enableNamespacesByDefault": True}}
NEVER = {"sidecarInjectorWebhook": {"neverInjectSelector": [{"matchLabels": {"x": "y"}}]}}
ENABLEMENT = [{"podSelector": {"matchLabels": {"team": "x"}}}]


def injector(values):
    return config_map(json.dumps(values), "istio-sidecar-injector", key="values")


def webhooks(*names, **labels):
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": "w", "labels": labels},
        "webhooks": [{"name": name} for name in names],
    }


INSTALLED = {
    "the injector's defaults": ([injector({})], Installation()),
    "the injector injects by default": ([injector(VALUES)], Installation(injects_by_default=True)),
    "… by an IstioOperator": (
        [operator({"values": VALUES, "revision": "r"})],
        Installation(frozenset({"r"}), injects_by_default=True),
    ),
    "… by its webhook": (
        [webhooks("auto.sidecar-injector.istio.io", **{"istio.io/rev": "default"})],
        Installation(frozenset({"default"}), injects_by_default=True),
    ),
    "a tag": (
        [webhooks("rev.namespace.sidecar-injector.istio.io", **{"istio.io/rev": "r", "istio.io/tag": "t"})],
        Installation(frozenset({"r", "t"})),
    ),
    "another webhook": ([webhooks("x.example.com", **{"istio.io/rev": "r"})], Installation()),
    "selectors of the injector": (
        [injector(NEVER)],
        Installation(injector="ConfigMap istio-system/istio-sidecar-injector, neverInjectSelector"),
    ),
    "values that can't be read": (
        [config_map("{", "istio-sidecar-injector", key="values")],
        Installation(injector="ConfigMap istio-system/istio-sidecar-injector, values"),
    ),
    "selectors of istio-cni": (
        [config_map(json.dumps(ENABLEMENT), "istio-cni-config", key="AMBIENT_ENABLEMENT_SELECTOR")],
        Installation(capture="ConfigMap istio-system/istio-cni-config, AMBIENT_ENABLEMENT_SELECTOR"),
    ),
    "switches of an IstioOperator": (
        [operator({"values": {"pilot": {"env": {"PILOT_AUTO_ALLOW_WAYPOINT_POLICY": "true", "X": "false"}}}})],
        Installation(frozenset({"default"}), switches=frozenset({"PILOT_AUTO_ALLOW_WAYPOINT_POLICY"})),
    ),
}


@pytest.mark.parametrize(("objects", "expected"), INSTALLED.values(), ids=INSTALLED)
def test_what_charts_and_installers_say_about_injection(objects, expected):
    assert snapshot_of(objects).installation == expected


def test_services_do_not_change_what_is_read():
    assert snapshot_of([service("b/api", [("http", 80, 8080)])]).installation == Installation()


class FakeApi:
    """Answers one list of ConfigMaps."""

    def __init__(self, *maps):
        self.maps = maps

    async def get(self, path, params=None):
        return json.dumps({"items": list(self.maps) if "/istio-system/" in path else []}).encode()


def test_a_cluster_with_several_revisions_is_read_as_manifests_are():
    """None of several configurations is preferred."""
    source = LiveSource(Settings())
    one, other = config_map(ROOT), config_map("trustDomain: x", "istio-canary")
    assert asyncio.run(source._read_mesh_config_in(FakeApi(one), "istio-system"))
    assert (source._mesh.root_namespace, source._mesh.doubt) == ("config", "")
    assert asyncio.run(source._read_mesh_config_in(FakeApi(one, other), "istio-system"))
    assert "differ in trustDomain, rootNamespace" in source._mesh.doubt
    assert asyncio.run(source._read_mesh_config_in(FakeApi(config_map("- x")), "istio-system"))
    assert "it is no mapping" in source._mesh.doubt
