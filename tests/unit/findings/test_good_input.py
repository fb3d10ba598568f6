"""Nothing is said of clusters in which nothing is wrong: no error, and no warning that an expert would call noise."""

import copy

import pytest
import yaml

from meshtui.findings import look
from meshtui.model.finding import Severity
from meshtui.sources.manifests import load_manifests

KUBELET = {"from": [{"ipBlock": {"cidr": "169.254.7.127/32"}}]}
HBONE = {"port": 15008, "protocol": "TCP"}


def meta(name, space=None, labels=None):
    return {"name": name} | ({"namespace": space} if space else {}) | ({"labels": labels} if labels else {})


def space(name, **labels):
    named = {"kubernetes.io/metadata.name": name, **labels}
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta(name, labels=named)}


def account(name, space):
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": meta(name, space)}


def service(name, space, ports, labels=None, selector=None):
    written = [{"name": each, "port": port, "targetPort": target} for each, port, target in ports]
    spec = {"selector": selector or {"app": name}, "ports": written}
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta(name, space, labels), "spec": spec}


def deployment(name, space, port, *, app=None, version=None, env=None, labels=None):
    labels = labels or {"app": app or name, **({"version": version} if version else {})}
    container = {
        "name": app or name,
        "image": f"registry.example/{app or name}:1.4.2",
        "ports": [{"name": "http", "containerPort": port}],
        "env": [{"name": key, "value": value} for key, value in (env or {}).items()],
    }
    container["readinessProbe"] = {"httpGet": {"path": "/ready", "port": "http"}}
    template = {"metadata": {"labels": labels}, "spec": {"serviceAccountName": app or name, "containers": [container]}}
    spec = {"replicas": 2, "selector": {"matchLabels": labels}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(name, space, labels), "spec": spec}


def network(name, space, spec):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta(name, space), "spec": spec}


def authorization(name, space, spec):
    return {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": meta(name, space), "spec": spec}


def pods(**labels):
    return {"podSelector": {"matchLabels": labels}}


# ---- a shop of books in ambient, with a waypoint: four apps, one of them in three versions


def books():
    calls = {"productpage": ["details", "reviews"], "reviews": ["ratings"]}
    yield space("books", **{"istio.io/dataplane-mode": "ambient", "istio.io/use-waypoint": "waypoint"})
    for app in ("productpage", "details", "reviews", "ratings"):
        yield account(app, "books")
        yield service(app, "books", [("http", 9080, 9080)])
        env = {f"{each.upper()}_URL": f"http://{each}:9080" for each in calls.get(app, ())}
        for version in ("v1", "v2", "v3") if app == "reviews" else ("v1",):
            yield deployment(f"{app}-{version}", "books", 9080, app=app, version=version, env=env)
    listeners = [{"name": "mesh", "port": 15008, "protocol": "HBONE"}]
    spec = {"gatewayClassName": "istio-waypoint", "listeners": listeners}
    labels = {"istio.io/waypoint-for": "service"}
    yield {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": meta("waypoint", "books", labels),
        "spec": spec,
    }
    yield peer_authentication("books")
    yield authorization(
        "ratings-readers",
        "books",
        {
            "targetRefs": [{"group": "", "kind": "Service", "name": "ratings"}],
            "action": "ALLOW",
            "rules": [
                {
                    "from": [{"source": {"principals": ["cluster.local/ns/books/sa/reviews"]}}],
                    "to": [{"operation": {"methods": ["GET"]}}],
                }
            ],
        },
    )


def peer_authentication(space):
    spec = {"mtls": {"mode": "STRICT"}}
    return {"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": meta("default", space), "spec": spec}


# ---- a boutique: a default-deny, and one NetworkPolicy for each service

BOUTIQUE = {
    "frontend": (8080, []),
    "cart": (7070, ["frontend", "checkout"]),
    "checkout": (5050, ["frontend"]),
    "currency": (7000, ["frontend", "checkout"]),
    "payment": (50051, ["checkout"]),
    "catalog": (3550, ["frontend", "checkout"]),
    "redis-cart": (6379, ["cart"]),
}


def boutique(*, ambient=False):
    yield space("boutique", **({"istio.io/dataplane-mode": "ambient"} if ambient else {}))
    yield network("deny-all", "boutique", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]})
    for app, (port, callers) in BOUTIQUE.items():
        called = [each for each, (_, several) in BOUTIQUE.items() if app in several]
        env = {f"{each.upper()}_URL": f"http://{each}:{BOUTIQUE[each][0]}" for each in called}
        yield account(app, "boutique")
        yield service(app, "boutique", [("grpc", port, port)])
        yield deployment(app, "boutique", port, env=env)
        ports = [{"port": port, "protocol": "TCP"}, *([HBONE] if ambient else [])]
        ingress = [{"from": [pods(app=each) for each in callers], "ports": ports}] if callers else [{}]
        ingress += [KUBELET] if ambient and callers else []
        yield network(
            app, "boutique", {**pods(app=app), "policyTypes": ["Ingress", "Egress"], "ingress": ingress, "egress": [{}]}
        )
        if ambient and callers:
            source = {"principals": [f"cluster.local/ns/boutique/sa/{each}" for each in callers]}
            rule = {"from": [{"source": source}], "to": [{"operation": {"ports": [str(port)]}}]}
            yield authorization(app, "boutique", {"selector": {"matchLabels": {"app": app}}, "rules": [rule]})
    if ambient:
        yield peer_authentication("boutique")


# ---- a monitoring stack: the pods of two of its policies are made by an operator

STACK = {"app.kubernetes.io/part-of": "stack"}


def named(name, **more):
    return {**STACK, "app.kubernetes.io/name": name, **more}


def monitoring():
    yield space("watch", **{"pod-security.kubernetes.io/warn": "privileged"})
    for kind, name, port in (("Prometheus", "k8s", 9090), ("Alertmanager", "main", 9093)):
        labels = named(kind.lower(), **{"app.kubernetes.io/instance": name})
        spec = {"replicas": 2, "podMetadata": {"labels": labels}, "serviceAccountName": f"{kind.lower()}-{name}"}
        yield {"apiVersion": "monitoring.coreos.com/v1", "kind": kind, "metadata": meta(name, "watch", labels), "spec": spec}
        yield service(f"{kind.lower()}-{name}", "watch", [("web", port, port)], selector=labels)
        yield open_egress(f"{kind.lower()}-{name}", labels, port, "prometheus", "grafana")
    yield account("grafana", "watch")
    yield deployment("grafana", "watch", 3000, labels=named("grafana"))
    yield service("grafana", "watch", [("http", 3000, 3000)], selector=named("grafana"))
    yield open_egress("grafana", named("grafana"), 3000, "prometheus")
    yield account("operator", "watch")
    yield deployment("operator", "watch", 8443, labels=named("operator"))
    yield service("operator", "watch", [("https", 8443, 8443)], selector=named("operator"))
    yield open_egress("operator", named("operator"), 8443, "prometheus")


def open_egress(name, labels, port, *callers):
    ingress = [
        {"from": [pods(**{"app.kubernetes.io/name": each})], "ports": [{"port": port, "protocol": "TCP"}]} for each in callers
    ]
    spec = {**pods(**labels), "policyTypes": ["Egress", "Ingress"], "egress": [{}], "ingress": ingress}
    return network(name, "watch", spec)


# ---- tenants behind a baseline of the whole cluster


def baseline():
    others = {"matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["tenant"]}]}
    spec = {
        "subject": {"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "tenant"}}},
        "ingress": [{"name": "others", "action": "Deny", "from": [{"namespaces": others}]}],
        "egress": [
            {
                "name": "names",
                "action": "Allow",
                "to": [{"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
            },
            {
                "name": "own",
                "action": "Allow",
                "to": [{"namespaces": {"matchLabels": {"kubernetes.io/metadata.name": "tenant"}}}],
            },
            {"name": "others", "action": "Deny", "to": [{"namespaces": {}}]},
        ],
    }
    kind = "BaselineAdminNetworkPolicy"
    yield {"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": kind, "metadata": meta("default"), "spec": spec}
    yield space("tenant")
    yield space("neighbour")
    for name, port in (("store", 8080), ("postgres", 5432)):
        env = {"DATABASE_URL": "postgresql://postgres:5432/x"} if name == "store" else {}
        yield account(name, "tenant")
        yield deployment(name, "tenant", port, env=env)
        yield service(name, "tenant", [("tcp", port, port)])
    yield network("store", "tenant", {**pods(app="store"), "policyTypes": ["Ingress"], "ingress": [{"ports": [{"port": 8080}]}]})
    yield account("client", "neighbour")
    yield deployment("client", "neighbour", 8080)
    yield network("all", "neighbour", {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [{}], "egress": [{}]})


GOOD = {
    "books in ambient, with a waypoint": lambda: list(books()),
    "a boutique, without a mesh": lambda: list(boutique()),
    "a boutique in ambient": lambda: list(boutique(ambient=True)),
    "a monitoring stack": lambda: list(monitoring()),
    "tenants behind a baseline": lambda: list(baseline()),
    "all of them": lambda: [*books(), *boutique(ambient=True), *monitoring(), *baseline()],
}


def told(objects, tmp_path, least=Severity.WARNING):
    """The findings of a folder, from a severity on."""
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(copy.deepcopy(objects)))
    findings = look(load_manifests([str(tmp_path)])).findings
    order = list(Severity)
    return [f"{each.rule} {each.message}" for each in findings if order.index(each.severity) <= order.index(least)]


@pytest.mark.parametrize("name", GOOD)
def test_nothing_is_wrong(name, tmp_path):
    assert told(GOOD[name](), tmp_path) == []


def test_one_mistake_in_good_input_is_found(tmp_path):
    """The same folder with one line wrong: it isn't quiet because it isn't looked at."""
    objects = GOOD["a boutique in ambient"]()
    cart = next(each for each in objects if (each["kind"], each["metadata"]["name"]) == ("NetworkPolicy", "cart"))
    cart["spec"]["ingress"][0]["ports"].remove(HBONE)
    (first, *others) = told(objects, tmp_path)
    assert first.startswith("MT301 NetworkPolicy boutique/cart opens ports for ingress, but not HBONE (15008)")
    assert all(each.startswith(("MT304", "MT303")) for each in others)


def test_quiet_input_has_few_infos(tmp_path):
    """What is worth knowing is said once for a namespace, not for each object."""
    infos = told(GOOD["a boutique in ambient"](), tmp_path, Severity.INFO)
    assert len(infos) <= 4, infos
