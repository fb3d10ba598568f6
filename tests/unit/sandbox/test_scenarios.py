"""Scenarios: each one a single difference from healthy, with a page and a repair that names real things."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from meshtui.sandbox import scenarios
from meshtui.sandbox.images import PROBE_IMAGE, lookup

Objects = dict[tuple[str, str, str], dict[str, Any]]

# What each scenario changes in the cluster: (kind, namespace, name) of objects changed or removed.
DIFFERENCES = {
    "wrong-identity": {
        ("ServiceAccount", "ecom", "ecom-service"),
        ("ServiceAccount", "inventory", "inventory-service"),
        ("Deployment", "ecom", "ecom-service"),
        ("Deployment", "inventory", "inventory-service"),
    },
    "no-reserve-call": {("Deployment", "ecom", "ecom-service")},
    "uuid-mismatch": {("Deployment", "ecom", "ecom-service")},
    "h2c-upgrade": {("Deployment", "ecom", "ecom-service")},
    "missing-egress": {("NetworkPolicy", "ecom", "ecom-netpol")},
    "hbone-blocked": {("NetworkPolicy", "ecom", "ecom-netpol")},
    "l7-at-ztunnel": {("AuthorizationPolicy", "inventory", "inventory-service-policy")},
    "gateway-namespace": {("AuthorizationPolicy", "ecom", "ecom-service-policy")},
    "open-databases": {
        ("AuthorizationPolicy", "ecom", "ecom-db-policy"),
        ("AuthorizationPolicy", "inventory", "inventory-db-policy"),
        ("AuthorizationPolicy", "identity", "keycloak-db-policy"),
        ("NetworkPolicy", "ecom", "ecom-db-netpol"),
        ("NetworkPolicy", "identity", "keycloak-db-netpol"),
        ("NetworkPolicy", "inventory", "default-deny-all"),
        ("NetworkPolicy", "inventory", "inventory-netpol"),
        ("NetworkPolicy", "inventory", "inventory-db-netpol"),
    },
    "nack": {("AuthorizationPolicy", "inventory", "inventory-db-policy")},
    # What is wrong with the mesh itself isn't in any manifest.
    "lost-redirection": set(),
    "pending-pod": set(),
    "stuck-renewal": set(),
    "node-behind": set(),
    "old-dump": set(),
}
FAULTY = {"lost-redirection", "pending-pod", "stuck-renewal", "node-behind", "nack", "old-dump"}
SEED = ("wrong-identity", "no-reserve-call", "open-databases", "missing-egress", "uuid-mismatch")


def objects(name: str) -> Objects:
    return {(obj["kind"], obj["metadata"].get("namespace", ""), obj["metadata"]["name"]): obj for obj in scenarios.load(name)}


def changed(name: str) -> set[tuple[str, str, str]]:
    base, other = objects("healthy"), objects(name)
    assert set(other) <= set(base)
    return {key for key in base if base[key] != other.get(key)}


def test_all_scenarios_are_found_with_healthy_first() -> None:
    assert scenarios.names()[0] == "healthy"
    assert set(scenarios.names()) == {"healthy", "as-found", *DIFFERENCES}


@pytest.mark.parametrize("name", DIFFERENCES)
def test_a_scenario_differs_from_healthy_in_its_own_gap_alone(name: str) -> None:
    assert changed(name) == DIFFERENCES[name]


@pytest.mark.parametrize("name", scenarios.names())
def test_faults_of_the_mesh_are_about_what_is_there(name: str) -> None:
    found = objects(name)
    faults = scenarios.faults(name)
    assert [each.fault.fault for each in faults] == ([name] if name in FAULTY else [])
    for each in faults:
        of = getattr(each.fault, "of", "istio-system/DaemonSet/ztunnel")
        namespace, kind, workload = of.split("/")
        assert (kind, namespace, workload) in found
        for older in each.older:
            assert (older["kind"], older["metadata"]["namespace"], older["metadata"]["name"]) in found


def test_as_found_has_all_five_gaps() -> None:
    assert changed("as-found") == set().union(*(DIFFERENCES[name] for name in SEED))
    ecom = objects("as-found")["Deployment", "ecom", "ecom-service"]["spec"]["template"]["spec"]
    assert "serviceAccountName" not in ecom
    image = lookup(ecom["containers"][0]["image"])
    assert image is not None
    assert (image.env["BOOKSTORE_RESERVE"], image.env["BOOKSTORE_CHANGESETS"]) == ("no", "4")


@pytest.mark.parametrize("name", scenarios.names())
def test_every_object_names_a_namespace_and_an_image_that_exist(name: str) -> None:
    found = objects(name)
    namespaces = {key[2] for key in found if key[0] == "Namespace"}
    accounts = {key[1:] for key in found if key[0] == "ServiceAccount"}
    for (kind, namespace, _), obj in found.items():
        assert namespace in namespaces | {""}
        if kind in {"Deployment", "StatefulSet", "DaemonSet"}:
            pods = obj["spec"]["template"]["spec"]
            assert all(lookup(container["image"]) for container in pods["containers"])
            assert obj["spec"]["selector"]["matchLabels"].items() <= obj["spec"]["template"]["metadata"]["labels"].items()
            assert (namespace, pods.get("serviceAccountName", "default")) in accounts | {(namespace, "default")}


@pytest.mark.parametrize("name", scenarios.names())
def test_the_page_shows_the_repair_and_the_repair_names_real_files(name: str) -> None:
    page, commands = scenarios.page(name), scenarios.fix(name)
    assert page.startswith(f"# {name}\n")
    assert "{" not in page
    assert bool(commands) == (name != "healthy")
    for command in commands:
        assert "kubectl " + " ".join(command) in page
        for word in command:
            assert not word.startswith("/") or Path(word).is_file()


@pytest.mark.parametrize("name", DIFFERENCES)
def test_applied_files_hold_the_healthy_form_of_what_differs(name: str) -> None:
    base = objects("healthy")
    for command in scenarios.fix(name):
        for word in command:
            if word.endswith(".yaml"):
                for obj in yaml.safe_load_all(Path(word).read_text("utf-8")):
                    metadata = obj["metadata"]
                    assert base[obj["kind"], metadata.get("namespace", ""), metadata["name"]] == obj


def test_loaded_objects_are_copies() -> None:
    scenarios.load("healthy")[0]["metadata"]["name"] = "spoilt"
    assert scenarios.load("healthy")[0]["metadata"]["name"] != "spoilt"


def test_an_unknown_scenario_is_refused_with_the_names_that_there_are() -> None:
    with pytest.raises(scenarios.ScenarioError, match=r"nonsense.*healthy"):
        scenarios.load("nonsense")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (PROBE_IMAGE, "tools"),
        ("curlimages/curl", "tools"),
        ("curlimages/curl@sha256:" + "a" * 64, "tools"),
        ("docker.io/curlimages/curl:8.1@sha256:" + "a" * 64, "tools"),
        ("localhost/tools:1", "tools"),
        ("istio/ztunnel:1.27.1", "idle"),
        ("docker.io/istio/pilot:1.26.0", "idle"),
        ("bookstore/ecom-service:1.1", "command"),
        ("docker.io/bookstore/ecom-service:1.1", "command"),
        ("bookstore/ecom-service:9.9", None),
        ("evil/curlimages/curl:1", None),
        ("busybox", None),
        ("", None),
    ],
)
def test_images_are_names_in_one_table(name: str, kind: str | None) -> None:
    image = lookup(name)
    if kind is None:
        assert image is None
        return
    assert image is not None
    assert {"tools": (True, False), "idle": (True, True), "command": (False, False)}[kind] == (
        image.command is None,
        image.idle,
    )
