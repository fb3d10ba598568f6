"""The API server through real TLS sockets: lists, watches, patches, refusals and faults."""

import asyncio
import base64
import json
import ssl
import time
from contextlib import asynccontextmanager

import httpx
import pytest
import yaml

from meshtui.sandbox.apiserver.auth import User
from meshtui.sandbox.apiserver.server import running_api

PODS = "/api/v1/namespaces/shop/pods"


def pod(name, namespace="shop", **labels):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "spec": {"nodeName": "sandbox-a", "containers": [{"name": "main", "image": "demo:1"}]},
        "status": {"phase": "Running"},
    }


def tls_of(api, folder):
    user = yaml.safe_load(api.kubeconfig.read_text())["users"][0]["user"]
    pem = folder / "client.pem"
    pem.write_bytes(b"".join(base64.b64decode(user[f"client-{part}-data"]) for part in ("certificate", "key")))
    context = ssl.create_default_context(cafile=str(api.pki.ca_certificate))
    context.load_cert_chain(pem)
    return context


def trust(api):
    return ssl.create_default_context(cafile=str(api.pki.ca_certificate))


@asynccontextmanager
async def server(tmp_path, objects=()):
    tokens = {"readers-token": User("reader", ("readers",))}
    async with (
        running_api(objects, tokens=tokens) as api,
        httpx.AsyncClient(verify=tls_of(api, tmp_path), base_url=api.url, timeout=20) as client,
    ):
        yield api, client


async def test_pages_carry_the_first_pages_revision(tmp_path):
    async with server(tmp_path, [pod(f"p-{i:03}") for i in range(25)]) as (_, client):
        names, revisions, token = [], set(), None
        while token != "":
            params = {"limit": 10} | ({"continue": token} if token else {})
            page = (await client.get("/api/v1/pods", params=params)).json()
            names += [item["metadata"]["name"] for item in page["items"]]
            revisions.add(page["metadata"]["resourceVersion"])
            token = page["metadata"].get("continue", "")
        assert names == [f"p-{i:03}" for i in range(25)]
        assert len(revisions) == 1


@pytest.mark.parametrize(
    ("selector", "expected"),
    [
        ("app=a", "1"),
        ("app!=a", "234"),
        ("app in (a,b)", "12"),
        ("app notin (a)", "234"),
        ("tier", "23"),
        ("!tier", "14"),
        ("app=b,tier=x", "2"),
        ("", "1234"),
    ],
)
async def test_label_selectors(tmp_path, selector, expected):
    objects = [pod("1", app="a"), pod("2", app="b", tier="x"), pod("3", tier="y"), pod("4")]
    async with server(tmp_path, objects) as (_, client):
        answer = await client.get(PODS, params={"labelSelector": selector})
        assert "".join(item["metadata"]["name"] for item in answer.json()["items"]) == expected


async def test_field_selectors(tmp_path):
    async with server(tmp_path, [pod("a"), pod("b")]) as (_, client):
        answer = await client.get(PODS, params={"fieldSelector": "metadata.name=b,spec.nodeName=sandbox-a"})
        assert [item["metadata"]["name"] for item in answer.json()["items"]] == ["b"]
        refused = await client.get(PODS, params={"fieldSelector": "spec.colour=red"})
        assert refused.status_code == 400


async def events(client, path, count, **params):
    found = []
    async with client.stream("GET", path, params={"watch": "1"} | params) as stream:
        async for line in stream.aiter_lines():
            found.append(json.loads(line))
            if len(found) == count:
                break
    return found


async def test_a_watch_replays_what_came_after_its_revision(tmp_path):
    async with server(tmp_path, [pod("a")]) as (api, client):
        revision = (await client.get(PODS)).json()["metadata"]["resourceVersion"]
        api.add(pod("b"))
        api.store.delete("pods", "shop", "a")
        found = await events(client, PODS, 2, resourceVersion=revision)
        assert [(e["type"], e["object"]["metadata"]["name"]) for e in found] == [("ADDED", "b"), ("DELETED", "a")]


async def test_an_object_that_leaves_a_selection_is_deleted_for_the_watch(tmp_path):
    async with server(tmp_path, [pod("a", app="x")]) as (api, client):
        revision = (await client.get(PODS)).json()["metadata"]["resourceVersion"]
        api.add(pod("a", app="y"))
        api.add(pod("a", app="x"))
        found = await events(client, PODS, 2, resourceVersion=revision, labelSelector="app=x")
        assert [e["type"] for e in found] == ["DELETED", "ADDED"]


async def test_a_watch_from_forgotten_history_gets_410(tmp_path):
    async with server(tmp_path, [pod("a")]) as (api, client):
        page = (await client.get(PODS, params={"limit": 0})).json()
        api.faults.compact()
        (found,) = await events(client, PODS, 1, resourceVersion=page["metadata"]["resourceVersion"])
        assert (found["type"], found["object"]["code"], found["object"]["reason"]) == ("ERROR", 410, "Expired")


async def test_a_watch_ends_with_a_bookmark_when_its_time_is_over(tmp_path):
    async with server(tmp_path, [pod("a")]) as (api, client):
        found = await events(
            client, PODS, 99, resourceVersion=str(api.store.revision), timeoutSeconds="1", allowWatchBookmarks="true"
        )
        assert [e["type"] for e in found][-1] == "BOOKMARK"
        assert found[-1]["object"]["metadata"]["resourceVersion"] == str(api.store.revision)


async def test_a_cut_watch_breaks_off(tmp_path):
    async with server(tmp_path, [pod("a")]) as (api, client), client.stream("GET", PODS, params={"watch": "1"}) as stream:
        lines = stream.aiter_lines()
        assert json.loads(await anext(lines))["type"] == "ADDED"
        api.faults.cut_watches()
        with pytest.raises(httpx.RemoteProtocolError):
            await anext(lines)


async def test_a_storm_of_changes_reaches_the_watch_in_order(tmp_path):
    async with server(tmp_path, [pod(f"p-{i}") for i in range(50)]) as (api, client):
        revision = str(api.store.revision)
        watching = asyncio.create_task(events(client, PODS, 2000, resourceVersion=revision))
        for i in range(2000):
            old = api.store.get("pods", "shop", f"p-{i % 50}")
            api.store.update("pods", old | {"status": {"phase": "Running", "message": str(i)}})
        found = await watching
        assert [e["object"]["status"]["message"] for e in found] == [str(i) for i in range(2000)]


async def test_nobody_gets_in_without_credentials(tmp_path):
    async with server(tmp_path) as (api, _), httpx.AsyncClient(verify=trust(api), base_url=api.url) as anonymous:
        assert (await anonymous.get(PODS)).status_code == 401
        assert (await anonymous.get("/readyz")).text == "ok"
        wrong = await anonymous.get(PODS, headers={"Authorization": "Bearer nonsense"})
        assert wrong.status_code == 401


async def test_roles_decide_what_a_token_may_do(tmp_path):
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "Role",
        "metadata": {"name": "pods", "namespace": "shop"},
        "rules": [{"apiGroups": [""], "resources": ["pods", "pods/log"], "verbs": ["get", "list"]}],
    }
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "pods", "namespace": "shop"},
        "subjects": [{"kind": "Group", "name": "readers"}],
        "roleRef": {"kind": "Role", "name": "pods"},
    }
    async with server(tmp_path, [pod("a"), role, binding]) as (api, _):
        headers = {"Authorization": "Bearer readers-token"}
        async with httpx.AsyncClient(verify=trust(api), base_url=api.url, headers=headers) as reader:
            assert (await reader.get(PODS)).status_code == 200
            refused = (await reader.get("/api/v1/pods")).json()
            assert refused["message"] == (
                'pods is forbidden: User "reader" cannot list resource "pods" in API group "" at the cluster scope'
            )
            refused = (await reader.delete(f"{PODS}/a")).json()
            assert refused["message"] == (
                'pods "a" is forbidden: User "reader" cannot delete resource "pods" in API group "" in the namespace "shop"'
            )
            asked = {
                "spec": {"resourceAttributes": {"verb": "get", "resource": "pods", "subresource": "log", "namespace": "shop"}}
            }
            answer = await reader.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json=asked)
            assert answer.json()["status"]["allowed"] is True


async def test_a_service_account_token_speaks_for_its_account(tmp_path):
    async with server(tmp_path, [pod("a")]) as (api, client):
        api.add({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "bot", "namespace": "shop"}})
        made = await client.post("/api/v1/namespaces/shop/serviceaccounts/bot/token", json={"spec": {}})
        headers = {"Authorization": f"Bearer {made.json()['status']['token']}"}
        async with httpx.AsyncClient(verify=trust(api), base_url=api.url, headers=headers) as bot:
            answer = await bot.post("/apis/authentication.k8s.io/v1/selfsubjectreviews", json={})
            assert answer.json()["status"]["userInfo"]["username"] == "system:serviceaccount:shop:bot"
            assert (await bot.get(PODS)).status_code == 403


async def test_a_stale_resource_version_is_a_conflict(tmp_path):
    async with server(tmp_path, [pod("a")]) as (_, client):
        first = (await client.get(f"{PODS}/a")).json()
        first["metadata"]["labels"] = {"x": "1"}
        assert (await client.put(f"{PODS}/a", json=first)).status_code == 200
        again = await client.put(f"{PODS}/a", json=first)
        assert (again.status_code, again.json()["reason"]) == (409, "Conflict")


@pytest.mark.parametrize(
    ("path", "body", "code", "reason"),
    [
        (PODS, pod("a"), 409, "AlreadyExists"),
        (PODS, pod("Bad_Name"), 422, "Invalid"),
        (PODS, pod("x", "other"), 400, "BadRequest"),
        ("/api/v1/namespaces/none/pods", pod("x", "none"), 404, "NotFound"),
        ("/apis/apps/v1/namespaces/shop/things", {}, 404, "NotFound"),
        (PODS, [], 400, "BadRequest"),
    ],
)
async def test_refusals_are_statuses(tmp_path, path, body, code, reason):
    async with server(tmp_path, [pod("a")]) as (_, client):
        answer = await client.post(path, json=body)
        assert (answer.status_code, answer.json()["kind"], answer.json()["reason"]) == (code, "Status", reason)


async def test_dry_run_stores_nothing(tmp_path):
    async with server(tmp_path) as (api, client):
        api.add({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}})
        before = api.store.revision
        answer = await client.post(PODS, json=pod("x"), params={"dryRun": "All"})
        assert answer.status_code == 201
        assert api.store.get("pods", "shop", "x") is None
        assert api.store.revision == before


async def test_delete_honours_preconditions(tmp_path):
    async with server(tmp_path, [pod("a")]) as (api, client):
        body = json.dumps({"preconditions": {"uid": "another"}})
        refused = await client.request("DELETE", f"{PODS}/a", content=body)
        assert refused.status_code == 409
        assert (await client.delete(f"{PODS}/a")).status_code == 200
        assert api.store.get("pods", "shop", "a") is None


async def test_older_versions_are_served_and_kept_as_the_newest(tmp_path):
    policy = {"apiVersion": "security.istio.io/v1beta1", "kind": "AuthorizationPolicy"}
    policy |= {"metadata": {"name": "p", "namespace": "shop"}, "spec": {"rules": [{}]}}
    async with server(tmp_path, [policy]) as (_, client):
        for version in ("v1", "v1beta1"):
            path = f"/apis/security.istio.io/{version}/namespaces/shop/authorizationpolicies"
            answer = (await client.get(path)).json()
            assert answer["apiVersion"] == answer["items"][0]["apiVersion"] == f"security.istio.io/{version}"


async def test_logs_are_followed_and_cut_by_the_query(tmp_path):
    async with server(tmp_path, [pod("a")]) as (api, client):
        uid = api.store.get("pods", "shop", "a")["metadata"]["uid"]
        for i in range(5):
            api.logs.append(uid, f"line {i}")
        assert (await client.get(f"{PODS}/a/log", params={"tailLines": 2})).text == "line 3\nline 4\n"
        stamped = (await client.get(f"{PODS}/a/log", params={"tailLines": 1, "timestamps": "true"})).text
        assert stamped.endswith("Z line 4\n")
        since = stamped.split(" ")[0]
        api.logs.append(uid, "line 5")
        assert "line 5" in (await client.get(f"{PODS}/a/log", params={"sinceTime": since})).text
        assert "line 0" not in (await client.get(f"{PODS}/a/log", params={"sinceTime": since})).text
        previous = await client.get(f"{PODS}/a/log", params={"previous": "true"})
        assert previous.status_code == 400
        async with client.stream("GET", f"{PODS}/a/log", params={"follow": "true", "tailLines": 0}) as stream:
            api.logs.append(uid, "fresh")
            assert await anext(stream.aiter_lines()) == "fresh"


async def test_faults_through_the_api(tmp_path):
    async with server(tmp_path, [pod("a")]) as (_, client):

        async def faults(**body):
            assert (await client.post("/_sandbox/faults", json=body)).status_code == 200

        await faults(set={"error": 500})
        assert (await client.get(PODS)).status_code == 500
        await faults(clear=True, set={"too_many": 1, "retry_after_s": 7})
        answer = await client.get(PODS)
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "7")
        assert (await client.get(PODS)).status_code == 200
        await faults(clear=True, set={"hidden": ["httproutes"]})
        assert (await client.get("/apis/gateway.networking.k8s.io/v1/httproutes")).status_code == 404
        served = (await client.get("/apis/gateway.networking.k8s.io/v1")).json()["resources"]
        assert "httproutes" not in [row["name"] for row in served]
        await faults(clear=True, set={"forbidden": ["list pods"]})
        assert (await client.get(PODS)).status_code == 403
        await faults(clear=True, set={"unauthorized_after_s": 0})
        assert (await client.get(PODS)).status_code == 401


async def test_stopping_ends_open_watches_quickly(tmp_path):
    seen = asyncio.Queue()
    async with running_api([pod("a")]) as api:
        client = httpx.AsyncClient(verify=tls_of(api, tmp_path), base_url=api.url, timeout=20)

        async def follow():
            async with client.stream("GET", PODS, params={"watch": "true"}) as response:
                async for line in response.aiter_lines():
                    seen.put_nowait(json.loads(line)["type"])

        watching = asyncio.create_task(follow())
        assert await asyncio.wait_for(seen.get(), 20) == "ADDED"
    await asyncio.wait({watching}, timeout=20)
    assert watching.done()
    watching.exception()
    assert seen.empty()
    await client.aclose()


async def test_the_kubeconfig_is_closed_to_others():
    async with running_api() as api:
        assert api.kubeconfig.stat().st_mode & 0o777 == 0o600
        assert time.time() - api.kubeconfig.stat().st_mtime < 60


async def test_server_side_apply_removes_what_its_manager_leaves_out(tmp_path):
    def config(**data):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "shop"}, "data": data}

    async with server(tmp_path, [pod("a")]) as (api, client):
        path = "/api/v1/namespaces/shop/configmaps/c"
        headers = {"content-type": "application/apply-patch+yaml"}

        async def apply(manager, **data):
            body = json.dumps(config(**data))
            answer = await client.patch(path, params={"fieldManager": manager}, headers=headers, content=body)
            return answer.status_code

        assert await apply("one", a="1", b="2") == 201
        assert await apply("two", c="3") == 200
        assert await apply("one", a="1") == 200
        assert api.store.get("configmaps", "shop", "c")["data"] == {"a": "1", "c": "3"}


async def test_a_list_can_be_watched_at_once(tmp_path):
    async with server(tmp_path, [pod("a"), pod("b")]) as (_, client):
        found = await events(client, PODS, 3, sendInitialEvents="true", allowWatchBookmarks="true")
        assert [e["type"] for e in found] == ["ADDED", "ADDED", "BOOKMARK"]
        assert found[-1]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_services_get_addresses_and_node_ports(tmp_path):
    async with server(tmp_path, [pod("a")]) as (api, _):

        def service(name, **spec):
            ports = [{"port": 80, "targetPort": 8080}]
            metadata = {"name": name, "namespace": "shop"}
            return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports} | spec}

        plain, headless = api.add(service("plain")), api.add(service("headless", clusterIP="None"))
        node = api.add(service("node", type="NodePort"))
        assert plain["spec"]["clusterIP"].startswith("10.96.")
        assert headless["spec"]["clusterIP"] == "None"
        assert 30000 <= node["spec"]["ports"][0]["nodePort"] <= 32767
        again = api.add(service("plain", selector={"a": "b"}))
        assert again["spec"]["clusterIP"] == plain["spec"]["clusterIP"]
