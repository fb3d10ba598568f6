"""Random policies of Calico's own kinds, with tiers and network sets, for a random cluster."""

from tests.reference.clusters import PORTS, SPACES

GROUP = "projectcalico.org/v3"
_TIERS = ["default", "security", "last"]
_CIDRS = ["10.0.0.0/8", "10.0.1.0/24", "10.0.2.3/32", "0.0.0.0/0", "fd00::/64", "203.0.113.0/24"]
_SELECTORS = [
    "all()",
    "app == 'web'",
    "app != 'web'",
    "app in {'web', 'api'}",
    "app not in {'db'}",
    "has(tier)",
    "!has(tier)",
    "tier == 'front' && app == 'web'",
    "app == 'db' || tier == 'back'",
    "app starts with 'w'",
    "app contains 'p' || app ends with 'b'",
    "!(app == 'web' && has(tier))",
    "pcns.team == 'x'",
    "pcns.team != 'x'",
    "pcsa.trust == 'high'",
    "projectcalico.org/serviceaccount == 'one'",
    "projectcalico.org/namespace in {'a', 'b'}",
    "zone == 'dmz'",
    "global()",
    "app == 'nobody'",
]
_OF_NAMESPACES = ["all()", "global()", "team == 'x'", "team != 'x'", "has(team)", "projectcalico.org/name == 'a'"]


class Calico:
    """Makes objects with a cluster's random numbers, so that one seed makes one world."""

    def __init__(self, cluster):
        self.cluster, self.rng, self.serial = cluster, cluster.rng, 0

    def chance(self, share):
        return self.rng.random() < share

    def objects(self):
        """Tiers, ServiceAccounts, sets and policies."""
        found = [self.tier("security", 10), self.tier("last", self.rng.choice([2_000_000, None]))]
        found += [self.account(space, name) for space in SPACES for name in ("one", "two") if self.chance(0.8)]
        found += [self.network_set() for _ in range(self.rng.randint(0, 2))]
        found += [self.policy() for _ in range(self.rng.randint(1, 6))]
        return found

    def thing(self, kind, name, space="", labels=None, spec=None, version=GROUP):
        metadata = {"name": name, **({"namespace": space} if space else {}), "labels": labels or {}}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec or {}}

    def account(self, space, name):
        labels = {"trust": self.rng.choice(["high", "low"])} if self.chance(0.7) else {}
        return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": space, "labels": labels}}

    def tier(self, name, order):
        spec = {} if order is None else {"order": order}
        return self.thing("Tier", name, spec=spec | ({"defaultAction": "Pass"} if self.chance(0.4) else {}))

    def network_set(self):
        self.serial += 1
        labels = {"zone": self.rng.choice(["dmz", "lan"]), "app": self.rng.choice(["web", "db"])}
        space = self.rng.choice(["", *SPACES])
        kind = "NetworkSet" if space else "GlobalNetworkSet"
        return self.thing(kind, f"set-{self.serial}", space, labels, {"nets": self.cluster.some(_CIDRS)})

    def policy(self):
        self.serial += 1
        tier = self.rng.choice(_TIERS)
        space = self.rng.choice(["", *SPACES])
        spec = {"tier": tier, "selector": self.rng.choice(_SELECTORS)}
        if self.chance(0.7):
            spec["order"] = self.rng.choice([-1, 1, 10, 10.5, 1000])
        if self.chance(0.8):
            spec["ingress"] = [self.rule() for _ in range(self.rng.randint(0, 3))]
        if self.chance(0.5):
            spec["egress"] = [self.rule() for _ in range(self.rng.randint(0, 3))]
        if self.chance(0.6):
            spec["types"] = self.cluster.some(["Ingress", "Egress"])
        if not space and self.chance(0.3):
            spec["namespaceSelector"] = self.rng.choice(_OF_NAMESPACES)
        if self.chance(0.15):
            spec["serviceAccountSelector"] = "trust == 'high'"
        name = f"{tier}.q-{self.serial}"
        return self.thing("NetworkPolicy" if space else "GlobalNetworkPolicy", name, space, spec=spec)

    def rule(self):
        rule = {"action": self.rng.choice(["Allow", "Allow", "Deny", "Deny", "Pass", "Log"])}
        if self.chance(0.6):
            rule["protocol"] = self.rng.choice(["TCP", "UDP", "SCTP", 6, "ICMP"])
        elif self.chance(0.2):
            rule["notProtocol"] = self.rng.choice(["TCP", 17])
        rule["source"] = self.side() if self.chance(0.6) else {}
        rule["destination"] = self.side() if self.chance(0.4) else {}
        if rule.get("protocol") in {"TCP", "UDP", "SCTP", 6} and self.chance(0.7):
            which = "ports" if self.chance(0.7) else "notPorts"
            rule["destination"][which] = self.rng.sample([*PORTS, "80:9000", "http", "dns", "none"], 2)
        if self.chance(0.05):
            rule["ipVersion"] = self.rng.choice([4, 6])
        if self.chance(0.03):
            rule["http"] = {"methods": ["GET"]}
        return rule

    def side(self):
        side = {}
        if self.chance(0.6):
            side["selector"] = self.rng.choice(_SELECTORS)
        if self.chance(0.2):
            side["notSelector"] = self.rng.choice(_SELECTORS)
        if self.chance(0.25):
            side["namespaceSelector"] = self.rng.choice(_OF_NAMESPACES)
        if self.chance(0.25):
            side["nets"] = self.cluster.some(_CIDRS)
        if self.chance(0.15):
            side["notNets"] = self.cluster.some(_CIDRS)
        if self.chance(0.15):
            side["serviceAccounts"] = self.rng.choice(
                [{"names": ["one"]}, {"selector": "trust == 'high'"}, {"selector": "!has(trust)"}]
            )
        return side


def as_calico(policy):
    """A NetworkPolicy as the policy of Calico's that means the same (its order is that of NetworkPolicies)."""
    spec, metadata = policy["spec"], policy["metadata"]
    types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    made = {"tier": "default", "order": 1000, "selector": _selector(spec.get("podSelector")), "types": types}
    for direction, side, other in (("ingress", "from", "source"), ("egress", "to", "destination")):
        rules = [rule for each in spec.get(direction) or [] for rule in _rules(each, side, other)]
        made |= {direction: rules} if rules or direction.capitalize() in types else {}
    named = {"name": f"default.{metadata['name']}", "namespace": metadata["namespace"]}
    return {"apiVersion": GROUP, "kind": "NetworkPolicy", "metadata": named, "spec": made}


def _rules(rule, side, other):
    peers = [_peer(peer) for peer in rule.get(side) or []] if rule.get(side) else [{}]
    ports = {}
    for port in rule.get("ports") or []:
        ports.setdefault(port.get("protocol", "TCP"), []).append(port)
    for peer in peers:
        if not ports:
            yield {"action": "Allow", other: peer}
        for protocol, several in ports.items():
            numbers = [_port(port) for port in several]
            destination = {} if None in numbers else {"ports": numbers}
            ends = {other: {**peer, **destination}} if other == "destination" else {other: peer, "destination": destination}
            yield {"action": "Allow", "protocol": protocol, **ends}


def _port(port):
    number, last = port.get("port"), port.get("endPort")
    return number if last is None else f"{number}:{last}"


def _peer(peer):
    if "ipBlock" in peer:
        block = peer["ipBlock"]
        return {"nets": [block["cidr"]], **({"notNets": block["except"]} if block.get("except") else {})}
    found = {}
    if "namespaceSelector" in peer:
        found["namespaceSelector"] = _selector(peer["namespaceSelector"])
    if "podSelector" in peer:
        found["selector"] = _selector(peer["podSelector"])
    return found


def _selector(selector):
    selector = selector or {}
    parts = [f"{key} == '{value}'" for key, value in (selector.get("matchLabels") or {}).items()]
    for each in selector.get("matchExpressions") or []:
        values = ", ".join(f"'{value}'" for value in each.get("values") or [])
        words = {
            "In": "{key} in {{{values}}}",
            "NotIn": "{key} not in {{{values}}}",
            "Exists": "has({key})",
            "DoesNotExist": "!has({key})",
        }
        parts.append(words[each["operator"]].format(key=each["key"], values=values))
    return " && ".join(parts) or "all()"
