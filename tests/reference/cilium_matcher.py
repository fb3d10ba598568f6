"""A slow, literal reading of Cilium's policies between pods, from their manifests alone.

It shares no code with the engine. Sources: docs.cilium.io (policy language, rule basics), cilium/cilium pkg/policy/api and
pkg/policy/repository.go (which policies close a pod; denials before all).
"""

import re

_NAMESPACE, _ACCOUNT = "io.kubernetes.pod.namespace", "io.cilium.k8s.policy.serviceaccount"
_OF_NAMESPACE = "io.cilium.k8s.namespace.labels."
ANY_REQUEST = {"method": "GET", "path": "/", "host": "any", "headers": {}}
"""For flows of which the same is decided whatever is sent."""


class World:
    """The objects of one cluster."""

    def __init__(self, objects):
        self.namespaces = {o["metadata"]["name"]: o["metadata"].get("labels") or {} for o in objects if o["kind"] == "Namespace"}
        self.pods = {f"{o['metadata']['namespace']}/{o['metadata']['name']}": o for o in objects if o["kind"] == "Pod"}
        self.policies = [o for o in objects if o["kind"].startswith("Cilium") and o["kind"].endswith("NetworkPolicy")]

    def labels(self, pod):
        """All that a selector sees of a pod, without the source ``k8s``."""
        metadata = pod["metadata"]
        space = metadata["namespace"]
        return {
            **(metadata.get("labels") or {}),
            _NAMESPACE: space,
            _ACCOUNT: pod["spec"].get("serviceAccountName", "default"),
            **{_OF_NAMESPACE + key: value for key, value in self.namespaces[space].items()},
            _OF_NAMESPACE + "kubernetes.io/metadata.name": space,
        }

    def holds(self, selector, pod):
        """Whether a selector holds for a pod; a label of a source other than Kubernetes is never there."""
        labels = self.labels(pod)

        def value(key):
            source, _, name = key.rpartition(":")
            return labels.get(name) if source in {"", "k8s", "any"} else None

        if any(value(key) != wanted for key, wanted in (selector.get("matchLabels") or {}).items()):
            return False
        for each in selector.get("matchExpressions") or ():
            own = value(each["key"])
            found = {
                "In": own in each.get("values", ()),
                "NotIn": own not in each.get("values", ()),
                "Exists": own is not None,
                "DoesNotExist": own is None,
            }
            if not found[each["operator"]]:
                return False
        return True

    def is_peer(self, selector, pod, space):
        """Whether a selector of a rule is about a pod: in the policy's namespace, unless it says something of namespaces."""
        keys = [*(selector.get("matchLabels") or {}), *(each["key"] for each in selector.get("matchExpressions") or ())]
        about = any(_NAMESPACE in key or _OF_NAMESPACE in key for key in keys)
        return self.holds(selector, pod) and (about or not space or pod["metadata"]["namespace"] == space)

    def matches(self, rule, word, space, ends, port, protocol, http):
        """Whether a rule matches; ``ends`` are the pods (source, destination), ``http`` the request."""
        if not rule or "icmps" in rule:
            return False
        if "toPorts" in rule and not any(_port_passes(each, ends[1], port, protocol, http) for each in rule["toPorts"]):
            return False
        peer = ends[0] if word == "from" else ends[1]
        peers = [key for key in rule if key.startswith(word) and key != "toPorts"]
        if not peers:
            return True
        entities = set(rule.get(f"{word}Entities") or ())
        named = any(self.is_peer(selector, peer, space) for selector in rule.get(f"{word}Endpoints") or ())
        return bool(entities & {"all", "cluster"}) or named  # no CIDR means a pod

    def passes(self, direction, ends, port, protocol, http):
        """Whether the policies of one side let a flow through."""
        subject, word = (ends[1], "from") if direction == "ingress" else (ends[0], "to")
        closed, allowed = False, False
        for policy in self.policies:
            spec, space = policy["spec"], policy["metadata"].get("namespace", "")
            if (space and space != subject["metadata"]["namespace"]) or not self.holds(spec["endpointSelector"], subject):
                continue
            denies, allows = (spec.get(name) or () for name in (f"{direction}Deny", direction))
            closed |= bool(denies or allows) and (spec.get("enableDefaultDeny") or {}).get(direction) is not False
            if any(self.matches(rule, word, space, ends, port, protocol, http) for rule in denies):
                return False
            allowed |= any(self.matches(rule, word, space, ends, port, protocol, http) for rule in allows)
        return allowed or not closed

    def allows(self, source, destination, port, protocol, http=ANY_REQUEST):
        """Whether both sides let a flow through; ``http`` is the request: a dict with method, path, host and headers."""
        ends = self.pods[source], self.pods[destination]
        return all(self.passes(direction, ends, port, protocol, http) for direction in ("egress", "ingress"))


def _port_passes(entry, pod, port, protocol, http):
    rules = (entry.get("rules") or {}).get("http")
    return _any_port(entry["ports"], pod, port, protocol) and (not rules or any(_http_passes(rule, http) for rule in rules))


def _http_passes(rule, http):
    if any(re.fullmatch(rule[field], http[field]) is None for field in ("method", "path", "host") if field in rule):
        return False
    for text in rule.get("headers") or ():
        name, _, value = text.partition(": ")
        if name not in http["headers"] or (value and http["headers"][name] != value):
            return False
    return all(
        each["name"] in http["headers"] and http["headers"][each["name"]] == each["value"]
        for each in rule.get("headerMatches") or ()
        if "mismatch" not in each
    )


def _any_port(written, pod, port, protocol):
    names = {
        (p.get("name"), p.get("protocol", "TCP"), p["containerPort"])
        for c in pod["spec"]["containers"]
        for p in c.get("ports") or ()
    }
    for each in written:
        if each.get("protocol", "ANY") not in {"ANY", protocol}:
            continue
        if not each["port"].isdecimal():
            if (each["port"], protocol, port) in names:
                return True
            continue
        first = int(each["port"])
        if first == 0 or first <= port <= max(first, each.get("endPort", 0)):
            return True
    return False
