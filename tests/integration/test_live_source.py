"""The live source on a real API server through real sockets: what arrives, and what never flickers."""

import asyncio
from datetime import UTC, datetime
from itertools import groupby

from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import KindStatus
from meshtui.sandbox.apiserver.server import running_api
from meshtui.settings import Settings
from meshtui.sources.kubernetes.api import LISTS_AT_ONCE, Api
from meshtui.sources.kubernetes.live import LiveSource
from tests.fakes.live import following, relayed, status, synced
from tests.fakes.snapshots import pod, policy


def names(snapshot):
    return sorted(p.name for p in snapshot.pods.values())


def labels(snapshot, name="web"):
    return next((dict(p.labels) for p in snapshot.pods.values() if p.name == name), {})


async def test_the_first_snapshot_and_a_label_change():
    async with running_api([pod("shop/web", "10.0.0.1")]) as api, following(api.kubeconfig) as followed:
        first = await followed.until(synced)
        assert names(first) == ["web"]
        assert first.live
        assert followed.source.label.user == "admin"
        api.add(pod("shop/web", "10.0.0.1", labels={"app": "web", "stage": "new"}))
        changed = await followed.until(lambda s: "stage" in labels(s))
        assert changed.services is first.services, "a kind that didn't change is the very same mapping"
        assert changed.pods is not first.pods


async def test_only_some_lists_are_read_at_once(monkeypatch):
    asked, most, get = 0, 0, Api.get

    async def counted(self, path, params=None):
        nonlocal asked, most
        asked += 1
        most = max(most, asked)
        try:
            return await get(self, path, params)
        finally:
            asked -= 1

    monkeypatch.setattr(Api, "get", counted)
    async with running_api([pod("shop/web")]) as api:
        api.faults.set(delay_s=0.05)
        source = LiveSource(Settings(kubeconfig=str(api.kubeconfig)))
        try:
            assert names(await source.snapshot()) == ["web"]
        finally:
            await source.close()
    assert LISTS_AT_ONCE <= most < LISTS_AT_ONCE + 5, "beside lists, settings of the mesh and of the CNI are read"


async def test_a_list_of_many_pages_waits_for_its_turn_once(monkeypatch):
    """With one list at once, the pages of one list follow each other: no other list comes in between."""
    asked, get = [], Api.get

    async def noted(self, path, params=None):
        if params and "limit" in params and "labelSelector" not in params:
            asked.append(path)
        return await get(self, path, params)

    monkeypatch.setattr(Api, "get", noted)
    monkeypatch.setattr("meshtui.sources.kubernetes.api.LISTS_AT_ONCE", 1)
    async with running_api([pod(f"shop/web-{n}") for n in range(1200)]) as api:
        source = LiveSource(Settings(kubeconfig=str(api.kubeconfig)))
        try:
            assert len((await source.snapshot()).pods) == 1200
        finally:
            await source.close()
    turns = [path for path, _ in groupby(asked)]
    assert asked.count("/api/v1/pods") == 3
    assert turns.count("/api/v1/pods") == 1


async def test_additions_and_deletions_arrive():
    async with running_api([pod("shop/web")]) as api, following(api.kubeconfig) as followed:
        await followed.until(synced)
        api.add(pod("shop/api"))
        await followed.until(lambda s: names(s) == ["api", "web"])
        api.store.delete("pods", "shop", "web")
        await followed.until(lambda s: names(s) == ["api"])


async def test_a_snapshot_is_never_edited_after_it_was_published():
    async with running_api([pod("shop/web")]) as api, following(api.kubeconfig) as followed:
        first = await followed.until(synced)
        api.add(pod("shop/api"))
        await followed.until(lambda s: len(s.pods) == 2)
        assert names(first) == ["web"]


async def test_a_cut_watch_resumes_where_it_was_without_a_new_list_or_a_flicker():
    async with running_api([pod("shop/web")]) as api, following(api.kubeconfig) as followed:
        await followed.until(synced)
        seen = len(followed.snapshots)
        api.faults.set(forbidden=["list pods"])  # a new list would show
        api.faults.cut_watches()
        api.add(pod("shop/during"))
        await followed.until(lambda s: "during" in names(s))
        api.add(pod("shop/after"))
        await followed.until(lambda s: "after" in names(s))
        assert {status(s) for s in followed.snapshots[seen:]} == {KindStatus.SYNCED}


async def test_what_changed_while_nobody_watched_is_read_anew():
    async with running_api([pod("shop/web"), pod("shop/old")]) as api, following(api.kubeconfig) as followed:
        await followed.until(synced)
        api.faults.set(forbidden=["watch pods"])
        api.faults.cut_watches()
        await followed.until(lambda s: status(s) is not KindStatus.SYNCED)
        api.store.delete("pods", "shop", "old")
        api.add(pod("shop/new"))
        api.faults.compact()
        api.faults.clear()
        followed.source.retry_now()
        await followed.until(lambda s: names(s) == ["new", "web"] and status(s) is KindStatus.SYNCED)


async def test_410_on_an_open_watch_relists_without_an_empty_snapshot():
    objects = [pod("shop/web"), policy("shop/p", "podSelector: {}")]
    async with running_api(objects) as api, following(api.kubeconfig) as followed:
        await followed.until(synced)
        seen = len(followed.snapshots)
        api.faults.compact()
        api.faults.cut_watches()
        api.add(pod("shop/new"))
        await followed.until(lambda s: "new" in names(s))
        later = followed.snapshots[seen:]
        assert all("web" in names(s) for s in later)
        assert all(s.network_policies for s in later)
        assert {status(s) for s in later} == {KindStatus.SYNCED}


async def test_429_waits_as_long_as_the_server_asks():
    async with running_api([pod("shop/web")]) as api:
        api.faults.set(too_many=-1, retry_after_s=17, only=["pods"])
        async with following(api.kubeconfig) as followed:
            waiting = await followed.until(lambda s: s.kind_state("Pod").retry_at is not None)
            state = waiting.kind_state("Pod")
            assert state.status is KindStatus.UNREACHABLE
            assert 5 < (state.retry_at - datetime.now(UTC)).total_seconds() <= 17
            assert "too many requests" in state.message
            await followed.until(lambda s: synced(s, but=["Pod"]))
            api.faults.clear()
            followed.source.retry_now()
            await followed.until(synced)
            assert names(followed.last) == ["web"]


async def test_an_error_of_the_server_is_stale_and_heals():
    async with running_api([pod("shop/web")]) as api, following(api.kubeconfig) as followed:
        await followed.until(synced)
        api.faults.set(error=500, only=["pods"])
        api.faults.cut_watches()
        stale = await followed.until(lambda s: status(s) is KindStatus.STALE)
        assert names(stale) == ["web"], "what was known stays"
        assert stale.kind_state("Pod").since is not None
        assert "500" in stale.kind_state("Pod").message
        assert status(stale, "NetworkPolicy") is not KindStatus.STALE
        api.faults.clear()
        await followed.until(synced)


async def test_an_expired_session_and_a_new_login():
    async with running_api([pod("shop/web")]) as api, following(api.kubeconfig) as followed:
        await followed.until(synced)
        api.faults.set(unauthorized_after_s=0)
        api.faults.cut_watches()
        expired = await followed.until(lambda s: status(s) is KindStatus.EXPIRED)
        assert names(expired) == ["web"]
        assert "credentials" in expired.kind_state("Pod").message
        api.faults.clear()
        followed.source.retry_now()
        await followed.until(synced)


async def test_a_forbidden_kind_says_which_verb_on_what_and_the_others_work():
    async with running_api([pod("shop/web"), policy("shop/p", "podSelector: {}")]) as api:
        api.faults.set(forbidden=["list networkpolicies"])
        async with following(api.kubeconfig) as followed:
            snapshot = await followed.until(lambda s: synced(s, but=["NetworkPolicy"]) and s.kind_state("NetworkPolicy").verb)
            state = snapshot.kind_state("NetworkPolicy")
            assert (state.status, state.verb) == (KindStatus.FORBIDDEN, "list")
            assert "networkpolicies" in state.message
            assert names(snapshot) == ["web"]
            api.faults.clear()
            followed.source.retry_now()
            await followed.until(lambda s: len(s.network_policies) == 1)


async def test_a_kind_that_is_not_installed_and_then_is():
    async with running_api([pod("shop/web")]) as api:
        api.faults.set(hidden=["authorizationpolicies"])
        async with following(api.kubeconfig) as followed:
            snapshot = await followed.until(lambda s: status(s, "AuthorizationPolicy") is KindStatus.NOT_INSTALLED)
            assert "authorizationpolicies.security.istio.io" in snapshot.kind_state("AuthorizationPolicy").message
            await followed.until(synced)
            api.faults.clear()
            followed.source.retry_now()
            await followed.until(lambda s: status(s, "AuthorizationPolicy") is KindStatus.SYNCED)


async def test_a_server_that_goes_away_and_comes_back(tmp_path):
    async with (
        running_api([pod("shop/web")]) as api,
        relayed(api, tmp_path) as (relay, kubeconfig),
        following(kubeconfig) as followed,
    ):
        await followed.until(synced)
        await relay.down()
        stale = await followed.until(lambda s: status(s) is KindStatus.STALE)
        assert names(stale) == ["web"]
        assert stale.kind_state("Pod").retry_at is not None
        assert f"127.0.0.1:{relay.port}" in stale.kind_state("Pod").message
        api.add(pod("shop/meanwhile"))
        await relay.up()
        followed.source.retry_now()
        await followed.until(lambda s: synced(s) and names(s) == ["meanwhile", "web"])


async def test_a_server_that_is_not_there_at_first(tmp_path):
    async with running_api([pod("shop/web")]) as api, relayed(api, tmp_path) as (relay, kubeconfig):
        await relay.down()
        async with following(kubeconfig) as followed:
            snapshot = await followed.until(lambda s: status(s) is KindStatus.UNREACHABLE)
            assert snapshot.kind_state("Pod").retry_at is not None
            await relay.up()
            followed.source.retry_now()
            await followed.until(synced)


async def test_an_object_of_another_shape_is_a_problem_and_the_others_stay():
    async with running_api([pod("shop/web"), pod("shop/api")]) as api, following(api.kubeconfig) as followed:
        await followed.until(synced)
        broken = pod("shop/api") | {"spec": {"containers": "none"}}
        api.add(broken)
        snapshot = await followed.until(lambda s: s.problems != ())
        assert names(snapshot) == ["web"]
        assert "containers" in snapshot.problems[0].path
        api.add(pod("shop/api"))
        healed = await followed.until(lambda s: s.problems == ())
        assert names(healed) == ["api", "web"]


async def test_ten_thousand_pods_come_in_pages():
    many = [pod(f"shop/p-{i:05}", f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}") for i in range(10_000)]
    async with running_api(many) as api, following(api.kubeconfig) as followed:
        snapshot = await followed.until(lambda s: status(s) is KindStatus.SYNCED, 120)
        assert len({p.name for p in snapshot.pods.values()}) == 10_000
        assert [len(s.pods) for s in followed.snapshots] == sorted(len(s.pods) for s in followed.snapshots)


async def test_how_much_is_still_to_come_is_known_while_pages_come():
    many = [pod(f"shop/p-{i:04}", f"10.0.{i >> 8 & 255}.{i & 255}") for i in range(1_200)]
    seen = []
    async with running_api(many) as api:
        source = LiveSource(Settings(kubeconfig=str(api.kubeconfig)))
        reading = asyncio.create_task(source.snapshot())
        while not reading.done():
            seen.append(source.progress())
            await asyncio.sleep(0)
        await reading
        assert source.progress()[1] == 0
        await source.close()
    remaining = {left for _, left in seen}
    assert {700, 200} <= remaining


async def test_manifest_and_logs():
    async with running_api([pod("shop/web")]) as api, following(api.kubeconfig) as followed:
        await followed.until(synced)
        text = await followed.source.manifest(ObjectRef("Pod", "shop", "web"))
        assert "name: web" in text
        assert "managedFields" not in text


async def test_a_namespaced_user_sees_the_namespace_that_is_named(tmp_path):
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "r", "namespace": "shop"},
        "rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "r", "namespace": "shop"},
        "subjects": [{"kind": "User", "name": "dev"}],
        "roleRef": {"kind": "Role", "name": "r", "apiGroup": "rbac.authorization.k8s.io"},
    }
    async with running_api([pod("shop/web"), pod("back/db"), role, binding]) as api:
        async with following(api.kubeconfig, impersonate="dev", namespace="shop") as followed:
            snapshot = await followed.until(lambda s: status(s) is KindStatus.SYNCED)
            assert names(snapshot) == ["web"]
            assert snapshot.kind_state("Pod").scope == "shop"
            nodes = await followed.until(lambda s: status(s, "Node") is KindStatus.FORBIDDEN)
            assert "nodes" in nodes.kind_state("Node").message
        async with following(api.kubeconfig, impersonate="dev") as followed:
            snapshot = await followed.until(lambda s: status(s) is KindStatus.FORBIDDEN)
            assert "dev" in snapshot.kind_state("Pod").message


async def test_the_first_thing_that_is_known_is_published_and_then_at_most_four_a_second():
    async with running_api([pod("shop/web")]) as api, following(api.kubeconfig) as followed:
        await followed.until(synced)
        before = len(followed.snapshots)
        loop = asyncio.get_running_loop()
        started = loop.time()
        for number in range(200):
            api.add(pod(f"shop/p{number}"))
            await asyncio.sleep(0)
        await followed.until(lambda s: len(s.pods) == 201)
        allowed = 2 + (loop.time() - started) / 0.25
        assert len(followed.snapshots) - before <= allowed
