"""Fixes on an API server: tried, applied, undone; what somebody else did in between is never written over."""

import contextlib

import pytest

from meshtui.model.errors import ClusterError, ForbiddenError, NotFoundError, ReadOnlyError
from meshtui.model.finding import Edit, Operation
from meshtui.model.ids import ObjectRef
from meshtui.sandbox.apiserver.server import running_api
from meshtui.settings import Settings
from meshtui.sources.edits import EditError, written
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.apply import ConflictError, apply, path_of, prepare, undo
from meshtui.sources.kubernetes.connection import connect
from meshtui.sources.kubernetes.writes import Confirmation, Writes
from tests.fakes.snapshots import namespace, policy

YES = Confirmation("a test")
REF = ObjectRef("NetworkPolicy", "shop", "db")
POLICY = policy(
    "shop/db",
    {
        "podSelector": {},
        "policyTypes": ["Ingress"],
        "ingress": [{"ports": [{"port": 1, "protocol": "TCP"}]}, {"ports": [{"port": 2, "protocol": "TCP"}]}],
    },
)
ADD = Edit(REF, (Operation("add", ("spec", "ingress", "-"), {"ports": [{"port": 15008, "protocol": "TCP"}]}),))
REMOVE = Edit(REF, (Operation("remove", ("spec", "ingress", 0)),))
LABEL = Edit(REF, (Operation("add", ("metadata", "labels", "team"), "blue"),))
CREATE = Edit(
    ObjectRef("NetworkPolicy", "shop", "new"),
    create=policy("shop/new", {"podSelector": {}, "policyTypes": ["Ingress"]}),
)


@contextlib.asynccontextmanager
async def cluster(**settings):
    async with running_api([namespace("shop"), POLICY]) as server:
        chosen = Settings(kubeconfig=str(server.kubeconfig), **settings)
        api = Api(connect(chosen), chosen.timeouts)
        try:
            yield server, api, Writes(api, chosen)
        finally:
            await api.close()


def stored(server, name="db"):
    return server.store.get("networkpolicies", "shop", name)


def edit(server, **labels):
    """Somebody else writes the object."""
    old = stored(server)
    server.store.update("networkpolicies", {**old, "metadata": {**old["metadata"], "labels": labels}}, "somebody")


@pytest.mark.parametrize("change", [ADD, REMOVE, LABEL, CREATE], ids=["a list item", "a removal", "a field", "a new object"])
async def test_applied_and_undone_it_is_as_it_was(change):
    async with cluster(write=True) as (server, api, writes):
        before = stored(server)
        prepared = await prepare(api, writes, change)
        assert (prepared.tried, prepared.said) == (True, "")
        assert stored(server) == before
        assert stored(server, "new") is None
        applied = await apply(writes, prepared, YES)
        there = stored(server, change.ref.name)
        assert written(there) == written(prepared.after)
        assert there["metadata"]["managedFields"][-1]["manager"] == "meshtui"
        await undo(api, writes, applied, YES)
        back = stored(server, change.ref.name)
        assert (back and written(back)) == (written(before) if change.create is None else None)
        assert len(writes.done) == 2


async def test_the_patch_is_what_the_object_becomes():
    async with cluster(write=True) as (server, api, writes):
        prepared = await prepare(api, writes, REMOVE)
        changed = [line[1:].strip() for line in prepared.diff.splitlines()[2:] if line.startswith(("-", "+"))]
        assert changed == ["- port: 1", "protocol: TCP", "- ports:"]
        await apply(writes, prepared, YES)
        assert stored(server)["spec"]["ingress"][0]["ports"][0]["port"] == 2


@pytest.mark.parametrize("change", [ADD, LABEL], ids=["replaced", "applied by the server"])
async def test_somebody_who_was_quicker_is_not_written_over(change):
    async with cluster(write=True) as (server, api, writes):
        prepared = await prepare(api, writes, change)
        edit(server, mine="1")
        with pytest.raises(ConflictError):
            await apply(writes, prepared, YES)
        assert stored(server)["metadata"]["labels"] == {"mine": "1"}


async def test_an_object_that_came_in_between_is_not_created_again():
    async with cluster(write=True) as (_, api, writes):
        prepared = await prepare(api, writes, CREATE)
        await apply(writes, await prepare(api, writes, CREATE), YES)
        with pytest.raises(ConflictError):
            await apply(writes, prepared, YES)


@pytest.mark.parametrize("change", [ADD, LABEL])
async def test_undo_refuses_when_somebody_changed_it_since(change):
    async with cluster(write=True) as (server, api, writes):
        applied = await apply(writes, await prepare(api, writes, change), YES)
        edit(server, theirs="1")
        with pytest.raises(ConflictError) as caught:
            await undo(api, writes, applied, YES)
        assert "changed by somebody else since" in str(caught.value)
        assert stored(server)["metadata"]["labels"] == {"theirs": "1"}


async def test_undo_does_not_make_again_what_was_deleted():
    async with cluster(write=True) as (server, api, writes):
        applied = await apply(writes, await prepare(api, writes, ADD), YES)
        server.store.delete("networkpolicies", "shop", "db")
        with pytest.raises(ConflictError):
            await undo(api, writes, applied, YES)
        assert stored(server) is None


async def test_undo_of_a_creation_leaves_an_object_that_somebody_made_his_own():
    async with cluster(write=True) as (server, api, writes):
        applied = await apply(writes, await prepare(api, writes, CREATE), YES)
        old = stored(server, "new")
        server.store.update("networkpolicies", {**old, "spec": {**old["spec"], "podSelector": {"matchLabels": {"a": "b"}}}})
        with pytest.raises(ConflictError):
            await undo(api, writes, applied, YES)
        assert stored(server, "new") is not None


@pytest.mark.parametrize(
    ("settings", "confirmation"),
    [({}, YES), ({"write": True, "read_only": True}, YES), ({"write": True}, None), ({"write": True}, Confirmation(""))],
    ids=["without --write", "read-only wins", "not confirmed", "an empty yes"],
)
async def test_nothing_is_applied_but_the_patch_can_be_tried(settings, confirmation):
    async with cluster(**settings) as (server, api, writes):
        before = stored(server)
        prepared = await prepare(api, writes, ADD)
        if settings.get("read_only"):
            assert (prepared.tried, prepared.said) == (False, "nothing is sent: read-only mode")
        else:
            assert (prepared.tried, prepared.said) == (True, "")
        with pytest.raises(ReadOnlyError):
            await apply(writes, prepared, confirmation)
        assert stored(server) == before
        assert writes.done == []


async def test_a_patch_that_the_server_refuses_says_its_words():
    async with cluster(write=True) as (_, api, writes):
        nonsense = Edit(REF, (Operation("replace", ("metadata", "name"), "another"),))
        prepared = await prepare(api, writes, nonsense)
        assert prepared.tried
        assert "does not match the name on the URL" in prepared.said


async def test_who_may_not_even_try_is_told_which_verb_is_missing():
    async with cluster(write=True) as (server, api, writes):
        server.faults.set(forbidden=["update networkpolicies"])
        prepared = await prepare(api, writes, ADD)
        assert not prepared.tried
        assert "update" in prepared.said
        with pytest.raises(ForbiddenError):
            await apply(writes, prepared, YES)


async def test_what_is_gone_or_no_longer_fits_is_said():
    async with cluster(write=True) as (_, api, writes):
        with pytest.raises(NotFoundError):
            await prepare(api, writes, Edit(ObjectRef("NetworkPolicy", "shop", "gone"), ADD.operations))
        with pytest.raises(EditError):
            await prepare(api, writes, Edit(REF, (Operation("remove", ("spec", "egress", 0)),)))


def test_a_name_can_not_lead_elsewhere():
    assert path_of(ObjectRef("NetworkPolicy", "a", "../x")).endswith("/namespaces/a/networkpolicies/..%2Fx")


async def test_errors_other_than_conflicts_stay_what_they_are():
    async with cluster(write=True) as (server, api, writes):
        prepared = await prepare(api, writes, ADD)
        server.faults.set(forbidden=["update networkpolicies"])
        with pytest.raises(ClusterError) as caught:
            await apply(writes, prepared, YES)
        assert not isinstance(caught.value, ConflictError)
