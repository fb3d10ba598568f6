"""Suppression, order, and what rules share."""

import pytest

from meshtui.findings import evaluate, look
from meshtui.findings.context import ignored_rules
from tests.fakes.snapshots import ambient, pod, snapshot_of

SHOP = ambient("shop")


def database(**annotations):
    return pod("shop/db", "10.0.0.1", [5432], account="db", metadata={"annotations": annotations})


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("MT208", {"MT208": ""}),
        ("MT208: behind a firewall, MT301", {"MT208": "behind a firewall", "MT301": ""}),
        ("MT208: first, second and third, MT301: other", {"MT208": "first, second and third", "MT301": "other"}),
        ("all of them", {}),
        ("", {}),
    ],
)
def test_reasons_are_kept_by_rule(text, reasons):
    assert ignored_rules(text) == reasons


def test_an_annotation_silences_its_object_and_rule_only():
    other = pod("shop/db2", "10.0.0.2", [5432], account="db")
    found = evaluate(snapshot_of([SHOP, database(**{"meshtui.dev/ignore": "MT208: a cache, really"}), other]))
    assert {(f.objects[0].name, f.ignored) for f in found if f.rule == "MT208"} == {("db", "a cache, really"), ("db2", "")}
    assert found[-1].ignored, "what is ignored comes last"
    assert not any(f.ignored for f in found if f.rule != "MT208")


def test_a_namespaces_annotation_silences_what_is_in_it():
    quiet = {**SHOP, "metadata": {**SHOP["metadata"], "annotations": {"meshtui.dev/ignore": "MT208"}}}
    assert [f.ignored for f in evaluate(snapshot_of([quiet, database()])) if f.rule == "MT208"] == ["no reason given"]


def test_the_worst_comes_first_then_what_most_flows_feel():
    crowd = [pod(f"far/p{n}", f"10.1.0.{n}", [80], account=f"p{n}") for n in range(3)]
    hidden = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": "n", "namespace": "far"}}
    hidden["spec"] = {"podSelector": {"matchLabels": {"app": "p0"}}, "policyTypes": ["Egress"], "egress": []}
    found = [f for f in look(snapshot_of([SHOP, database(), *crowd, hidden])).findings if not f.ignored]
    order = [(f.severity, -f.flows, f.rule, f.objects) for f in found]
    assert order == sorted(order)
    assert next(f.flows for f in found if f.rule == "MT208") == 2, "p0 may not leave"


def test_the_same_snapshot_gives_the_same_findings_in_any_order_of_its_objects():
    objects = [SHOP, database(), *(pod(f"shop/w{n}", f"10.1.0.{n}", [80], account="default") for n in range(4))]
    assert evaluate(snapshot_of(objects)) == evaluate(snapshot_of(objects[::-1]))
