"""A slow, obvious matcher: it reads plain manifests, not the engine's types, and asks one question after the other.

It knows allow and deny only; ports are numbers; PeerAuthentications have no port-level modes. Everything here is written
from the specifications, and shares no code with meshtui.
"""

import ipaddress
import itertools

DENY, ALLOW = "deny", "allow"


def labels_match(selector, labels):
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions", []):
        key, operator, values = expression["key"], expression["operator"], expression.get("values", [])
        if operator == "In" and not (key in labels and labels[key] in values):
            return False
        if operator == "NotIn" and key in labels and labels[key] in values:
            return False
        if operator == "Exists" and key not in labels:
            return False
        if operator == "DoesNotExist" and key in labels:
            return False
    return True


_ADDRESSES = ["10.0.0.1", "10.0.1.1", "10.0.1.5", "10.0.2.3", "10.9.9.9", "172.16.1.1", "192.168.3.4"]


class Reference:
    """All flows between the pods of some manifests."""

    def __init__(self, objects):
        def of(*kinds):
            return [o for o in objects if o["kind"] in kinds]

        self.pods = {f"{p['metadata']['namespace']}/{p['metadata']['name']}": p for p in of("Pod")}
        self.namespaces = {}
        for n in of("Namespace"):
            name = n["metadata"]["name"]
            self.namespaces[name] = {**n["metadata"].get("labels", {}), "kubernetes.io/metadata.name": name}
        self.network = sorted(of("NetworkPolicy"), key=lambda p: p["metadata"]["name"])
        self.admin = sorted(of("AdminNetworkPolicy"), key=lambda p: (p["spec"]["priority"], p["metadata"]["name"]))
        self.baseline = of("BaselineAdminNetworkPolicy")
        self.authorization = of("AuthorizationPolicy")
        self.peer_authentication = of("PeerAuthentication")
        self.assumed = {}

    # ---- who is who

    def space(self, pod):
        return self.namespaces.get(pod["metadata"]["namespace"], {})

    def labels(self, pod):
        return pod["metadata"].get("labels", {})

    def ambient(self, pod):
        if pod["spec"].get("hostNetwork"):
            return False
        own = self.labels(pod).get("istio.io/dataplane-mode")
        return (own or self.space(pod).get("istio.io/dataplane-mode")) == "ambient"

    def address(self, pod):
        text = pod["status"].get("podIP") or self.assumed.get(pod["metadata"]["name"])
        return ipaddress.ip_address(text) if text else None

    def inside(self, pod, cidr):
        address, network = self.address(pod), ipaddress.ip_network(cidr, strict=False)
        return address is not None and address.version == network.version and address in network

    # ---- the answer

    def possible(self, source, destination, port, protocol):
        """The answers for every address that pods without one may get: one on each side of every CIDR of the generator."""
        names = [key.split("/")[1] for key in {source, destination} if not self.pods[key]["status"].get("podIP")]
        found = set()
        for addresses in itertools.product(_ADDRESSES, repeat=len(names)):
            self.assumed = dict(zip(names, addresses, strict=True))
            found.add(self.judge(source, destination, port, protocol))
        self.assumed = {}
        return found

    def judge(self, source, destination, port, protocol):
        if source == destination:
            return ALLOW
        a, b = self.pods[source], self.pods[destination]
        tunnel = protocol == "TCP" and self.ambient(a) and self.ambient(b)
        seen = 15008 if tunnel else port
        if not self.network_side("egress", a, b, b, seen, protocol):
            return DENY
        if not self.network_side("ingress", b, a, b, seen, protocol):
            return DENY
        if protocol == "TCP" and self.ambient(b) and not self.ztunnel(a, b, port):
            return DENY
        return ALLOW

    # ---- network policy

    def network_side(self, direction, subject, peer, target, port, protocol):
        action = self.first_action(self.admin, direction, subject, peer, target, port, protocol)
        if action in ("Allow", "Deny"):
            return action == "Allow"
        selecting = [p for p in self.network if self.isolates(p, direction, subject)]
        if selecting:
            return any(
                self.rule_allows(rule, direction, policy, peer, target, port, protocol)
                for policy in selecting
                for rule in policy["spec"].get(direction) or []
            )
        return self.first_action(self.baseline, direction, subject, peer, target, port, protocol) != "Deny"

    def isolates(self, policy, direction, subject):
        spec = policy["spec"]
        types = spec.get("policyTypes") or (["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
        same = policy["metadata"]["namespace"] == subject["metadata"]["namespace"]
        return direction.capitalize() in types and same and labels_match(spec["podSelector"], self.labels(subject))

    def rule_allows(self, rule, direction, policy, peer, target, port, protocol):
        peers = rule.get("from" if direction == "ingress" else "to") or []
        if peers and not any(self.peer_matches(entry, policy, peer) for entry in peers):
            return False
        ports = rule.get("ports") or []
        return not ports or any(self.port_matches(entry, target, port, protocol) for entry in ports)

    def peer_matches(self, entry, policy, peer):
        if "ipBlock" in entry:
            block = entry["ipBlock"]
            return self.inside(peer, block["cidr"]) and not any(self.inside(peer, cut) for cut in block.get("except", []))
        if "namespaceSelector" in entry:
            if not labels_match(entry["namespaceSelector"], self.space(peer)):
                return False
        elif peer["metadata"]["namespace"] != policy["metadata"]["namespace"]:
            return False
        return labels_match(entry.get("podSelector", {}), self.labels(peer))

    def port_matches(self, entry, target, port, protocol):
        if entry.get("protocol", "TCP") != protocol:
            return False
        wanted = entry.get("port")
        if wanted is None:
            return True
        if isinstance(wanted, str):
            return self.has_port(target, wanted, port, protocol)
        return wanted <= port <= entry.get("endPort", wanted)

    def has_port(self, target, name, port, protocol):
        declared = [p for c in target["spec"]["containers"] for p in c.get("ports", [])]
        return any(p.get("name") == name and p["containerPort"] == port and p["protocol"] == protocol for p in declared)

    def first_action(self, policies, direction, subject, peer, target, port, protocol):
        for policy in policies:
            if not self.admin_selects(policy["spec"]["subject"], subject):
                continue
            for rule in policy["spec"].get(direction, []):
                peers = rule["from" if direction == "ingress" else "to"]
                ports = rule.get("ports")
                if any(self.admin_peer(entry, peer) for entry in peers) and (
                    ports is None or any(self.admin_port(entry, target, port, protocol) for entry in ports)
                ):
                    return rule["action"]
        return None

    def admin_selects(self, entry, pod):
        if "namespaces" in entry:
            return labels_match(entry["namespaces"], self.space(pod))
        both = entry["pods"]
        return labels_match(both["namespaceSelector"], self.space(pod)) and labels_match(both["podSelector"], self.labels(pod))

    def admin_peer(self, entry, pod):
        if "networks" in entry:
            return any(self.inside(pod, cidr) for cidr in entry["networks"])
        return self.admin_selects(entry, pod)

    def admin_port(self, entry, target, port, protocol):
        if "namedPort" in entry:
            return self.has_port(target, entry["namedPort"], port, protocol)
        if "portNumber" in entry:
            return (entry["portNumber"]["protocol"], entry["portNumber"]["port"]) == (protocol, port)
        bounds = entry["portRange"]
        return bounds["protocol"] == protocol and bounds["start"] <= port <= bounds["end"]

    # ---- ztunnel

    def ztunnel(self, a, b, port):
        identified = self.ambient(a)
        if not identified and self.strict(b):
            return False
        covering = [p for p in self.authorization if self.covers(p, b)]
        denying = [p for p in covering if p["spec"].get("action", "ALLOW") == "DENY"]
        allowing = [p for p in covering if p["spec"].get("action", "ALLOW") == "ALLOW"]
        if any(self.matches(policy, a, b, port, identified) for policy in denying):
            return False
        return not allowing or any(self.matches(policy, a, b, port, identified) for policy in allowing)

    def strict(self, pod):
        """The narrowest level that says something; the generator makes one policy a level."""
        space, mode = pod["metadata"]["namespace"], "PERMISSIVE"
        found = {"mesh": None, "namespace": None, "workload": None}
        for policy in self.peer_authentication:
            where, spec = policy["metadata"]["namespace"], policy["spec"]
            if where == "istio-system" and "selector" not in spec:
                found["mesh"] = spec
            elif where == space and "selector" not in spec:
                found["namespace"] = spec
            elif where == space and labels_match(spec["selector"], self.labels(pod)):
                found["workload"] = spec
        for level in ("mesh", "namespace", "workload"):
            said = found[level] and found[level]["mtls"]["mode"]
            mode = said if said and said != "UNSET" else mode
        return mode == "STRICT"

    def covers(self, policy, pod):
        where = policy["metadata"]["namespace"]
        if where not in ("istio-system", pod["metadata"]["namespace"]):
            return False
        selector = policy["spec"].get("selector")
        return selector is None or (bool(selector) and labels_match(selector, self.labels(pod)))

    def matches(self, policy, a, b, port, identified):
        denies = policy["spec"].get("action", "ALLOW") == "DENY"
        for rule in policy["spec"].get("rules", []):
            operations = [to["operation"] for to in rule.get("to", [])]
            if not denies and any("methods" in operation for operation in operations):
                continue  # an HTTP field takes the whole ALLOW rule out
            sources = [one["source"] for one in rule.get("from", [])]
            if operations and not any(self.operation(operation, port) for operation in operations):
                continue
            if sources and not any(self.source(s, a, policy, identified) for s in sources):
                continue
            if all(self.condition(when, a, b, port, identified) for when in rule.get("when", [])):
                return True
        return False

    def operation(self, operation, port):
        ports, not_ports = operation.get("ports", []), operation.get("notPorts", [])
        if not ports and not not_ports:
            return False  # only HTTP fields: emptied, it never matches
        return (not ports or str(port) in ports) and str(port) not in not_ports

    def source(self, source, a, policy, identified):
        space = a["metadata"]["namespace"] if identified else ""
        account = a["spec"].get("serviceAccountName", "default")
        principal = f"cluster.local/ns/{space}/sa/{account}" if identified else None
        accounts = [
            text if "/" in text else f"{policy['metadata']['namespace']}/{text}" for text in source.get("serviceAccounts", [])
        ]
        checks = [
            "principals" not in source or (identified and any(glob(p, principal) for p in source["principals"])),
            not (identified and any(glob(p, principal) for p in source.get("notPrincipals", []))),
            "namespaces" not in source or any(glob(p, space) for p in source["namespaces"]),
            not any(glob(p, space) for p in source.get("notNamespaces", [])),
            not accounts or (identified and f"{space}/{account}" in accounts),
            "ipBlocks" not in source or any(self.inside(a, cidr) for cidr in source["ipBlocks"]),
            not any(self.inside(a, cidr) for cidr in source.get("notIpBlocks", [])),
        ]
        return all(checks)

    def condition(self, when, a, b, port, identified):
        values, not_values = when.get("values", []), when.get("notValues", [])
        match when["key"]:
            case "destination.port":
                return (not values or str(port) in values) and str(port) not in not_values
            case "destination.ip":
                fits = [self.inside(b, cidr) for cidr in values]
            case "source.namespace":
                space = a["metadata"]["namespace"] if identified else ""
                return (not values or any(glob(p, space) for p in values)) and not any(glob(p, space) for p in not_values)
        return any(fits)


def glob(pattern, value):
    if pattern == "*":
        return value != ""
    if pattern.startswith("*"):
        return value.endswith(pattern[1:])
    if pattern.endswith("*"):
        return value.startswith(pattern[:-1])
    return pattern == value
