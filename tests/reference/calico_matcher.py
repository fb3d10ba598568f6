"""A slow, literal reading of Calico's policies between pods, from their manifests alone.

It shares no code with the engine: selectors become Python's own ``and``, ``or`` and ``not``. Sources: docs.tigera.io (resources:
NetworkPolicy, GlobalNetworkPolicy, Tier, NetworkSet), projectcalico/calico libcalico-go (what a rule's selector means) and
felix/rules (a rule with CIDRs of one address family only isn't there for the other).
"""

import ipaddress
import re
from math import inf

_NUMBERS = {"6": "TCP", "17": "UDP", "132": "SCTP", "1": "ICMP"}
_TERM = re.compile(
    r"(?P<all>all\(\))|(?P<global>global\(\))|(?P<has>has\((?P<key>[^)]*)\))|(?P<name>[A-Za-z0-9./_-]+) "
    r"(?P<op>==|!=|in|not in|contains|starts with|ends with) (?P<value>'[^']*'|\{[^}]*\})"
)
_NAMESPACE = "projectcalico.org/namespace"


def holds(expression, labels):
    """Whether a selector holds for labels."""

    def term(match):
        return str(_term(match, labels))

    python = _TERM.sub(term, expression).replace("&&", " and ").replace("||", " or ").replace("!", " not ")
    return eval(python, {"__builtins__": {}})


def _term(match, labels):
    if match["all"]:
        return True
    if match["global"]:
        return _NAMESPACE not in labels
    if match["has"]:
        return match["key"] in labels
    own, texts = labels.get(match["name"]), re.findall(r"'([^']*)'", match["value"])
    if match["op"] in {"!=", "not in"}:
        return own not in texts
    if own is None:
        return False
    tests = {"==": own.__eq__, "contains": own.__contains__, "starts with": own.startswith, "ends with": own.endswith}
    return own in texts if match["op"] == "in" else tests[match["op"]](texts[0])


class World:
    """The objects of one cluster, by kind."""

    def __init__(self, objects):
        self.kinds = {}
        for obj in objects:
            self.kinds.setdefault(obj["kind"], []).append(obj)
        self.namespaces = {o["metadata"]["name"]: o["metadata"].get("labels") or {} for o in self.kinds.get("Namespace", ())}
        self.accounts = {
            (o["metadata"]["namespace"], o["metadata"]["name"]): o["metadata"].get("labels") or {}
            for o in self.kinds.get("ServiceAccount", ())
        }
        self.pods = {f"{o['metadata']['namespace']}/{o['metadata']['name']}": o for o in self.kinds["Pod"]}

    # ---- labels

    def _of_namespace(self, name):
        found = {f"pcns.{key}": value for key, value in self.namespaces[name].items()}
        return {**found, _NAMESPACE: name, "pcns.projectcalico.org/name": name}

    def labels(self, pod):
        """All that a selector sees of a pod."""
        metadata, account = pod["metadata"], pod["spec"].get("serviceAccountName", "default")
        of_account = self.accounts.get((metadata["namespace"], account), {})
        return {
            **(metadata.get("labels") or {}),
            "projectcalico.org/orchestrator": "k8s",
            "projectcalico.org/serviceaccount": account,
            "pcsa.projectcalico.org/name": account,
            **{f"pcsa.{key}": value for key, value in of_account.items()},
            **self._of_namespace(metadata["namespace"]),
        }

    def _sets(self):
        for obj in (*self.kinds.get("NetworkSet", ()), *self.kinds.get("GlobalNetworkSet", ())):
            space = obj["metadata"].get("namespace", "")
            labels = {**(obj["metadata"].get("labels") or {}), **(self._of_namespace(space) if space else {})}
            yield labels, obj["spec"].get("nets") or ()

    # ---- rules

    def selected(self, expression, pod):
        """Whether a rule's selector holds for a pod, or for a set of networks with its address."""
        if holds(expression, self.labels(pod)):
            return True
        return any(_inside(pod, nets) and holds(expression, labels) for labels, nets in self._sets())

    def is_side(self, side, pod, space):
        """Whether a pod is what one side of a rule is about; ``space`` is the policy's namespace."""
        parts = []
        if side.get("namespaceSelector"):
            parts.append(_of_namespaces(side["namespaceSelector"]))
        elif space and (side.get("selector") or side.get("serviceAccounts")):
            parts.append(f"{_NAMESPACE} == '{space}'")
        accounts = side.get("serviceAccounts") or {}
        if accounts.get("names"):
            names = ", ".join(f"'{name}'" for name in accounts["names"])
            parts.append(f"projectcalico.org/serviceaccount in {{{names}}}")
        if accounts.get("selector"):
            parts.append(_prefixed(accounts["selector"], "pcsa."))
        if side.get("selector"):
            parts.append(side["selector"])
        if parts and not self.selected(" && ".join(f"({part})" for part in parts), pod):
            return False
        if side.get("notSelector") and self.selected(side["notSelector"], pod):
            return False
        if side.get("nets") and not _inside(pod, side["nets"]):
            return False
        return not _inside(pod, side.get("notNets") or ())

    def matches(self, rule, space, ends, port, protocol):
        """Whether a rule matches; ``ends`` are the pods (source, destination)."""
        wanted, unwanted = (_NUMBERS.get(str(rule.get(name)), rule.get(name)) for name in ("protocol", "notProtocol"))
        if (wanted and wanted != protocol) or (unwanted and unwanted == protocol):
            return False
        destination = rule.get("destination") or {}
        if destination.get("ports") and not _any_port(destination["ports"], ends[1], port, protocol):
            return False
        if destination.get("notPorts") and _any_port(destination["notPorts"], ends[1], port, protocol):
            return False
        if not _of_family(rule, ends[0]):
            return False
        return self.is_side(rule.get("source") or {}, ends[0], space) and self.is_side(destination, ends[1], space)

    # ---- policies

    def policies(self, tier, pod, direction):
        """The policies of a tier that select a pod in a direction, in order."""
        found = []
        for obj in (*self.kinds.get("NetworkPolicy", ()), *self.kinds.get("GlobalNetworkPolicy", ())):
            spec, space = obj["spec"], obj["metadata"].get("namespace", "")
            written = spec.get("types") or [
                *(["Ingress"] if spec.get("ingress") or not spec.get("egress") else []),
                *(["Egress"] if spec.get("egress") else []),
            ]
            parts = [spec.get("selector") or "all()"]
            parts += [_of_namespaces(spec["namespaceSelector"])] if spec.get("namespaceSelector") else []
            parts += [_prefixed(spec["serviceAccountSelector"], "pcsa.")] if spec.get("serviceAccountSelector") else []
            here = not space or space == pod["metadata"]["namespace"]
            whole = " && ".join(f"({part})" for part in parts)
            if spec["tier"] == tier and direction in written and here and holds(whole, self.labels(pod)):
                found.append((spec.get("order", inf), obj["metadata"]["name"], space, spec))
        return sorted(found, key=lambda each: each[:3])

    def tiers(self):
        """The tiers in order, each with whether it denies at its end."""
        made = {o["metadata"]["name"]: o["spec"] for o in self.kinds.get("Tier", ())}
        made.setdefault("default", {"order": 1_000_000})
        ordered = sorted(made, key=lambda name: (made[name].get("order", inf), name))
        return [(name, made[name].get("defaultAction") != "Pass") for name in ordered]

    def passes(self, direction, ends, port, protocol):
        """Whether the policies of one side let a flow through."""
        subject = ends[1] if direction == "Ingress" else ends[0]
        for tier, denies in self.tiers():
            policies = self.policies(tier, subject, direction)
            action = self._first(policies, direction, ends, port, protocol)
            if action in {"Allow", "Deny"}:
                return action == "Allow"
            if policies and denies and action is None:
                return False
        return True

    def _first(self, policies, direction, ends, port, protocol):
        for _, _, space, spec in policies:
            for rule in spec.get(direction.lower()) or ():
                if rule["action"] != "Log" and self.matches(rule, space, ends, port, protocol):
                    return rule["action"]
        return None

    def allows(self, source, destination, port, protocol):
        """Whether both sides let a flow through."""
        ends = self.pods[source], self.pods[destination]
        return all(self.passes(direction, ends, port, protocol) for direction in ("Egress", "Ingress"))


def _of_namespaces(expression):
    if expression == "all()":
        return f"has({_NAMESPACE})"
    return f"!has({_NAMESPACE})" if expression == "global()" else _prefixed(expression, "pcns.")


def _prefixed(expression, prefix):
    """The expression with a prefix before each of its keys."""

    def term(match):
        text = match[0]
        if match["has"]:
            return f"has({prefix}{match['key']})"
        return text if match["all"] or match["global"] else prefix + text

    return _TERM.sub(term, expression)


def addresses(pod):
    """A pod's addresses."""
    return [ipaddress.ip_address(each["ip"]) for each in pod["status"].get("podIPs") or ()]


def _of_family(rule, pod):
    """Whether a rule is there for the pod's address family."""
    (address,) = addresses(pod)
    if rule.get("ipVersion") not in {None, address.version}:
        return False
    lists = [side.get(name) for side in (rule.get("source") or {}, rule.get("destination") or {}) for name in ("nets", "notNets")]
    return all(any(ipaddress.ip_network(net).version == address.version for net in nets) for nets in lists if nets)


def _inside(pod, nets):
    (address,) = addresses(pod)
    return any(address in ipaddress.ip_network(net) for net in nets)


def _any_port(written, pod, port, protocol):
    named = {
        (p.get("name"), p.get("protocol", "TCP")): p["containerPort"]
        for c in reversed(pod["spec"]["containers"])
        for p in reversed(c.get("ports") or ())
    }
    for each in map(str, written):
        first, _, last = each.partition(":")
        if first.isdecimal() and int(first) <= port <= int(last or first):
            return True
        if not first.isdecimal() and named.get((each, protocol)) == port:
            return True
    return False
