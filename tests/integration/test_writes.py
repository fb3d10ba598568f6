"""The one gate for changes: who may pass, what is deleted, and what is only asked."""

import contextlib

import pytest

from meshtui.model.errors import ClusterError, ForbiddenError, ReadOnlyError
from meshtui.sandbox.apiserver.server import running_api
from meshtui.settings import Settings
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.connection import connect
from meshtui.sources.kubernetes.writes import Access, Confirmation, Writes
from tests.fakes.snapshots import pod

PODS = "/api/v1/namespaces/shop/pods"
YES = Confirmation("a test")


@contextlib.asynccontextmanager
async def gate(objects=(), **settings):
    """The gate of an API server; with the server."""
    async with running_api(objects) as server:
        chosen = Settings(kubeconfig=str(server.kubeconfig), **settings)
        api = Api(connect(chosen), chosen.timeouts)
        try:
            yield server, Writes(api, chosen)
        finally:
            await api.close()


def names(server):
    return [obj["metadata"]["name"] for obj in server.store.list("pods")]


@pytest.mark.parametrize(
    ("settings", "confirmation"),
    [
        ({"read_only": True}, YES),
        ({"read_only_contexts": ("meshtui-*",)}, YES),
        ({}, None),
        ({}, Confirmation("")),
    ],
    ids=["read-only mode", "a read-only context", "not confirmed", "an empty yes"],
)
async def test_nothing_is_changed(settings, confirmation):
    async with gate([pod("shop/a")], **settings) as (server, writes):
        uid = server.store.get("pods", "shop", "a")["metadata"]["uid"]
        with pytest.raises(ReadOnlyError):
            await writes.create(PODS, pod("shop/b"), confirmation)
        with pytest.raises(ReadOnlyError):
            await writes.delete(f"{PODS}/a", uid, confirmation)
        assert names(server) == ["a"]
        assert writes.done == []


async def test_other_contexts_are_not_read_only():
    async with gate([pod("shop/a")], read_only_contexts=("prod-*",)) as (server, writes):
        await writes.create(PODS, pod("shop/b"), YES)
        assert names(server) == ["a", "b"]


async def test_what_was_done_is_written_down():
    async with gate([pod("shop/a")]) as (server, writes):
        made = await writes.create(PODS, pod("shop/b"), YES)
        assert await writes.delete(f"{PODS}/b", made["metadata"]["uid"], YES, grace_s=0) is True
        assert writes.done == [f"create {PODS}/b", f"delete {PODS}/b"]
        assert names(server) == ["a"]


async def test_an_object_that_took_anothers_name_is_left_alone():
    async with gate([pod("shop/a")]) as (server, writes):
        with pytest.raises(ClusterError):
            await writes.delete(f"{PODS}/a", "another-uid", YES)
        assert names(server) == ["a"]


async def test_gone_already():
    async with gate() as (_, writes):
        assert await writes.delete(f"{PODS}/gone", "u", YES) is False


async def test_the_servers_own_words_when_it_refuses():
    async with gate([pod("shop/a")]) as (server, writes):
        server.faults.set(forbidden=["create pods"])
        with pytest.raises(ForbiddenError) as caught:
            await writes.create(PODS, pod("shop/b"), YES)
        assert (caught.value.verb, caught.value.resource) == ("create", "pods in namespace shop")
        assert "forbidden" in caught.value.message
        server.faults.clear()
        with pytest.raises(ClusterError, match="already exists"):
            await writes.create(PODS, pod("shop/a"), YES)


async def test_asking_needs_no_yes_even_in_read_only_mode():
    async with gate(read_only=True) as (server, writes):
        assert (await writes.allowed(Access("create", "pods", "", "shop")))[0] is True
        server.faults.set(forbidden=["create pods"])
        assert (await writes.allowed(Access("create", "pods", "", "shop")))[0] is False
