"""The store: revisions, history, ownership, deletion in one and two steps."""

import pytest

from meshtui.sandbox.apiserver.errors import ApiError
from meshtui.sandbox.apiserver.store import Store


@pytest.fixture
def store():
    made = Store()
    made.create("namespaces", {"metadata": {"name": "shop"}})
    return made


def pod(name, **metadata):
    return {"metadata": {"name": name, "namespace": "shop"} | metadata, "spec": {"a": 1}}


def owned_by(*owners):
    return [{"kind": "X", "name": o["metadata"]["name"], "uid": o["metadata"]["uid"]} for o in owners]


def test_every_write_has_a_higher_revision_than_the_last(store):
    revisions = [int(store.create("pods", pod(name))["metadata"]["resourceVersion"]) for name in "abc"]
    assert revisions == sorted(set(revisions))


def test_a_change_of_nothing_is_no_change(store):
    first = store.create("pods", pod("a"))
    assert store.update("pods", first | {"spec": {"a": 1}}) is first


def test_generation_counts_wishes_not_observations(store):
    first = store.create("pods", pod("a"))
    seen = store.update("pods", first | {"status": {"phase": "Running"}})
    assert seen["metadata"]["generation"] == 1
    assert store.update("pods", seen | {"spec": {"a": 2}})["metadata"]["generation"] == 2


def test_what_was_handed_out_is_never_edited(store):
    first = store.create("pods", pod("a"))
    store.update("pods", first | {"spec": {"a": 2}})
    assert first["spec"] == {"a": 1}
    assert store.get("pods", "shop", "a")["spec"] == {"a": 2}


def test_a_stale_write_is_a_conflict(store):
    first = store.create("pods", pod("a"))
    store.update("pods", first | {"spec": {"a": 2}})
    with pytest.raises(ApiError) as caught:
        store.update("pods", first | {"spec": {"a": 3}})
    assert caught.value.code == 409


def test_who_wrote_last_is_noted(store):
    first = store.create("pods", pod("a"), "kubectl")
    store.update("pods", first | {"spec": {"a": 2}}, "meshtui")
    managers = [f["manager"] for f in store.get("pods", "shop", "a")["metadata"]["managedFields"]]
    assert managers == ["kubectl", "meshtui"]


def test_history_replays_and_forgets(store):
    start = store.revision
    store.create("pods", pod("a"))
    store.delete("pods", "shop", "a")
    assert [change.type for change in store.since("pods", start)] == ["ADDED", "DELETED"]
    store.compact()
    with pytest.raises(ApiError) as caught:
        list(store.since("pods", start))
    assert caught.value.code == 410


def test_dependants_go_with_their_last_owner(store):
    one, two = store.create("pods", pod("one")), store.create("pods", pod("two"))
    store.create("pods", pod("child", ownerReferences=owned_by(one, two)))
    store.create("pods", pod("grandchild", ownerReferences=owned_by(store.get("pods", "shop", "child"))))
    store.delete("pods", "shop", "one")
    assert store.get("pods", "shop", "child")
    store.delete("pods", "shop", "two")
    assert store.list("pods") == []


def test_orphaned_dependants_stay_without_the_reference(store):
    owner = store.create("pods", pod("owner"))
    store.create("pods", pod("child", ownerReferences=owned_by(owner)))
    store.begin_delete("pods", "shop", "owner", None, orphan=True)
    assert store.get("pods", "shop", "child")["metadata"]["ownerReferences"] == []


def test_finalizers_hold_an_object_until_they_are_gone(store):
    store.create("pods", pod("a", finalizers=["x/y"]))
    store.begin_delete("pods", "shop", "a", 0, orphan=False)
    held = store.get("pods", "shop", "a")
    assert "deletionTimestamp" in held["metadata"]
    store.update("pods", held | {"metadata": held["metadata"] | {"finalizers": []}})
    assert store.get("pods", "shop", "a") is None


def test_deferred_kinds_are_marked_first(store):
    store.deferred.add("pods")
    store.create("pods", pod("a"))
    store.begin_delete("pods", "shop", "a", 30, orphan=False)
    assert store.get("pods", "shop", "a")["metadata"]["deletionGracePeriodSeconds"] == 30
    store.begin_delete("pods", "shop", "a", 0, orphan=False)
    assert store.get("pods", "shop", "a") is None


def test_lists_are_in_order_and_keep_to_their_namespace(store):
    store.create("namespaces", {"metadata": {"name": "shop-2"}})
    for name in ("b", "a"):
        store.create("pods", pod(name))
    store.create("pods", {"metadata": {"name": "z", "namespace": "shop-2"}})
    assert [p["metadata"]["name"] for p in store.list("pods", "shop")] == ["a", "b"]
    assert [p["metadata"]["name"] for p in store.list("pods")] == ["a", "b", "z"]


async def test_followers_see_changes_from_the_call_on(store):
    store.create("pods", pod("before"))
    events = store.events("pods")
    store.create("pods", pod("after"))
    store.create("services", {"metadata": {"name": "other", "namespace": "shop"}})
    store.delete("pods", "shop", "after")
    seen = [await anext(events), await anext(events)]
    assert [(e.type, e.plural, e.object["metadata"]["name"]) for e in seen] == [
        ("ADDED", "pods", "after"),
        ("DELETED", "pods", "after"),
    ]
