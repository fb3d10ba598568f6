"""The way to a server and what is sent there: proxies, headers, redirects; and who is taken for the sandbox."""

import base64
import json

import pytest

from meshtui.cli.main import run
from meshtui.engine import Engine
from meshtui.engine.explain.wording import in_words
from meshtui.engine.path.references import parse_flow
from meshtui.kinds import KINDS
from meshtui.model.errors import ConfigError
from meshtui.model.snapshot import KindStatus
from meshtui.model.verdict import Decision
from meshtui.sandbox.apiserver.server import running_api
from meshtui.settings import Settings, Timeouts
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.connection import connect
from meshtui.sources.kubernetes.listing import read_list
from meshtui.sources.kubernetes.live import LiveSource, may_be_sandbox
from meshtui.sources.kubernetes.reflector import Reflector
from tests.fakes.faults import FAULTS
from tests.fakes.hostile_server import HostileServer, json_response, response
from tests.fakes.live import edited, following, status, synced
from tests.fakes.proxies import Proxy
from tests.fakes.snapshots import pod


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


def port_of(api):
    return int(api.url.rpartition(":")[2])


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_kubeconfigs_proxy_leads_to_the_server_also_where_no_name_is_known(tmp_path, scheme):
    """The name is the proxy's to look up; TLS goes through to the server."""
    async with running_api([pod("shop/web")]) as api, Proxy(scheme, port_of(api)) as proxy:
        cluster = {"proxy-url": proxy.url, "tls-server-name": "localhost"}
        kubeconfig = edited(api.kubeconfig, tmp_path / "k", server="https://api.nowhere.invalid:6443", **cluster)
        async with following(kubeconfig) as followed:
            await followed.until(synced)
            assert not followed.source.label.sandbox, "what a proxy leads to is not on this machine"
        assert set(proxy.asked) == {"api.nowhere.invalid:6443"}


async def test_a_proxy_of_the_environment_is_used_with_its_credentials(tmp_path, monkeypatch):
    async with running_api([pod("shop/web")]) as api, Proxy("http", port_of(api)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url.replace("//", "//me:word@"))
        server = "https://api.nowhere.invalid:6443"
        kubeconfig = edited(api.kubeconfig, tmp_path / "k", server=server, **{"tls-server-name": "localhost"})
        async with following(kubeconfig) as followed:
            await followed.until(synced)
        assert f"Basic {base64.b64encode(b'me:word').decode()}" in proxy.headers[0]
        monkeypatch.setenv("NO_PROXY", ".invalid")
        count = len(proxy.asked)
        async with following(kubeconfig) as followed:
            await followed.until(lambda s: status(s) is KindStatus.UNREACHABLE)
        assert len(proxy.asked) == count


async def test_this_machine_is_reached_without_the_environments_proxy(monkeypatch):
    async with running_api([pod("shop/web")]) as api, Proxy("http", port_of(api)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        async with following(api.kubeconfig) as followed:
            await followed.until(synced)
        assert proxy.asked == []


def test_a_bad_proxy_is_one_line_and_exit_code_2(tmp_path, capsys):
    with HostileServer() as server:
        kubeconfig = server.kubeconfig(tmp_path / "k", **{"proxy-url": "ftp://p"})
        assert run(["explain", "shop/a", "shop/b:80", "--kubeconfig", str(kubeconfig)]) == 2
    assert "ftp" in capsys.readouterr().err


# ---- what is sent


async def sent(tmp_path, user, **settings):
    """The headers of one request."""
    with HostileServer() as server:
        kubeconfig = server.kubeconfig(tmp_path / "k", user=user)
        api = Api(connect(Settings(kubeconfig=str(kubeconfig), **settings)), Timeouts())
        await api.get("/api/v1/pods")
        await api.close()
        return server.requests[-1].headers


async def test_tokens_and_users_are_sent_as_utf_8(tmp_path):
    headers = await sent(tmp_path, {"token": "tökén"}, impersonate="jürgen@例え", impersonate_groups=("größe",))
    assert headers[b"authorization"] == "Bearer tökén".encode()
    assert headers[b"impersonate-user"] == "jürgen@例え".encode()
    assert headers[b"impersonate-group"] == "größe".encode()


async def test_a_user_that_is_no_utf_8_on_the_command_line_is_sent_as_it_is(tmp_path):
    assert (await sent(tmp_path, {}, impersonate="j\udcfcrgen"))[b"impersonate-user"] == b"j\xfcrgen"


async def test_names_and_passwords_beyond_latin_1(tmp_path):
    headers = await sent(tmp_path, {"username": "例", "password": "え"})
    assert base64.b64decode(headers[b"authorization"].removeprefix(b"Basic ")) == "例:え".encode()


async def test_a_token_file_is_trimmed_and_comes_before_a_token(tmp_path):
    (tmp_path / "token").write_text("\n fresh \n\n")
    assert (await sent(tmp_path, {"tokenFile": "token", "token": "old"}))[b"authorization"] == b"Bearer fresh"


BAD = [
    ("a newline in a token", {"token": "a\nX-Evil: 1"}, {}, "the token"),
    ("a newline in a token file", {"tokenFile": "token"}, {}, "the token"),
    ("a newline in a user", {}, {"impersonate": "a\r\nImpersonate-Group: system:masters"}, "--as"),
    ("a newline in a group", {}, {"impersonate": "a", "impersonate_groups": ("b\nc",)}, "--as-group"),
    ("an empty token file", {"tokenFile": "empty"}, {}, "empty"),
    ("a token file that isn't there", {"tokenFile": "gone"}, {}, "gone"),
]


@pytest.mark.parametrize(("name", "user", "flags", "says"), BAD, ids=[row[0] for row in BAD])
def test_what_no_header_can_carry_is_a_configuration_error(tmp_path, name, user, flags, says):
    (tmp_path / "token").write_text("a\nX-Evil: 1")
    (tmp_path / "empty").write_text(" \n")
    with HostileServer() as server, pytest.raises(ConfigError, match=says) as caught:
        connect(Settings(kubeconfig=str(server.kubeconfig(tmp_path / "k", user=user)), **flags))
    assert "Evil" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("server", ["127.0.0.1:6443", "ftp://x", "https://", "https://x:99999", "https://a b", "https://[::"])
def test_a_server_that_is_no_url_is_a_configuration_error(tmp_path, server):
    with HostileServer() as running, pytest.raises(ConfigError, match="isn't a URL"):
        connect(Settings(kubeconfig=str(running.kubeconfig(tmp_path / "k", server=server))))


async def test_a_token_never_follows_a_redirect(tmp_path):
    with HostileServer() as elsewhere, HostileServer() as server:
        kubeconfig = server.kubeconfig(tmp_path / "k", user={"token": "s3cr3t"})
        target = f"http://localhost:{elsewhere.port}/"

        class Redirect:
            met_by = staticmethod(lambda _: True)
            play = staticmethod(lambda exchange: exchange.send(response(code=307, Location=target)))

        server.fault = Redirect
        async with following(kubeconfig) as followed:
            await followed.until(lambda s: status(s) is KindStatus.BROKEN)
        assert server.requests
        assert elsewhere.requests == []


async def test_a_label_alone_makes_no_sandbox(tmp_path):
    labelled = {"metadata": {"name": "kube-system", "labels": {"meshtui.dev/sandbox": "true"}}}

    class Labelled:
        met_by = staticmethod(lambda exchange: exchange.path == "/api/v1/namespaces/kube-system")
        play = staticmethod(lambda exchange: exchange.send(json_response(labelled)))

    with HostileServer() as server:
        server.fault = Labelled
        source = LiveSource(Settings(kubeconfig=str(server.kubeconfig(tmp_path / "k"))))
        await source.snapshot()
        await source.close()
        assert not source.label.sandbox
        assert not [r for r in server.requests if r.path.endswith("kube-system")]


@pytest.mark.parametrize(
    ("server", "sandbox"),
    [
        ("https://127.0.0.1:6443", True),
        ("https://127.3.2.1:6443/", True),
        ("https://[::1]:6443", True),
        ("http://127.0.0.1:6443", False),
        ("https://localhost:6443", False),
        ("https://127.0.0.1.example.net:6443", False),
        ("https://127.example.net", False),
        ("https://127.0.0.1@example.net", False),
        ("https://10.0.0.1:6443", False),
        ("", False),
    ],
)
def test_only_an_address_of_this_machine_is_a_sandbox(server, sandbox):
    assert may_be_sandbox(server) is sandbox


# ---- no hot loop


@pytest.mark.parametrize(
    "name",
    [
        "login page",
        "410 again and again",
        "429 with zero",
        "500 nested",
        "event: unknown type",
        "watch: ends at once",
        "closed at once",
    ],
)
async def test_failures_wait_longer_and_longer(tmp_path, name):
    """The waits are written down instead of waited for; between two of them there are as few requests as a try needs."""
    with HostileServer() as server:
        server.fault = next(fault for fault in FAULTS if fault.name == name)
        api = Api(connect(Settings(kubeconfig=str(server.kubeconfig(tmp_path / "k")))), Timeouts())
        waits = await recorded(api, 14)
        await api.close()
        assert max(waits) >= 15
        assert max(waits) <= 30
        assert waits[0] < 1 < waits[4]
        assert len(set(waits)) == len(waits), "there is jitter in them"
        assert len(server.requests) <= 3 * (len(waits) + 1)


async def test_410_on_every_watch_waits_longer_too(tmp_path):
    class Gone:
        met_by = staticmethod(lambda exchange: exchange.watch)
        play = staticmethod(lambda exchange: exchange.send(json_response({"code": 410}, code=410)))

    with HostileServer() as server:
        server.fault = Gone
        api = Api(connect(Settings(kubeconfig=str(server.kubeconfig(tmp_path / "k")))), Timeouts())
        waits = await recorded(api, 10)
        await api.close()
        assert max(waits) >= 15
        assert len(server.requests) <= 2 * (len(waits) + 1)


async def test_no_server_can_ask_for_a_wait_without_an_end(tmp_path):
    with HostileServer() as server:
        server.fault = next(fault for fault in FAULTS if fault.name == "429 with 400 digits")
        api = Api(connect(Settings(kubeconfig=str(server.kubeconfig(tmp_path / "k")))), Timeouts())
        assert await recorded(api, 2) == [120, 120]
        await api.close()


class Enough(BaseException):
    """The waits that were wanted are there."""


async def recorded(api, count):
    """The first waits of a reflector."""
    waits = []

    async def write_down(seconds, _wake):
        waits.append(seconds)
        if len(waits) == count:
            raise Enough

    with pytest.raises(Enough):
        await Reflector(KINDS["Pod"], api, Timeouts(), lambda: None, wait=write_down).run()
    return waits


async def test_a_list_leaves_out_what_is_not_of_its_kind(tmp_path):
    items = [{"metadata": {"name": "a"}}, {"metadata": {"name": "x"}, "spec": 7}, {"metadata": {"name": "b"}}]
    page = json.dumps({"metadata": {"resourceVersion": "1"}, "items": items}).encode()

    class Odd:
        met_by = staticmethod(lambda _: True)
        play = staticmethod(lambda exchange: exchange.send(response(page)))

    with HostileServer() as server:
        server.fault = Odd
        api = Api(connect(Settings(kubeconfig=str(server.kubeconfig(tmp_path / "k")))), Timeouts())
        assert [found.name for found in await read_list(api, KINDS["Pod"], {})] == ["a", "b"]
        await api.close()


async def test_policies_that_were_never_readable_arent_taken_for_none(tmp_path):
    """A gateway on the way answers one path with its own page: that there are no policies doesn't follow."""

    class Page:
        met_by = staticmethod(lambda exchange: exchange.path == "/apis/networking.k8s.io/v1/networkpolicies")
        lists_of = staticmethod(lambda _: False)
        play = staticmethod(lambda exchange: exchange.send(response(b"<html>Please log in</html>", content_type="text/html")))

    with HostileServer() as server:
        server.fault = Page
        async with following(server.kubeconfig(tmp_path / "k")) as followed:
            snapshot = await followed.until(
                lambda s: status(s, "NetworkPolicy") is KindStatus.BROKEN and synced(s, but=("NetworkPolicy",))
            )
            verdict = Engine(snapshot).judge(parse_flow("shop/a", "shop/b:80"))
            assert verdict.decision is Decision.UNKNOWN
            assert "NetworkPolicy objects can't be seen (broken: " in in_words(verdict.reason)
            server.fault = None
            followed.source.retry_now()
            read = await followed.until(synced)
            assert Engine(read).judge(parse_flow("shop/a", "shop/b:80")).decision is not Decision.UNKNOWN
