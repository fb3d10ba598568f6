"""Random policies of Cilium's own kinds for a random cluster."""

from tests.reference.clusters import PORTS, SPACES

GROUP = "cilium.io/v2"
_CIDRS = ["10.0.0.0/8", "10.0.1.0/24", "0.0.0.0/0", "203.0.113.0/24"]
_ENTITIES = ["world", "cluster", "all", "host", "remote-node", "kube-apiserver", "none"]
_LABELS = [
    {},
    {"matchLabels": {"app": "web"}},
    {"matchLabels": {"k8s:app": "db"}},
    {"matchLabels": {"app": "api", "tier": "front"}},
    {"matchLabels": {"container:app": "web"}},
    {"matchExpressions": [{"key": "tier", "operator": "Exists"}]},
    {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]},
    {"matchLabels": {"io.cilium.k8s.policy.serviceaccount": "one"}},
]
_ELSEWHERE = [
    {"matchLabels": {"k8s:io.kubernetes.pod.namespace": "a"}},
    {"matchLabels": {"io.cilium.k8s.namespace.labels.team": "x"}},
    {"matchExpressions": [{"key": "io.kubernetes.pod.namespace", "operator": "In", "values": ["a", "b"]}]},
    {"matchExpressions": [{"key": "io.kubernetes.pod.namespace", "operator": "Exists"}], "matchLabels": {"app": "db"}},
]


_HTTP = [
    {"method": "GET"},
    {"path": "/v1/?[a-z]*"},
    {"method": "POST|PUT", "path": "/v1.*", "host": "shop(:80)?"},
    {"headers": ["X-Token: a"]},
    {"method": "GET", "headers": ["X-More"]},
    {"path": "/admin", "headerMatches": [{"name": "X-Token", "value": "b"}]},
    {"path": "/", "headerMatches": [{"name": "X-Token", "value": "b", "mismatch": "LOG"}]},
]


class Cilium:
    """Makes objects with a cluster's random numbers, so that one seed makes one world."""

    def __init__(self, cluster):
        self.cluster, self.rng, self.serial = cluster, cluster.rng, 0

    def chance(self, share):
        return self.rng.random() < share

    def objects(self):
        """A group of CIDRs, and policies."""
        group = {
            "apiVersion": GROUP,
            "kind": "CiliumCIDRGroup",
            "metadata": {"name": "g"},
            "spec": {"externalCIDRs": ["203.0.113.0/24"]},
        }
        return [group, *(self.policy() for _ in range(self.rng.randint(1, 6)))]

    def policy(self):
        self.serial += 1
        space = self.rng.choice(["", *SPACES, *SPACES])
        spec = {"endpointSelector": self.rng.choice(_LABELS)}
        for side, share in (("ingress", 0.7), ("egress", 0.5), ("ingressDeny", 0.25), ("egressDeny", 0.2)):
            if self.chance(share):
                spec[side] = [self.rule(side) for _ in range(self.rng.randint(1, 2))]
        if not any(side in spec for side in ("ingress", "egress", "ingressDeny", "egressDeny")):
            spec["ingress"] = [{}]
        if self.chance(0.2):
            spec["enableDefaultDeny"] = {self.rng.choice(["ingress", "egress"]): self.chance(0.3)}
        metadata = {"name": f"c-{self.serial}", **({"namespace": space} if space else {})}
        kind = "CiliumNetworkPolicy" if space else "CiliumClusterwideNetworkPolicy"
        return {"apiVersion": GROUP, "kind": kind, "metadata": metadata, "spec": spec}

    def rule(self, side):
        word = "from" if side.startswith("ingress") else "to"
        rule = {}
        match self.rng.randint(0, 5):
            case 0 | 1:
                rule[f"{word}Endpoints"] = [self.rng.choice(_LABELS + _ELSEWHERE) for _ in range(self.rng.randint(1, 2))]
            case 2:
                rule[f"{word}Entities"] = self.cluster.some(_ENTITIES)
            case 3:
                rule[f"{word}CIDR"] = self.cluster.some(_CIDRS)
            case 4:
                rule[f"{word}CIDRSet"] = [
                    self.rng.choice([{"cidr": "10.0.0.0/8", "except": ["10.0.1.0/24"]}, {"cidrGroupRef": "g"}])
                ]
            case _:
                pass
        if self.chance(0.6):
            rule["toPorts"] = [self.ports("Deny" not in side)]
        elif self.chance(0.1):
            rule["icmps"] = [{"fields": [{"type": 8}]}]
        return rule

    def ports(self, allows):
        protocol = self.rng.choice(["TCP", "UDP", "ANY", "TCP"])
        port = self.rng.choice([*map(str, PORTS), "http", "dns", "0"])
        found = {"port": port, "protocol": protocol}
        if port == "80":
            found["endPort"] = 9000
        made = {"ports": [found]}
        if allows and protocol == "TCP" and port.isdecimal() and port != "0" and "endPort" not in found and self.chance(0.5):
            made["rules"] = {"http": self.cluster.some(_HTTP)}
        return made


def as_cilium(policy):
    """A NetworkPolicy as the CiliumNetworkPolicy that means the same for pods."""
    spec, metadata = policy["spec"], policy["metadata"]
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    made = {"endpointSelector": spec.get("podSelector") or {}}
    for direction, side, word in (("ingress", "from", "from"), ("egress", "to", "to")):
        if direction.capitalize() in types:
            rules = [made_of for rule in spec.get(direction) or [] for made_of in _rules(rule, side, word)]
            made[direction] = rules or [{}]
    named = {"name": metadata["name"], "namespace": metadata["namespace"]}
    return {"apiVersion": GROUP, "kind": "CiliumNetworkPolicy", "metadata": named, "spec": made}


def _rules(rule, side, word):
    ports = [_port(port) for port in rule.get("ports") or []]
    to_ports = {"toPorts": [{"ports": ports}]} if ports else {}
    for peer in rule.get(side) or [None]:
        if peer is None:
            yield to_ports or {f"{word}Entities": ["all"]}
        elif "ipBlock" in peer:
            # no pod is in a block; and an except outside of it would have the whole policy refused
            yield {f"{word}CIDR": [peer["ipBlock"]["cidr"]], **to_ports}
        else:
            yield {f"{word}Endpoints": [_peer(peer)], **to_ports}


def _port(port):
    found = {"port": str(port.get("port", 0)), "protocol": port.get("protocol", "TCP")}
    return found | ({"endPort": port["endPort"]} if port.get("endPort") else {})


def _peer(peer):
    pods = peer.get("podSelector") or {}
    spaces = peer.get("namespaceSelector")
    labels, expressions = dict(pods.get("matchLabels") or {}), list(pods.get("matchExpressions") or [])
    if spaces is not None:
        prefix = "io.cilium.k8s.namespace.labels."
        labels |= {prefix + key: value for key, value in (spaces.get("matchLabels") or {}).items()}
        expressions += [{**each, "key": prefix + each["key"]} for each in spaces.get("matchExpressions") or []]
        expressions.append({"key": "io.kubernetes.pod.namespace", "operator": "Exists"})
    return {key: value for key, value in (("matchLabels", labels), ("matchExpressions", expressions)) if value}
