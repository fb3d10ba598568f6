"""Who we are and where the cluster is: kubeconfigs, contexts, tokens, certificates; and servers that talk nonsense."""

import asyncio
import base64
import contextlib
import json
import os
import stat
import sys
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from meshtui.model.errors import ConfigError
from meshtui.model.snapshot import KindStatus
from meshtui.sandbox.apiserver.auth import User
from meshtui.sandbox.apiserver.server import running_api
from meshtui.sandbox.pki import Pki
from meshtui.settings import Settings
from meshtui.sources.kubernetes.connection import connect
from tests.fakes.live import edited, following, status, synced
from tests.fakes.snapshots import pod

ADMIN = User("token-admin", ("system:masters",))


def plugin(folder, body):
    """An exec plugin: a program of its own that prints what ``body`` computes as ``status``."""
    path = folder / "plugin"
    path.write_text(
        f"#!{sys.executable}\nimport json, pathlib, sys\nstatus = {body}\n"
        'print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))\n'
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(path), "interactiveMode": "Never"}
    return {"exec": command}


async def test_a_token(tmp_path):
    async with running_api([pod("shop/web")], tokens={"secret": ADMIN}) as api:
        async with following(edited(api.kubeconfig, tmp_path / "k", user={"token": "secret"})) as followed:
            await followed.until(synced)
        async with following(edited(api.kubeconfig, tmp_path / "k", user={"token": "wrong"})) as followed:
            await followed.until(lambda s: status(s) is KindStatus.EXPIRED)


async def test_an_exec_plugins_token(tmp_path):
    async with running_api([pod("shop/web")], tokens={"fresh": ADMIN}) as api:
        user = plugin(tmp_path, '{"token": "fresh"}')
        async with following(edited(api.kubeconfig, tmp_path / "k", user=user)) as followed:
            await followed.until(synced)


async def test_an_exec_plugin_is_asked_again_when_its_token_has_expired(tmp_path):
    token = tmp_path / "token"
    token.write_text("one")
    past = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    user = plugin(tmp_path, f'{{"token": pathlib.Path({str(token)!r}).read_text(), "expirationTimestamp": {past!r}}}')
    async with running_api([pod("shop/web")], tokens={"one": ADMIN}) as api:
        kubeconfig = edited(api.kubeconfig, tmp_path / "k", user=user)
        async with following(kubeconfig) as followed:
            await followed.until(synced)
            token.write_text("two")
            api.tokens.clear()
            api.tokens["two"] = ADMIN
            api.faults.cut_watches()
            api.add(pod("shop/later"))
            await followed.until(lambda s: synced(s) and len(s.pods) == 2)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("sys.exit('no session: run corp-login')", "no session: run corp-login"),
        ("{}", "missing token"),
        ("open('/gone')", "/gone"),
    ],
    ids=["it exits", "it gives nothing", "it crashes"],
)
async def test_an_exec_plugin_that_fails_says_so(tmp_path, capfd, body, says):
    async with running_api() as api:
        kubeconfig = edited(api.kubeconfig, tmp_path / "k", user=plugin(tmp_path, body))
        async with following(kubeconfig) as followed:
            snapshot = await followed.until(lambda s: status(s) is KindStatus.EXPIRED)
            assert says in snapshot.kind_state("Pod").message
            assert "\n" not in snapshot.kind_state("Pod").message
    assert capfd.readouterr() == ("", ""), "nothing is printed over the screen"


async def test_a_missing_exec_plugin_says_so(tmp_path):
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(tmp_path / "gone")}
    async with running_api() as api, following(edited(api.kubeconfig, tmp_path / "k", user={"exec": command})) as followed:
        snapshot = await followed.until(lambda s: status(s) is KindStatus.EXPIRED)
        assert "gone" in snapshot.kind_state("Pod").message


async def test_a_login_that_rewrites_the_kubeconfig_is_noticed(tmp_path):
    async with running_api([pod("shop/web")], tokens={"new": ADMIN}) as api:
        kubeconfig = edited(api.kubeconfig, tmp_path / "k", user={"token": "old"})
        async with following(kubeconfig) as followed:
            await followed.until(lambda s: status(s) is KindStatus.EXPIRED)
            edited(api.kubeconfig, kubeconfig, user={"token": "new"})
            await followed.until(synced)


async def test_an_exec_plugin_without_expiry_is_asked_again_after_a_401(tmp_path):
    token = tmp_path / "token"
    token.write_text("one")
    user = plugin(tmp_path, f'{{"token": pathlib.Path({str(token)!r}).read_text()}}')
    async with running_api([pod("shop/web")], tokens={"one": ADMIN}) as api:
        kubeconfig = edited(api.kubeconfig, tmp_path / "k", user=user)
        async with following(kubeconfig) as followed:
            await followed.until(synced)
            token.write_text("two")
            api.tokens.clear()
            api.tokens["two"] = ADMIN
            api.faults.cut_watches()
            api.add(pod("shop/later"))
            await followed.until(lambda s: synced(s) and len(s.pods) == 2)


async def test_an_exec_plugin_that_begins_to_fail_while_we_watch_ends_nothing(tmp_path):
    token = tmp_path / "token"
    token.write_text("one")
    past = (datetime.now(UTC) - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    user = plugin(tmp_path, f'{{"token": pathlib.Path({str(token)!r}).read_text(), "expirationTimestamp": {past!r}}}')
    async with running_api([pod("shop/web")], tokens={"one": ADMIN}) as api:
        kubeconfig = edited(api.kubeconfig, tmp_path / "k", user=user)
        async with following(kubeconfig) as followed:
            await followed.until(synced)
            token.unlink()
            api.tokens.clear()
            api.faults.cut_watches()
            expired = await followed.until(lambda s: status(s) in {KindStatus.EXPIRED, KindStatus.STALE})
            assert len(expired.pods) == 1
            token.write_text("two")
            api.tokens["two"] = ADMIN
            followed.source.retry_now()
            await followed.until(synced)


async def test_two_kubeconfigs_are_merged(tmp_path, monkeypatch):
    async with running_api([pod("shop/web")]) as api:
        config = yaml.safe_load(api.kubeconfig.read_text())
        one, two = tmp_path / "one", tmp_path / "two"
        one.write_text(yaml.safe_dump({**config, "contexts": [], "current-context": "", "users": []}))
        context = {"name": "mine", "context": config["contexts"][0]["context"] | {"namespace": "shop"}}
        two.write_text(yaml.safe_dump({**config, "clusters": [], "contexts": [context], "current-context": "mine"}))
        monkeypatch.setenv("KUBECONFIG", os.pathsep.join([str(one), str(two), str(tmp_path / "gone")]))
        async with following("", context="mine") as followed:
            await followed.until(synced)
            assert followed.source.label.context == "mine"


async def test_impersonation_is_shown_and_obeyed():
    async with running_api([pod("shop/web")]) as api, following(api.kubeconfig, impersonate="eve") as followed:
        snapshot = await followed.until(lambda s: status(s) is KindStatus.FORBIDDEN)
        assert 'User "eve"' in snapshot.kind_state("Pod").message
        assert followed.source.label.user == "eve (as admin)"


async def test_groups_are_impersonated_too():
    groups = ("dev", "system:masters")
    async with (
        running_api([pod("shop/web")]) as api,
        following(api.kubeconfig, impersonate="eve", impersonate_groups=groups) as followed,
    ):
        await followed.until(synced)


async def test_a_certificate_that_does_not_match(tmp_path):
    async with running_api() as api:
        other = Pki.create(tmp_path / "pki").ca_certificate.read_bytes()
        data = {"certificate-authority-data": base64.b64encode(other).decode()}
        async with following(edited(api.kubeconfig, tmp_path / "k", **data)) as followed:
            snapshot = await followed.until(lambda s: status(s) is KindStatus.UNREACHABLE)
            assert "its certificate doesn't match" in snapshot.kind_state("Pod").message


async def test_a_certificate_for_another_name(tmp_path):
    async with running_api() as api:
        async with following(edited(api.kubeconfig, tmp_path / "k", **{"tls-server-name": "elsewhere.example"})) as followed:
            snapshot = await followed.until(lambda s: status(s) is KindStatus.UNREACHABLE)
            assert "its certificate doesn't match" in snapshot.kind_state("Pod").message
        async with following(edited(api.kubeconfig, tmp_path / "k", **{"tls-server-name": "localhost"})) as followed:
            await followed.until(synced)


CLUSTER = {"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}
CONTEXT = {"name": "x", "context": {"cluster": "c", "user": "u"}}
USER = {"name": "u", "user": {}}
WHOLE = {"apiVersion": "v1", "kind": "Config", "clusters": [CLUSTER], "users": [USER], "contexts": [CONTEXT]}
WHOLE["current-context"] = "x"
NO_CERTIFICATE = {"name": "u", "user": {"client-certificate": "/gone"}}
BAD_DATA = {"name": "c", "cluster": {"server": "https://127.0.0.1:1", "certificate-authority-data": "bm8="}}
BROKEN = [
    ("not YAML", "a: [", {}, ""),
    ("empty", "", {}, ""),
    ("a list", "[]", {}, ""),
    ("binary", "\x00\x01", {}, ""),
    ("no current context", {**WHOLE, "current-context": ""}, {}, ""),
    ("a current context that isn't there", {**WHOLE, "current-context": "gone"}, {}, ""),
    ("an unknown context", WHOLE, {"context": "prod"}, "known contexts: x"),
    ("a context without its cluster", {**WHOLE, "clusters": []}, {}, ""),
    ("a CA that is none", {**WHOLE, "clusters": [BAD_DATA]}, {}, ""),
    ("a client certificate that isn't there", {**WHOLE, "users": [NO_CERTIFICATE]}, {}, ""),
    ("groups without a user", WHOLE, {"impersonate_groups": ("g",)}, "--as"),
]


@pytest.mark.parametrize(("name", "content", "flags", "says"), BROKEN, ids=[row[0] for row in BROKEN])
def test_a_kubeconfig_that_cannot_be_used(tmp_path, name, content, flags, says):
    path = tmp_path / "kubeconfig"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    with pytest.raises(ConfigError) as caught:
        connect(Settings(kubeconfig=str(path), **flags))
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


BROKEN_ANSWER, NO_ANSWER = KindStatus.BROKEN, KindStatus.UNREACHABLE
NONSENSE = [
    ("a portal's page", 200, b"<html>Please log in</html>", BROKEN_ANSWER),
    ("nothing", 200, b"", BROKEN_ANSWER),
    ("another JSON", 200, b'{"items": 7}', BROKEN_ANSWER),
    ("a list", 200, b"[]", BROKEN_ANSWER),
    ("null", 200, b"null", BROKEN_ANSWER),
    ("a page for an error", 502, b"<html>Bad gateway</html>", NO_ANSWER),
    ("a redirect", 302, b"", BROKEN_ANSWER),
    ("broken text", 500, b"\xff\xfe", NO_ANSWER),
]


@contextlib.asynccontextmanager
async def answering(code, body):
    """An HTTP server that gives everybody one answer."""

    async def serve(reader, writer):
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                writer.write(f"HTTP/1.1 {code} X\r\nLocation: /login\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
                await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@pytest.mark.parametrize(("name", "code", "body", "stands"), NONSENSE, ids=[row[0] for row in NONSENSE])
async def test_a_server_that_is_no_api_server(tmp_path, name, code, body, stands):
    async with answering(code, body) as port:
        path = tmp_path / "k"
        cluster = {"name": "c", "cluster": {"server": f"http://127.0.0.1:{port}"}}
        path.write_text(json.dumps({**WHOLE, "clusters": [cluster]}))
        async with following(path) as followed:
            snapshot = await followed.until(lambda s: status(s) is not KindStatus.LOADING)
            assert status(snapshot) is stands
            assert snapshot.kind_state("Pod").message
            assert snapshot.pods == {}
