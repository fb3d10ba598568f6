"""Admin policies of one priority: their order is undefined (network-policy-api, AdminNetworkPolicySpec.priority)."""

import pytest

from tests.fakes.pairs import agreed
from tests.fakes.requests import Case, check, space
from tests.fakes.snapshots import pod, snapshot_of

BASE = [
    space("a"),
    space("b"),
    space("c"),
    pod("a/web", "10.0.0.1"),
    pod("b/api", "10.0.0.2", [80]),
    pod("c/db", "10.0.0.3", [80]),
]
SOURCE = "network-policy-api, AdminNetworkPolicySpec.priority"


def admin(name, action, priority=5, subject=None, side="ingress", kind="AdminNetworkPolicy"):
    peers = {"from" if side == "ingress" else "to": [{"namespaces": {}}]}
    spec = {"priority": priority, "subject": {"namespaces": subject or {}}, side: [{"action": action, **peers}]}
    return {"apiVersion": "policy.networking.k8s.io/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec}


OF_C = {"matchLabels": {"kubernetes.io/metadata.name": "c"}}
CASES = [
    Case(
        "allow before deny by name",
        SOURCE,
        [admin("x", "Allow"), admin("y", "Deny")],
        "a/web > b/api:80",
        "",
        "unknown",
        says="their order is undefined",
    ),
    Case("deny before allow by name", SOURCE, [admin("x", "Deny"), admin("y", "Allow")], "a/web > b/api:80", "", "unknown"),
    Case(
        "the same action", SOURCE, [admin("x", "Deny"), admin("y", "Deny")], "a/web > b/api:80", "", "deny admin_policy timeout"
    ),
    Case("other priorities", SOURCE, [admin("x", "Deny", 6), admin("y", "Allow", 5)], "a/web > b/api:80", "", "allow"),
    Case(
        "other pods",
        SOURCE,
        [admin("x", "Deny"), admin("y", "Allow", subject=OF_C)],
        "a/web > b/api:80",
        "",
        "deny admin_policy timeout",
    ),
    Case(
        "another direction",
        SOURCE,
        [admin("x", "Deny"), admin("y", "Allow", side="egress")],
        "a/web > b/api:80",
        "",
        "deny admin_policy timeout",
    ),
    Case(
        "a higher one decides",
        SOURCE,
        [admin("x", "Deny"), admin("y", "Allow"), admin("z", "Deny", 1)],
        "a/web > b/api:80",
        "",
        "deny admin_policy timeout",
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_equal_priorities(case):
    snapshot = snapshot_of(BASE, case.objects)
    check(agreed(snapshot, case.flow), case)
