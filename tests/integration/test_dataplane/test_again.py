"""A configuration that Envoy didn't take is tried again: no later change may come."""

import logging

import pytest

from meshtui.sandbox.dataplane import envoy as envoy_module
from meshtui.sandbox.dataplane.envoy import EnvoyError
from tests.integration.test_dataplane.conftest import until

ECOM = "ecom/ecom-service"
STOCK = "http://inventory-service.inventory:8000/stock"
NOBODY = {"action": "ALLOW", "rules": []}


@pytest.mark.parametrize("error", [EnvoyError("busy"), TimeoutError(), ValueError("a fault")], ids=["refused", "late", "a fault"])
async def test_what_failed_is_applied_without_another_change(cluster, monkeypatch, caplog, error):
    apply, failures = cluster.plane._envoy.apply, [error] * 3

    async def fails_at_first(listeners, clusters):
        if failures:
            raise failures.pop()
        await apply(listeners, clusters)

    monkeypatch.setattr(cluster.plane._envoy, "apply", fails_at_first)
    with caplog.at_level(logging.ERROR):
        await cluster.apply("AuthorizationPolicy", "nobody", "inventory", NOBODY)
        await until(lambda: not failures, "the last failure")
        await cluster.settled()
    assert (await cluster.curl(ECOM, STOCK)).outcome == "closed"
    assert len([record for record in caplog.records if "keeps its old configuration" in record.message]) == 1


async def test_a_file_that_envoy_did_not_take_in_time_is_written_again(cluster, monkeypatch):
    stats, blind = cluster.plane._envoy.stats, True

    async def nothing_happens(prefix):
        return {} if blind else await stats(prefix)

    written = []
    write = envoy_module.write_for
    monkeypatch.setattr(envoy_module, "write_for", lambda path, *rest: (written.append(path.name), write(path, *rest)))
    monkeypatch.setattr(envoy_module, "_APPLY_TIMEOUT_S", 0.2)
    monkeypatch.setattr(cluster.plane._envoy, "stats", nothing_happens)
    await cluster.apply("AuthorizationPolicy", "nobody", "inventory", NOBODY)
    (first,) = {name for name in written if name.endswith("ds.json")}
    blind, number = False, written.count(first)
    monkeypatch.undo()
    monkeypatch.setattr(envoy_module, "write_for", lambda path, *rest: (written.append(path.name), write(path, *rest)))
    await until(lambda: written.count(first) > number, f"{first} again")
    await cluster.settled()
    assert (await cluster.curl(ECOM, STOCK)).outcome == "closed"


async def test_going_back_after_a_failure_is_a_change(cluster, monkeypatch):
    """The file that Envoy has then is not the one that it took last."""
    stats, blind = cluster.plane._envoy.stats, True

    async def nothing_happens(prefix):
        return {} if blind else await stats(prefix)

    folder = cluster.plane._envoy._folder
    before = {name: (folder / name).read_bytes() for name in ("cds.json", "lds.json")}
    monkeypatch.setattr(envoy_module, "_APPLY_TIMEOUT_S", 0.2)
    monkeypatch.setattr(cluster.plane._envoy, "stats", nothing_happens)
    await cluster.apply("AuthorizationPolicy", "nobody", "inventory", NOBODY)
    assert any((folder / name).read_bytes() != old for name, old in before.items())
    blind = False
    cluster.store.delete("authorizationpolicies", "inventory", "nobody")
    await until(lambda: all((folder / name).read_bytes() == old for name, old in before.items()), "the old files")
    await cluster.settled()
    assert (await cluster.curl(ECOM, STOCK)).outcome == "connected"
