"""Pods of the bookstore, asked from outside the mesh: proof, a pod that fell out, a policy in the way; and nothing is left."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from meshtui.cli.mesh_live import look_twice
from meshtui.cli.mesh_probe import Prover
from meshtui.cli.mesh_report import says_no, status_answer
from meshtui.mesh import enrolment
from meshtui.model.enrolment import Seen
from meshtui.model.errors import ReadOnlyError, UsageError
from meshtui.probe import capture
from meshtui.sandbox.run import Sandbox
from meshtui.settings import Settings, load_settings
from tests.fakes.bookstore import IN_ITS_LOOP, on

pytestmark = [pytest.mark.sandbox, IN_ITS_LOOP]


@pytest.fixture(autouse=True)
def _ztunnels_are_old(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Those of the sandbox may have started a moment ago."""
    monkeypatch.setattr(capture, "STARTS", timedelta(0))
    return


@pytest.fixture(autouse=True)
def _only_a_probe_proves(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls prove pods too: the bookstore's own, and those that other tests on the same bookstore made before."""
    monkeypatch.setattr(enrolment, "_INDEPENDENT", (frozenset({Seen.ZTUNNEL_UP}), frozenset({Seen.PROBE})))


def settings_of(sandbox: Sandbox, **more: Any) -> Settings:
    return load_settings({"kubeconfig": str(sandbox.kubeconfig), **more})


async def status(sandbox: Sandbox) -> tuple[bool, dict[str, tuple[str, str]]]:
    """Whether the status says no, and of each workload the state of its pod and what the probe showed of it."""
    settings = settings_of(sandbox, probe={"attempt_timeout_s": 1})
    report, snapshot = await look_twice(settings, (), 0, Prover(settings, yes=True))
    found = status_answer(report, snapshot).document
    probed = {each["pod"]: each["text"] for each in found["probed"]}
    states = {snapshot.owner_of(snapshot.pod_by_key[each["pod"]]).name: each for each in found["pods"]}
    return says_no("status", report), {name: (each["capture"], probed.get(each["pod"], "")) for name, each in states.items()}


def left(sandbox: Sandbox) -> list[str]:
    objects = [obj for plural in ("pods", "jobs") for obj in sandbox.api.store.list(plural)]
    return [obj["metadata"]["name"] for obj in objects if obj["metadata"]["name"].startswith("meshtui-probe-")]


@on("healthy")
async def test_every_pod_of_the_healthy_bookstore_is_proven(bookstore: Sandbox) -> None:
    no, found = await status(bookstore)
    assert {state for state, _ in found.values()} == {"proven"}, found
    assert {text for _, text in found.values()} == {"answers on port 15008 with TLS and its identity"}
    assert not no
    assert left(bookstore) == []


@on("lost-redirection")
async def test_the_pod_that_fell_out_of_the_mesh_refuses(bookstore: Sandbox) -> None:
    _, found = await status(bookstore)
    assert found["inventory-db"][1] == "refuses connections from outside the mesh on port 15008"
    assert found["inventory-db"][0] != "proven"
    assert found["ecom-db"][0] == "proven"
    assert left(bookstore) == []


@on("healthy")
async def test_nothing_is_made_in_read_only_mode_or_without_a_yes(bookstore: Sandbox) -> None:
    settings = settings_of(bookstore, read_only=True)
    with pytest.raises(ReadOnlyError, match="read-only mode"):
        await look_twice(settings, (), 0, Prover(settings, yes=True))
    settings = settings_of(bookstore)
    with pytest.raises(UsageError, match="no terminal to ask on"):
        await look_twice(settings, (), 0, Prover(settings, yes=False))
    assert left(bookstore) == []


@pytest.mark.restores_bookstore
@on("healthy")
async def test_a_policy_that_closes_the_port_leaves_a_pod_unproven(bookstore: Sandbox) -> None:
    store = bookstore.api.store
    old = store.get("networkpolicies", "inventory", "inventory-db-netpol")
    assert old is not None
    (calls, probes) = old["spec"]["ingress"]
    closed = {**calls, "ports": [{"protocol": "TCP", "port": 5432}]}
    store.update("networkpolicies", {**old, "spec": {**old["spec"], "ingress": [closed, probes]}})
    try:
        await bookstore.dataplane.wait_settled()
        _, found = await status(bookstore)
    finally:
        new = store.get("networkpolicies", "inventory", "inventory-db-netpol")
        store.update("networkpolicies", {**(new or {}), "spec": old["spec"]})
        await bookstore.dataplane.wait_settled()
    why = "no answer on port 15008: NetworkPolicy inventory/default-deny-all doesn't let a pod outside the mesh reach port 15008"
    assert found["inventory-db"][1] == why
    assert found["inventory-db"][0] == "unproven"
    assert found["ecom-db"] == ("proven", "answers on port 15008 with TLS and its identity")
    assert left(bookstore) == []
