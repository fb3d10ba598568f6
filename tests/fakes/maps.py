"""Maps that tests draw: a small one with all that an edge can say, and one with hundreds of neighbours."""

import random

from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decision
from meshtui.ui.pictures.map import Edge, MapData, Neighbour

HOME = "ecom"
CENTRE = FlowEndpoint(EndpointKind.WORKLOAD, HOME, "ecom-service", "Deployment")
ALLOW, DENY, MIXED, UNKNOWN = Decision.ALLOW, Decision.DENY, Decision.MIXED, Decision.UNKNOWN


def neighbour(side, name, *edges):
    """A workload ``namespace/name``; edges are (port, decision, policy's name, number of denials, probed)."""
    namespace, _, short = name.partition("/")
    end = FlowEndpoint(EndpointKind.WORKLOAD, namespace, short, "Deployment")
    made = []
    for port, decision, by, denied, probed in edges:
        flow = Flow(end, CENTRE, port) if side == "from" else Flow(CENTRE, end, port)
        policy = ObjectRef("AuthorizationPolicy", namespace, by) if by else None
        made.append(Edge(flow, f":{port}", decision, policy, denied, probed))
    shown = short if namespace == HOME else name
    return Neighbour(ObjectRef("Deployment", namespace, short), shown, namespace, tuple(made))


def bookstore_map():
    """An ecom-service that gateway and UI call, that the inventory denies right now."""
    return MapData(
        "ecom-service",
        "sa/default",
        "ambient",
        callers=(
            neighbour("from", "ecom/ui-service", (8080, ALLOW, "ecom-service-policy", 0, "agrees")),
            neighbour("from", "infra/gateway", (8080, ALLOW, "ecom-service-policy", 0, None)),
            neighbour(
                "from",
                "observability/prometheus",
                (8080, DENY, "ecom-service-policy", 0, "old"),
                (9090, ALLOW, "", 0, None),
            ),
        ),
        callees=(
            neighbour("to", "ecom/ecom-db", (5432, ALLOW, "ecom-db-policy", 0, None)),
            neighbour("to", "identity/keycloak", (8080, MIXED, "", 0, None)),
            neighbour(
                "to",
                "inventory/inventory-service",
                (8000, DENY, "inventory-service-policy", 3, "agrees"),
                (8001, UNKNOWN, "", 0, "disagrees"),
            ),
        ),
        ref=ObjectRef("Deployment", HOME, "ecom-service"),
    )


def crowded_map(number=500, spaces=12, seed=1):
    """A workload with many neighbours in some namespaces."""
    rng = random.Random(seed)

    def some(side, count):
        for index in range(count):
            decision = rng.choice([ALLOW, ALLOW, ALLOW, DENY, DENY, UNKNOWN, MIXED])
            denied = rng.choice([0] * 60 + [4])
            yield neighbour(
                side,
                f"team-{rng.randrange(spaces)}/service-{index}",
                (8080, decision, "service-policy", denied, None),
            )

    callers = tuple(some("from", number // 2))
    callees = tuple(some("to", number - number // 2))
    ref = ObjectRef("Deployment", HOME, "ecom-service")
    return MapData("ecom-service", "sa/default", "ambient", callers, callees, (), ref, 312)


def long_map():
    """Names as long as Kubernetes allows, and wide ones."""
    long = "a-name-that-goes-on-" * 12
    return MapData(
        long,
        f"sa/{long}",
        "ambient",
        callers=(
            neighbour("from", f"team/{long}", (65535, DENY, long, 12_345, "disagrees")),
            neighbour("from", "監視/注文サービス注文サービス", (8080, ALLOW, "ポリシー", 0, "old")),
        ),
        callees=(neighbour("to", f"{'n' * 63}/database", (5432, UNKNOWN, long, 0, None)),),
    )
