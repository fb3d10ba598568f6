"""Writes a made-up cluster as an API server would list it, and a stream of changes to it. The same words give the same bytes.

Departments have namespaces, namespaces have services, services have pods; policies are written by people who copy each
other: most of them name a caller in the same or another namespace, some name a team, few an address.
"""

import argparse
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Obj = dict[str, Any]

MODE = "istio.io/dataplane-mode"
DEPARTMENTS = ["sales", "stock", "billing", "mail", "reports", "accounts", "search", "media"]
STAGES = ["live", "trial", "lab"]
SERVICES = {  # name: layer, port name, port number
    "shopfront": ("edge", "http", 8080),
    "admin": ("edge", "https", 8443),
    "prices": ("logic", "http", 8080),
    "basket": ("logic", "rpc", 9000),
    "cron": ("logic", "stats", 9090),
    "sessions": ("state", "cache", 6379),
    "ledger": ("state", "sql", 5432),
    "events": ("state", "stream", 9092),
}
DNS = {
    "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}],
    "ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}],
}
LAYERS = ["edge", "logic", "state"]
OUTSIDE = ["0.0.0.0/0", "198.51.100.0/24", "203.0.113.64/26"]


class Made:
    """One cluster."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.rng, self.mesh = random.Random(args.seed), args.mesh == "ambient"
        self.serial = 0
        self.spaces = [self.space(number) for number in range(args.namespaces)]
        self.names = [s["metadata"]["name"] for s in self.spaces[2:]]
        services = [(s, name) for s in self.names for name in self.rng.sample(list(SERVICES), self.rng.randint(2, 6))]
        self.services = services[: args.pods - 2]
        everyone = [*self.services, ("kube-system", "resolver")]
        self.hashes = {service: f"{self.rng.getrandbits(36):09x}" for service in everyone}
        self.versions = {service: self.rng.choice(["v1", "v2"]) for service in everyone}
        sizes = [*self.shares(args.pods - 2, len(self.services)), 2]
        pairs = zip(everyone, sizes, strict=True)
        self.pods = [self.pod(*service) for service, size in pairs for _ in range(size)]

    def shares(self, total: int, parts: int) -> list[int]:
        """Few services with many pods, many with few."""
        weights = [1 / (1 + self.rng.random() * 30) for _ in range(parts)]
        sizes = [max(1, int(total * w / sum(weights))) for w in weights]
        while (rest := total - sum(sizes)) != 0:
            place = self.rng.randrange(parts)
            sizes[place] = max(1, sizes[place] + (1 if rest > 0 else -1))
        return sizes

    def meta(self, name: str, space: str | None = None, labels: Obj | None = None, **more: Any) -> Obj:
        self.serial += 1
        uid = f"{self.rng.getrandbits(128):032x}"
        where = {"namespace": space} if space else {}
        times = {"creationTimestamp": "2026-01-01T00:00:00Z", "resourceVersion": str(self.serial)}
        return {
            "name": name,
            **where,
            "uid": f"{uid[:8]}-{uid[8:12]}-{uid[12:16]}-{uid[16:20]}-{uid[20:]}",
            "labels": labels or {},
            **times,
            **more,
        }

    def space(self, number: int) -> Obj:
        if number < 2:
            return thing("v1", "Namespace", self.meta(["istio-system", "kube-system"][number]))
        department, stage = self.rng.choice(DEPARTMENTS), self.rng.choice(STAGES)
        name = f"{department}-{stage}-{number}"
        labels = {"kubernetes.io/metadata.name": name, "department": department, "stage": stage}
        if self.mesh and self.rng.random() < 0.8:
            labels[MODE] = "ambient"
        return thing("v1", "Namespace", self.meta(name, labels=labels))

    def pod(self, space: str, service: str) -> Obj:
        layer, port_name, port = SERVICES.get(service, ("core", "dns", 53))
        revision, node = self.hashes[space, service], self.rng.randrange(1 + len(self.names))
        labels = {"app": service, "layer": layer, "version": self.versions[space, service], "pod-template-hash": revision}
        owner = {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "name": f"{service}-{revision}",
            "uid": revision,
            "controller": True,
        }
        meta = self.meta(f"{service}-{revision}-{self.serial:05d}", space, labels, ownerReferences=[owner])
        address = f"10.{self.serial >> 16 & 255}.{self.serial >> 8 & 255}.{self.serial & 255}"
        probe = {
            "httpGet": {"path": "/ready", "port": port_name},
            "periodSeconds": 10,
            "failureThreshold": 3,
            "timeoutSeconds": 1,
        }
        container = {
            "name": service,
            "image": f"registry.invalid/{space}/{service}@sha256:{self.rng.getrandbits(256):064x}",
            "ports": [{"name": port_name, "containerPort": port, "protocol": "TCP"}],
            "env": [{"name": f"SETTING_{n}", "value": f"{self.rng.getrandbits(64):016x}"} for n in range(14)],
            "readinessProbe": probe,
            "livenessProbe": probe,
            "resources": {"requests": {"cpu": "50m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}},
            "securityContext": {"runAsNonRoot": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            "volumeMounts": [{"name": "settings", "mountPath": "/settings", "readOnly": True}],
        }
        conditions = [
            {"type": t, "status": "True", "lastTransitionTime": "2026-01-01T00:00:05Z"} for t in ("Initialized", "Ready")
        ]
        statuses = [
            {"name": service, "ready": True, "restartCount": 0, "state": {"running": {"startedAt": "2026-01-01T00:00:04Z"}}}
        ]
        spec = {"serviceAccountName": service, "nodeName": f"node-{node}", "containers": [container], "restartPolicy": "Always"}
        status = {"phase": "Running", "podIP": address, "podIPs": [{"ip": address}], "hostIP": f"192.168.0.{node % 250}"}
        return thing("v1", "Pod", meta, spec=spec, status=status | {"conditions": conditions, "containerStatuses": statuses})

    # ---- policies

    def peer(self) -> Obj:
        other_space, other = self.rng.choice(self.services)
        own = self.rng.choice(list(SERVICES))
        kind = self.rng.random()
        if kind < 0.4:
            return {"podSelector": {"matchLabels": {"app": own}}}
        if kind < 0.7:
            return {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": other_space}},
                "podSelector": {"matchLabels": {"app": other}},
            }
        if kind < 0.8:
            return {"namespaceSelector": {"matchLabels": {"department": self.rng.choice(DEPARTMENTS)}}}
        if kind < 0.9:
            layers = {"key": "layer", "operator": self.rng.choice(["In", "NotIn"]), "values": self.rng.sample(LAYERS, 2)}
            return {
                "namespaceSelector": {"matchLabels": {"stage": self.rng.choice(STAGES)}},
                "podSelector": {"matchExpressions": [layers]},
            }
        return {"ipBlock": {"cidr": self.rng.choice(OUTSIDE), "except": []}}

    def rule(self, side: str, service: str) -> Obj:
        rule = {side: [self.peer() for _ in range(self.rng.choice([1, 1, 2]))]}
        _, name, number = SERVICES[service]
        named = side == "from" and not any("ipBlock" in peer for peer in rule[side])
        port = self.rng.choice([number, number, name if named else number, None])
        if port is not None:
            tunnel = [{"protocol": "TCP", "port": 15008}] if self.mesh and self.rng.random() < 0.6 else []
            rule["ports"] = [{"protocol": "TCP", "port": port}, *tunnel]
        return rule

    def network_policy(self, number: int) -> Obj:
        space, service = self.rng.choice(self.services)
        if number < len(self.names) // 2:
            return thing(
                "networking.k8s.io/v1",
                "NetworkPolicy",
                self.meta("closed", self.names[number]),
                spec={"podSelector": {}, "policyTypes": ["Ingress"]},
            )
        sides = self.rng.choice([["Ingress"], ["Ingress"], ["Egress"]])
        chosen = {"matchLabels": {"app": service}} if self.rng.random() < 0.9 else {}
        spec = {"podSelector": chosen, "policyTypes": sides}
        if "Ingress" in sides:
            spec["ingress"] = [self.rule("from", service) for _ in range(self.rng.choice([1, 2]))]
        else:
            spec["egress"] = [DNS, self.rule("to", self.rng.choice(list(SERVICES)))]
        return thing("networking.k8s.io/v1", "NetworkPolicy", self.meta(f"{service}-{number}", space), spec=spec)

    def authorization_policy(self, number: int) -> Obj:
        if number == 0:
            rule = {
                "from": [{"source": {"namespaces": ["media-lab*", "search-lab*"]}}],
                "to": [{"operation": {"notPorts": ["8443"]}}],
            }
            return thing(
                "security.istio.io/v1",
                "AuthorizationPolicy",
                self.meta("no-lab", "istio-system"),
                spec={"action": "DENY", "rules": [rule]},
            )
        space, service = self.rng.choice(self.services)
        callers = self.rng.sample(self.services, min(len(self.services), self.rng.randint(1, 4)))
        sources = [f"cluster.local/ns/{s}/sa/{name}" for s, name in callers]
        rule = {"from": [{"source": {"principals": sources}}]}
        if self.rng.random() < 0.3:
            rule = {"from": [{"source": {"namespaces": sorted({s for s, _ in callers})}}]}
        if self.rng.random() < 0.6:
            rule["to"] = [{"operation": {"ports": [str(SERVICES[service][2])]}}]
        spec = {"action": self.rng.choice(["ALLOW"] * 6 + ["DENY"]), "rules": [rule]}
        if self.rng.random() < 0.8:
            spec["selector"] = {"matchLabels": {"app": service}}
        return thing("security.istio.io/v1", "AuthorizationPolicy", self.meta(f"{service}-{number}", space), spec=spec)

    def peer_authentications(self) -> Iterator[Obj]:
        for number, space in enumerate(["istio-system", *self.names]):
            if number % 3 == 0:
                mode = "STRICT" if number else "PERMISSIVE"
                yield thing(
                    "security.istio.io/v1", "PeerAuthentication", self.meta("default", space), spec={"mtls": {"mode": mode}}
                )

    def change(self, lists: dict[str, list[Obj]]) -> Obj:
        """One watch event, which the lists follow."""
        kind = self.rng.choice(["come", "go", "label", "policy", "policy", "space"])
        if kind == "come":
            lists["pods"].append(self.pod(*self.rng.choice(self.services)))
            return {"type": "ADDED", "object": lists["pods"][-1]}
        if kind == "go":
            return {"type": "DELETED", "object": lists["pods"].pop(self.rng.randrange(len(lists["pods"])))}
        where = {"label": "pods", "space": "namespaces"}.get(kind) or self.rng.choice(
            [n for n in lists if n.endswith("policies")]
        )
        place = self.rng.randrange(1 if where == "namespaces" else 0, len(lists[where]))
        old = lists[where][place]
        if kind == "label":
            labels = {**old["metadata"]["labels"], "version": self.rng.choice(["v2", "v3"]), "layer": self.rng.choice(LAYERS)}
        elif kind == "space":
            labels = {**old["metadata"]["labels"], "department": self.rng.choice(DEPARTMENTS)}
        else:
            make = self.network_policy if where == "networkpolicies" else self.authorization_policy
            lists[where][place] = {**old, "spec": make(10**6)["spec"]}
            return {"type": "MODIFIED", "object": lists[where][place]}
        lists[where][place] = {**old, "metadata": {**old["metadata"], "labels": labels}}
        return {"type": "MODIFIED", "object": lists[where][place]}


def thing(version: str, kind: str, metadata: Obj, **fields: Any) -> Obj:
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--pods", type=int, required=True)
    parser.add_argument("--policies", type=int, required=True, help="NetworkPolicies, and AuthorizationPolicies as 4 in 10")
    parser.add_argument("--namespaces", type=int, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--mesh", choices=["ambient", "none"], default="ambient")
    parser.add_argument("--only", choices=["networkpolicies"])
    parser.add_argument("--uniform-labels", action="store_true", help="pods of one service are always labelled alike here")
    return parser.parse_args()


def main() -> None:
    args = arguments()
    made = Made(args)
    authorized = round(0.4 * args.policies) if args.only is None and made.mesh else 0
    lists = {"namespaces": made.spaces, "pods": made.pods}
    lists["networkpolicies"] = [made.network_policy(number) for number in range(args.policies - authorized)]
    if authorized:
        lists["authorizationpolicies"] = [made.authorization_policy(number) for number in range(authorized)]
        lists["peerauthentications"] = list(made.peer_authentications())
    args.out.mkdir(parents=True, exist_ok=True)
    for name, items in lists.items():
        text = ",\n".join(json.dumps(item, separators=(",", ":")) for item in items)
        (args.out / f"{name}.json").write_text(f'{{"apiVersion":"v1","kind":"List","items":[\n{text}\n]}}\n')
    with (args.out / "changes.jsonl").open("w") as file:
        for _ in range(200):
            file.write(json.dumps(made.change(lists), separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
