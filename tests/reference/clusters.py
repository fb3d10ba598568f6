"""Random clusters as plain manifests: small, and so crowded with rules that they often meet."""

SPACES = ["a", "b", "c"]
PORTS = [1, 53, 80, 8080, 8081, 9000, 9090, 15008, 65535]
PROTOCOLS = ["TCP", "TCP", "TCP", "UDP", "SCTP"]
_APPS, _TIERS = ["web", "api", "db"], ["front", "back"]
_CIDRS = ["10.0.0.0/8", "10.0.1.0/24", "10.0.1.4/30", "10.0.2.3/32", "0.0.0.0/0", "fd00::/64", "192.168.0.0/16"]


_ANNOTATIONS = [
    ("traffic.sidecar.istio.io/excludeOutboundPorts", "8080"),
    ("traffic.sidecar.istio.io/excludeOutboundIPRanges", "10.0.1.0/24"),
    ("traffic.sidecar.istio.io/excludeInboundPorts", "9000"),
    ("sidecar.istio.io/interceptionMode", "NONE"),
]


class Cluster:
    """One random cluster; ``strange`` adds what the engine answers ``unknown`` to, and what the reference doesn't know.

    ``proxies`` (with ``strange``) adds many sidecars and waypoints, and what only proxies read: Services, tokens, HTTP rules.
    """

    def __init__(self, rng, *, strange=False, proxies=False):
        self.rng, self.strange, self.proxies, self.serial = rng, strange, proxies, 0
        self.services = []
        self.priorities = list(range(9))
        labels = {space: self.space_labels() for space in SPACES}
        self.objects = [thing("v1", "Namespace", space, labels=labels[space]) for space in SPACES]
        self.objects += [self.pod() for _ in range(rng.randint(6, 10))]
        self.objects += [self.network_policy() for _ in range(rng.randint(0, 6))]
        self.objects += [self.authorization_policy() for _ in range(rng.randint(0, 5))]
        self.objects += self.peer_authentications()
        self.objects += [self.admin_policy() for _ in range(rng.choice([0, 0, 1, 2]))]
        if rng.random() < 0.2:
            self.objects.append(self.admin_policy(baseline=True))
        if strange and rng.random() < 0.3:
            self.objects.append(self.foreign())
        if strange:
            self.objects += [self.waypoint(space) for space in SPACES if rng.random() < (0.8 if proxies else 0.4)]
        if proxies:
            self.objects += [self.service() for _ in range(rng.randint(1, 4))]
            self.objects += [self.proxy_policy() for _ in range(rng.randint(1, 4))]
            self.objects += [self.request_authentication() for _ in range(rng.choice([0, 1, 2]))]
            self.objects += [self.envoy_filter()] if self.chance(0.2) else []
            self.objects += [self.destination_rule()] if self.chance(0.2) else []
            self.objects += [self.sidecar_scope()] if self.chance(0.15) else []

    def chance(self, share):
        return self.rng.random() < share

    def some(self, values, most=2):
        return self.rng.sample(values, self.rng.randint(1, min(most, len(values))))

    def name(self, stem):
        self.serial += 1
        return f"{stem}-{self.serial}"

    # ---- who there is

    def space_labels(self):
        labels = {"team": self.rng.choice(["x", "y"])} if self.chance(0.7) else {}
        if self.chance(0.6):
            labels["istio.io/dataplane-mode"] = "ambient"
        if self.strange and self.chance(0.6 if self.proxies else 0.3):
            labels["istio.io/use-waypoint"] = "wp"
        return labels

    def pod(self):
        labels = {"app": self.rng.choice(_APPS)}
        if self.chance(0.6):
            labels["tier"] = self.rng.choice(_TIERS)
        if self.chance(0.15):
            labels["istio.io/dataplane-mode"] = self.rng.choice(["ambient", "none"])
        if self.strange and self.chance(0.1):
            labels["istio.io/use-waypoint"] = self.rng.choice(["wp", "none"])
        if self.strange and self.chance(0.05):
            labels["istio.io/use-waypoint-namespace"] = self.rng.choice(SPACES)
        if self.strange and self.chance(0.1):
            labels["gateway.networking.k8s.io/gateway-name"] = self.rng.choice(["gw", "wp"]) if self.proxies else "gw"
        if self.proxies:
            labels |= self.labels_for_proxies()
        ports = [{"name": "http", "containerPort": self.rng.choice([8080, 8081]), "protocol": "TCP"}]
        ports += [{"name": "dns", "containerPort": 53, "protocol": "UDP"}] if self.chance(0.3) else []
        ports += [{"name": "http", "containerPort": 9000, "protocol": "TCP"}] if self.chance(0.1) else []
        names = ["app", "istio-proxy"] if self.strange and self.chance(0.4 if self.proxies else 0.1) else ["app"]
        spec = {"containers": [{"name": name, "ports": ports if name == "app" else []} for name in names]}
        spec["serviceAccountName"] = self.rng.choice(["one", "two"])
        spec |= {"hostNetwork": True} if self.chance(0.05) else {}
        address = self.rng.choice(
            [f"10.0.{self.rng.randint(0, 2)}.{self.rng.randint(1, 6)}", f"fd00::{self.rng.randint(1, 9)}", None]
        )
        addresses = [address] if address else []
        if self.strange and self.chance(0.1):
            addresses = [f"10.0.{self.rng.randint(0, 2)}.{self.rng.randint(1, 6)}", f"fd00::{self.rng.randint(1, 9)}"]
        status = {"phase": "Running", "podIPs": [{"ip": each} for each in addresses]} | ({"podIP": address} if address else {})
        made = thing("v1", "Pod", self.name("p"), self.rng.choice(SPACES), labels, spec=spec, status=status)
        if self.proxies and self.chance(0.1):
            made["metadata"]["annotations"] = dict([self.rng.choice(_ANNOTATIONS)])
        return made

    # ---- selectors

    def selector(self):
        match self.rng.randint(0, 5):
            case 0:
                return {}
            case 1 | 2:
                return {"matchLabels": {"app": self.rng.choice(_APPS)}}
            case 3:
                return {"matchLabels": {"app": self.rng.choice(_APPS), "tier": self.rng.choice(_TIERS)}}
            case 4:
                expression = {"key": "tier", "operator": self.rng.choice(["Exists", "DoesNotExist"])}
                return {"matchExpressions": [expression]}
            case _:
                operator = self.rng.choice(["In", "NotIn"])
                return {"matchExpressions": [{"key": "app", "operator": operator, "values": self.some(_APPS)}]}

    def space_selector(self):
        return self.rng.choice(
            [
                {},
                {"matchLabels": {"team": "x"}},
                {"matchLabels": {"kubernetes.io/metadata.name": self.rng.choice(SPACES)}},
                {"matchExpressions": [{"key": "team", "operator": "NotIn", "values": ["y"]}]},
            ]
        )

    # ---- network policy

    def network_policy(self):
        spec = {"podSelector": self.selector()}
        if self.chance(0.7):
            spec["ingress"] = [self.rule("from") for _ in range(self.rng.randint(0, 2))]
        if self.chance(0.5):
            spec["egress"] = [self.rule("to") for _ in range(self.rng.randint(0, 2))]
        if self.chance(0.5):
            spec["policyTypes"] = self.some(["Ingress", "Egress"])
        if self.strange and self.chance(0.1):
            spec["invented"] = True
        return thing("networking.k8s.io/v1", "NetworkPolicy", self.name("np"), self.rng.choice(SPACES), spec=spec)

    def rule(self, side):
        rule = {side: [self.peer() for _ in range(self.rng.randint(0, 2))]} if self.chance(0.9) else {}
        if self.chance(0.7):
            rule["ports"] = [self.port() for _ in range(self.rng.randint(1, 2))]
        return rule

    def peer(self):
        match self.rng.randint(0, 3):
            case 0:
                return {"podSelector": self.selector()}
            case 1:
                return {"namespaceSelector": self.space_selector()}
            case 2:
                return {"namespaceSelector": self.space_selector(), "podSelector": self.selector()}
            case _:
                return {"ipBlock": {"cidr": self.rng.choice(_CIDRS), "except": self.some(_CIDRS, 1) if self.chance(0.4) else []}}

    def port(self):
        return self.rng.choice(
            [
                {},
                {"port": 8080},
                {"port": "http"},
                {"protocol": "UDP", "port": "dns"},
                {"protocol": "UDP"},
                {"port": 80, "endPort": 9000},
                {"port": 15008},
                {"port": "nobody"},
                {"protocol": "SCTP", "port": 9090},
            ]
        )

    def admin_policy(self, *, baseline=False):
        actions = ["Allow", "Deny"] if baseline else ["Allow", "Deny", "Pass"]
        spec = {"subject": self.admin_subject()}
        spec |= {} if baseline else {"priority": self.priority()}
        for side, word in (("ingress", "from"), ("egress", "to")):
            if self.chance(0.7):
                spec[side] = [self.admin_rule(word, actions) for _ in range(self.rng.randint(1, 2))]
        kind = "BaselineAdminNetworkPolicy" if baseline else "AdminNetworkPolicy"
        return thing("policy.networking.k8s.io/v1alpha1", kind, "default" if baseline else self.name("anp"), spec=spec)

    def priority(self):
        """Of equal priorities the order is undefined: the engine answers ``unknown``, and the reference knows none."""
        if self.strange:
            return self.rng.randint(0, 3)
        self.priorities.remove(found := self.rng.choice(self.priorities))
        return found

    def admin_subject(self):
        if self.chance(0.5):
            return {"namespaces": self.space_selector()}
        return {"pods": {"namespaceSelector": self.space_selector(), "podSelector": self.selector()}}

    def admin_rule(self, word, actions):
        peers = [self.admin_subject() for _ in range(self.rng.randint(1, 2))]
        if word == "to" and self.chance(0.3):
            peers.append({"networks": self.some(_CIDRS)})
        rule = {"action": self.rng.choice(actions), word: peers}
        if self.chance(0.6):
            rule["ports"] = [
                self.rng.choice(
                    [
                        {"portNumber": {"protocol": "TCP", "port": 8080}},
                        {"portRange": {"protocol": "TCP", "start": 9000, "end": 15008}},
                        {"portNumber": {"protocol": "UDP", "port": 53}},
                        {"namedPort": "http"},
                    ]
                )
            ]
        return rule

    # ---- the mesh

    def authorization_policy(self):
        spec = {"action": self.rng.choice(["ALLOW", "ALLOW", "DENY"])}
        if self.chance(0.6):
            spec["selector"] = {"matchLabels": {"app": self.rng.choice(_APPS)}}
        elif self.chance(0.1):
            spec["selector"] = {}
        if self.chance(0.9):
            spec["rules"] = [self.authorization_rule() for _ in range(self.rng.randint(1, 2))]
        where = self.rng.choice([*SPACES, *SPACES, "istio-system"])
        annotations = {"istio.io/dry-run": "true"} if self.strange and self.chance(0.1) else {}
        made = thing("security.istio.io/v1", "AuthorizationPolicy", self.name("ap"), where, spec=spec)
        made["metadata"]["annotations"] = annotations
        return made

    def authorization_rule(self):
        rule = {}
        if self.chance(0.7):
            rule["from"] = [{"source": self.source()} for _ in range(self.rng.randint(1, 2))]
        if self.chance(0.5):
            rule["to"] = [{"operation": self.operation()} for _ in range(self.rng.randint(1, 2))]
        if self.chance(0.2):
            rule["when"] = [self.condition()]
        return rule

    def source(self):
        space, account = self.rng.choice(SPACES), self.rng.choice(["one", "two"])
        options = {
            "principals": [f"cluster.local/ns/{space}/sa/{account}", "*"][: self.rng.randint(1, 2)],
            "notPrincipals": [f"*/sa/{account}"],
            "namespaces": [space, "a*"][: self.rng.randint(1, 2)],
            "notNamespaces": [space],
            "serviceAccounts": [account, f"{space}/{account}"][: self.rng.randint(1, 2)],
            "ipBlocks": self.some(_CIDRS),
            "notIpBlocks": self.some(_CIDRS, 1),
        }
        return {key: options[key] for key in self.some(list(options))}

    def operation(self):
        return self.rng.choice(
            [
                {"ports": ["8080"]},
                {"ports": ["80", "9000"]},
                {"notPorts": ["8080"]},
                {"methods": ["GET"]},
                {"methods": ["GET"], "ports": ["80"]},
            ]
        )

    def condition(self):
        return self.rng.choice(
            [
                {"key": "destination.port", "values": ["8080", "9090"]},
                {"key": "destination.port", "notValues": ["80"]},
                {"key": "destination.ip", "values": self.some(_CIDRS)},
                {"key": "source.namespace", "values": ["a", "b"]},
            ]
        )

    def peer_authentications(self):
        modes = ["STRICT", "PERMISSIVE", "UNSET"]
        for space in ("istio-system", *SPACES):
            if self.chance(0.3):
                spec = {"mtls": {"mode": self.rng.choice(modes)}}
                yield thing("security.istio.io/v1", "PeerAuthentication", "default", space, spec=spec)
        if self.chance(0.3):
            spec = {"selector": {"matchLabels": {"app": "web"}}, "mtls": {"mode": self.rng.choice(modes)}}
            if self.strange and self.chance(0.7):
                spec["portLevelMtls"] = {
                    str(port): {"mode": self.rng.choice([*modes, "DISABLE"])} for port in self.some([8080, 9000])
                }
            yield thing("security.istio.io/v1", "PeerAuthentication", "web", self.rng.choice(SPACES), spec=spec)

    # ---- what only proxies read

    def labels_for_proxies(self):
        labels = {"version": self.rng.choice(["v1", "v2"])} if self.chance(0.5) else {}
        if self.chance(0.2):
            labels["networking.istio.io/tunnel"] = "http"
        return labels

    def service(self):
        names, targets = ["http", "tcp", "https", "data"], [8080, 8081, 9000, "http"]
        ports = [
            {"name": name, "port": self.rng.choice(PORTS), "targetPort": self.rng.choice(targets), "protocol": "TCP"}
            for name in self.some(names)
        ]
        selector = self.rng.choice([{"app": self.rng.choice(_APPS)}, {"version": self.rng.choice(["v1", "v2"])}])
        spec = {"selector": selector, "ports": ports} | ({"clusterIP": "10.9.0.1"} if self.chance(0.8) else {"clusterIP": "None"})
        labels = {"istio.io/use-waypoint": self.rng.choice(["wp", "wp", "none"])} if self.chance(0.5) else {}
        made = thing("v1", "Service", self.name("svc"), self.rng.choice(SPACES), labels, spec=spec)
        self.services.append(made["metadata"]["name"])
        return made

    def proxy_policy(self):
        spec = {"action": self.rng.choice(["ALLOW", "ALLOW", "DENY", "CUSTOM"]), **self.attached()}
        spec |= {"provider": {"name": "outside"}} if spec["action"] == "CUSTOM" else {}
        spec["rules"] = [self.proxy_rule() for _ in range(self.rng.randint(1, 2))]
        return thing("security.istio.io/v1", "AuthorizationPolicy", self.name("l7"), self.rng.choice(SPACES), spec=spec)

    def attached(self):
        """By a targetRef to a waypoint, by a selector (of labels that nothing else selects, too), or to everything."""
        match self.rng.randint(0, 4):
            case 4 if self.services:
                return {"targetRefs": [{"group": "", "kind": "Service", "name": self.rng.choice(self.services)}]}
            case 0 | 1:
                return {"targetRefs": [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "wp"}]}
            case 2:
                return {"selector": {"matchLabels": {"version": self.rng.choice(["v1", "v2"])}}}
            case _:
                return {}

    def proxy_rule(self):
        rule = self.authorization_rule()
        if self.chance(0.4):
            rule["to"] = [{"operation": self.rng.choice([{"methods": ["GET"]}, {"paths": ["/a*"], "ports": ["8080"]}])}]
        if self.chance(0.3):
            rule["from"] = [{"source": self.rng.choice([{"remoteIpBlocks": self.some(_CIDRS)}, {"requestPrincipals": ["*"]}])}]
        if self.chance(0.3):
            more = [{"key": "remote.ip", "values": ["10.0.1.2/31"]}, {"key": "request.headers[x]", "values": ["y"]}]
            rule["when"] = [self.rng.choice([*more, {"key": "destination.ip", "values": ["10.0.2.4/31"]}])]
        return rule

    def request_authentication(self):
        spec = {"jwtRules": [{"issuer": "https://a"}], **self.attached()}
        return thing("security.istio.io/v1", "RequestAuthentication", self.name("ra"), self.rng.choice(SPACES), spec=spec)

    def envoy_filter(self):
        spec = {"workloadSelector": {"labels": {"version": self.rng.choice(["v1", "v2"])}}, "configPatches": []}
        return thing("networking.istio.io/v1alpha3", "EnvoyFilter", self.name("ef"), self.rng.choice(SPACES), spec=spec)

    def destination_rule(self):
        spec = {"host": self.rng.choice([*self.services, "*.local", "gone"]), "trafficPolicy": {"tls": {"mode": "DISABLE"}}}
        return thing("networking.istio.io/v1", "DestinationRule", self.name("dr"), self.rng.choice(SPACES), spec=spec)

    def sidecar_scope(self):
        hosts = self.rng.choice([["./*"], ["a/*", "b/*"], ["*/*"], [f"*/{name}.a.svc.cluster.local" for name in self.services]])
        spec = self.rng.choice([{"egress": [{"hosts": hosts}]}, {"ingress": []}])
        spec |= self.rng.choice([{}, {"workloadSelector": {"labels": {"version": "v1"}}}])
        return thing("networking.istio.io/v1", "Sidecar", self.name("scope"), self.rng.choice(SPACES), spec=spec)

    def waypoint(self, space):
        listener = {"name": "mesh", "port": 15008, "protocol": "HBONE"}
        labels = self.rng.choice([{}, {"istio.io/waypoint-for": "all"}, {"istio.io/waypoint-for": "workload"}])
        spec = {"gatewayClassName": "istio-waypoint", "listeners": [listener]}
        return thing("gateway.networking.k8s.io/v1", "Gateway", "wp", space, labels, spec=spec)

    def foreign(self):
        spec = {"endpointSelector": {"matchLabels": {"app": "db"}}}
        return thing("cilium.io/v2", "CiliumNetworkPolicy", self.name("cnp"), self.rng.choice(SPACES), spec=spec)


def thing(version, kind, name, namespace=None, labels=None, **fields):
    metadata = {"name": name, "labels": labels or {}} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": version, "kind": kind, "metadata": metadata, **fields}


def pod_keys(objects):
    return [f"{o['metadata']['namespace']}/{o['metadata']['name']}" for o in objects if o["kind"] == "Pod"]
