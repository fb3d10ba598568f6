"""A small world with Cilium, its policies in one line, and facts about flows in it."""

from dataclasses import dataclass

import yaml

from meshtui.cni import named
from meshtui.engine.matrix.matrix import Matrix
from tests.fakes.snapshots import decider, judge, namespace, pod, snapshot_of

CILIUM = named("cilium")
API, RULES = "cilium/cilium pkg/policy/api", "cilium/cilium pkg/policy/rule.go"
UTILS = "cilium/cilium pkg/k8s/apis/cilium.io/utils/utils.go"
SELECTORS, ENTITIES = "cilium/cilium pkg/policy/types/selector.go", f"{API}/entity.go"
REPOSITORY = "cilium/cilium pkg/policy/repository.go"

WORLD = [
    namespace("sea", team="fish"),
    namespace("land", team="fur"),
    pod("sea/crab", "10.2.0.1", [("shell", 7000), 7001], node="n1", labels={"app": "crab", "pod-template-hash": "x"}),
    pod("sea/eel", "10.2.0.2", [("shell", 7001)], node="n2", account="slick"),
    pod("sea/tern", "10.2.0.5", node="n2", labels={}),
    pod("land/fox", "10.2.0.3", [("den", 7000)], node="n1"),
    pod("land/eel", "10.2.0.4", node="n2"),
    pod("land/host", "172.20.0.1", node="n1", spec={"hostNetwork": True}),
    *(
        {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": f"n{number}"},
            "status": {"addresses": [{"type": "InternalIP", "address": f"172.20.0.{number}"}]},
        }
        for number in (1, 2)
    ),
]


def custom(kind, key, spec=None, **more):
    """An object of Cilium; the spec is YAML text or data."""
    space, _, name = key.rpartition("/")
    body = yaml.safe_load(spec) if isinstance(spec, str) else spec
    metadata = {"name": name, **({"namespace": space} if space else {})}
    made = {"apiVersion": "cilium.io/v2", "kind": kind, "metadata": metadata | more.pop("metadata", {})}
    return made | ({} if body is None else {"spec": body}) | more


def cnp(spec, key="sea/p", **more):
    """A policy of a namespace."""
    return custom("CiliumNetworkPolicy", key, spec, **more)


def ccnp(spec, name="w", **more):
    """A policy of the cluster."""
    return custom("CiliumClusterwideNetworkPolicy", name, spec, **more)


def crab(text):
    """A policy for the crab."""
    return cnp(f"{{endpointSelector: {{matchLabels: {{app: crab}}}}, {text}}}")


@dataclass(frozen=True)
class Fact:
    """Policies, a flow, what comes out, and where it is written."""

    source: str
    objects: list
    flow: str
    expect: str
    by: str | None = None


GROUPS = [
    custom("CiliumCIDRGroup", "/reef", {"externalCIDRs": ["198.18.0.0/24"]}, metadata={"labels": {"salt": "yes"}}),
    custom("CiliumCIDRGroup", "/lake", {"externalCIDRs": ["198.18.1.0/24"]}, metadata={"labels": {"salt": "no"}}),
]
SERVICES = [
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "holes", "namespace": "land", "labels": {"dug": "yes"}},
        "spec": {"selector": {"app": "fox"}, "ports": [{"port": 1}]},
    },
    {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "away", "namespace": "land"}, "spec": {"ports": [{"port": 1}]}},
    {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "away-1", "namespace": "land", "labels": {"kubernetes.io/service-name": "away"}},
        "addressType": "IPv4",
        "endpoints": [{"addresses": ["198.18.0.7"]}, {"addresses": ["10.2.0.4"]}],
        "ports": [{"port": 7000}],
    },
]


def api_server(address):
    """The API server at an address."""
    return [
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"kubernetes.io/service-name": "kubernetes"}},
            "addressType": "IPv4",
            "endpoints": [{"addresses": [address]}],
            "ports": [{"port": 6443}],
        }
    ]


def facts(source, objects, *rows):
    """Facts about the same objects."""
    return [Fact(source, objects, *row) for row in rows]


TO_CRAB, OUTSIDE = "sea/eel > sea/crab:7000", "198.18.0.7 > sea/crab:7000"


def name_of(fact):
    """A fact as the name of a test."""
    return f"{fact.flow} {fact.expect}"


def holds_for_a_flow(fact):
    """Check a fact one flow at a time, and what decides."""
    verdict = judge(snapshot_of(WORLD, fact.objects, cni=CILIUM), fact.flow)
    assert verdict.decision.value == fact.expect, (fact.source, verdict)
    if fact.by is not None:
        assert decider(verdict) == fact.by


def between_pods(facts):
    """The facts that all pairs know: those between pods that aren't on the host network."""
    ends = [(fact, *fact.flow.split(" > ")) for fact in facts if "host" not in fact.flow]
    return [fact for fact, source, target in ends if not source[0].isdecimal() and not target[0].isdecimal()]


def holds_for_all_pairs(fact):
    """Check a fact on all pairs."""
    source, _, rest = fact.flow.partition(" > ")
    target, _, port = rest.partition(":")
    number, _, protocol = port.partition("/")
    found = Matrix(snapshot_of(WORLD, fact.objects, cni=CILIUM)).judge(source, target, int(number), protocol or "TCP")
    assert found.decision.value == fact.expect
