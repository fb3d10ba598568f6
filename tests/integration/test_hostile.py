"""Whatever a cluster or a manifest says is shown, never executed: no escape sequence, no markup, no turned-round text."""

import asyncio
import contextlib
import json
import os
import re
import sys
import unicodedata

import pytest
import yaml
from textual.widgets import Input

from meshtui.app import MeshtuiApp
from meshtui.model.redact import redact
from meshtui.sandbox.apiserver.server import running_api
from meshtui.screens.flow import FlowScreen
from meshtui.session import Session
from meshtui.settings import load_settings
from meshtui.sources.kubernetes.live import LiveSource
from tests.fakes.screens import table_of
from tests.fakes.settled import settled
from tests.fakes.snapshots import namespace, pod, policy
from tests.fakes.terminal import Terminal

EVIL = {
    "colour": "\x1b[31mred",
    "title": "\x1b]0;owned\x07",
    "link": "\x1b]8;;http://evil.example\x1b\\click\x1b]8;;\x1b\\",
    "eight-bit": "\x9b31mred",
    "markup": "[bold red]b[/] [@click=app.quit]x[/] [link=http://evil.example]y[/link]",
    "bidi": "a\u202egnp.exe\u2066",
    "invisible": "a\u200bb\ufeff",
    "lines": "one\r\ntwo\x08\x08\x7f",
}
"""What each tries: colours, the window's title, a link (OSC 8), C1 controls, Textual's markup, turned text, hidden characters."""
ALL = " ".join(EVIL.values())
FORBIDDEN = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")


def objects():
    """Names, labels, annotations, images, conditions and policies that all try something."""
    pods = [
        pod(
            f"shop/web{text}",
            f"10.0.0.{number}",
            [(text, 80)],
            labels={"app": "web", text: text},
            account=f"sa{text}",
            node=f"node{text}",
            metadata={"annotations": {f"note{text}": text}, "uid": f"pod-{number}"},
            status={"conditions": [{"type": "Ready", "status": "False", "reason": text, "message": text}]},
        )
        for number, text in enumerate((*EVIL.values(), ALL), 1)
    ]
    rules = [{"from": [{"source": {"principals": [text]}}], "when": [{"key": text, "values": [text]}]} for text in EVIL.values()]
    return [
        namespace("shop"),
        namespace(f"space{EVIL['colour']}"),
        *pods,
        pod("shop/plain", "10.0.1.1", [(ALL, 80)], labels={"app": "web"}),
        policy(f"shop/net{ALL}", {"podSelector": {"matchLabels": {"app": "web"}}, "ingress": [], "policyTypes": ["Ingress"]}),
        policy(
            f"shop/auth{ALL}",
            {"selector": {"matchLabels": {"app": "web"}}, "action": "ALLOW", "rules": rules},
            kind="AuthorizationPolicy",
            annotations={ALL: ALL},
        ),
    ]


@contextlib.asynccontextmanager
async def hostile_api():
    """An API server that checks nothing of what it is given."""
    async with running_api() as api:
        api.store.hooks.clear()
        api.add_all(objects())
        yield api


def drawn(app):
    """Every line of the screen, and the links that it carries."""
    strips = app.screen._compositor.render_strips()
    segments = [segment for strip in strips for segment in strip]
    return "\n".join("".join(s.text for s in strip) for strip in strips), [
        s.style.link for s in segments if s.style and s.style.link
    ]


def harmless(app):
    text, links = drawn(app)
    assert FORBIDDEN.search(text) is None, f"{type(app.screen).__name__}: {FORBIDDEN.search(text)!r}"
    assert links == []
    return text


async def until(pilot, holds):
    end = asyncio.get_running_loop().time() + 30
    while not holds():
        assert asyncio.get_running_loop().time() < end, "it never came to that"
        await pilot.pause(0.02)


async def back_to(main, pilot):
    """Close all screens above the main one."""
    while pilot.app.screen is not main:
        await pilot.app.pop_screen()
        await pilot.pause()


async def test_on_no_screen_is_anything_executed():
    async with hostile_api() as api:
        settings = load_settings({"kubeconfig": str(api.kubeconfig)})
        app = MeshtuiApp(Session(LiveSource(settings), settings))
        async with app.run_test(size=(200, 50)) as pilot:
            await until(pilot, lambda: app.session.settled and len(table_of(app.screen).rows) == len(EVIL) + 2)
            main, seen = app.screen, ""
            for pane in ("1", "2", "3", "4"):
                await pilot.press(pane)
                await settled(pilot)
                seen += harmless(app)
                for key in ("d", "y", "l", "w", "p", "m", "n", "f"):
                    await pilot.press(key)
                    await settled(pilot)
                    seen += harmless(app)
                    await back_to(main, pilot)
            await pilot.press("2", "g")
            for _ in range(len(table_of(main).rows)):
                for keys in (["w"], ["right", "w"], ["d"], ["M"]):
                    await pilot.press(*keys)
                    await settled(pilot)
                    seen += harmless(app)
                    await back_to(main, pilot)
                await pilot.press("left", "j")
            await pilot.press("m", "w")
            await settled(pilot)
            for key in ("down", "right", "enter"):
                await pilot.press(key)
                await settled(pilot)
                seen += harmless(app)
            await back_to(main, pilot)
            await pilot.press("f")
            await until(pilot, lambda: isinstance(app.screen, FlowScreen) and bool(app.screen.query("#to")))
            app.screen.query_one("#from", Input).value = f"shop/web{EVIL['markup']}"
            app.screen.query_one("#to", Input).value = f"shop/web{EVIL['markup']}:80"
            await settled(pilot)
            seen += harmless(app)
            await pilot.press("escape")
            assert "[bold red]" in seen, "markup is shown as it is written"
            assert "\\x1b" in seen, "an escape is shown as one"
            assert app.is_running


async def test_nothing_of_it_reaches_a_real_terminal(tmp_path):
    async with hostile_api() as api:
        command = [sys.executable, "-m", "meshtui", "--kubeconfig", str(api.kubeconfig)]

        def look():
            with Terminal(command, cwd=tmp_path, home=tmp_path) as terminal:
                terminal.wait_for("bold red")
                terminal.send("q")
                terminal.wait()
                return terminal.output

        output = await asyncio.to_thread(look)
        for attack in (b"\x1b]0;owned", b"\x1b]8;;http://evil", "\u202e".encode(), b"\x9b31mred"[:1] + b"31m"):
            assert attack not in output


async def meshtui(home, *words, stdin=b"", **environment):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "MESHTUI"))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshtui", *words),
        env=clean | {"HOME": str(home), "XDG_CONFIG_HOME": str(home)} | environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate(stdin)
    return process.returncode, out.decode(), err.decode()


@pytest.fixture
def manifests(tmp_path):
    folder = tmp_path / "manifests"
    folder.mkdir()
    documents = objects()
    for document in documents:  # a manifest with a slash in a name isn't read at all
        document["metadata"]["name"] = document["metadata"]["name"].replace("/", "|")
    (folder / "all.yaml").write_text(yaml.safe_dump_all(documents))
    return folder


WEB = f"shop/web{EVIL['colour']}"
COMMANDS = [
    ("explain", "shop/plain", "shop/plain:80"),
    ("explain", "10.0.0.1", "shop/plain:80"),
    ("explain", WEB, "shop/plain:80"),
    ("explain", f"shop/gone{ALL}", "shop/b:80"),
    ("matrix",),
    ("matrix", "--closed"),
    ("matrix", "--by", "pod"),
    ("probe", WEB, f"shop/web{EVIL['title']}:80", "--plan"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=lambda words: words[0])
async def test_text_for_people_carries_nothing_that_a_terminal_obeys(tmp_path, manifests, words):
    _, out, err = await meshtui(tmp_path, *words, "-f", str(manifests))
    assert out + err
    assert FORBIDDEN.search(out + err) is None, repr(out + err)[:500]
    assert "Traceback" not in err


async def test_data_for_programs_is_whole_and_escaped(tmp_path, manifests):
    code, out, err = await meshtui(tmp_path, "explain", "10.0.0.1", "shop/plain:80", "-o", "json", "-f", str(manifests))
    assert (code, err) == (0, "meshtui: note: read 14 objects in 1 file\n")
    assert "\x1b" not in out
    objects_named = [o["name"] for step in json.loads(out)["steps"] for o in step["objects"]]
    assert f"net{ALL}".replace("/", "|") in objects_named, "JSON gives names as they are"


async def test_a_servers_own_words_are_cleaned(tmp_path):
    async with running_api([pod("shop/a", "10.0.0.1")]) as api:
        context = f"c{EVIL['colour']}{EVIL['link']}"
        _, out, err = await meshtui(tmp_path, "explain", "a/b", "c/d:1", "--context", context, KUBECONFIG=str(api.kubeconfig))
    assert "no context" in err
    assert FORBIDDEN.search(out + err) is None


# ---- secrets


SECRETS = [
    ("Authorization: Bearer abcdef0123456789", "abcdef0123456789"),
    ("got eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl from", "eyJ"),
    ('{"access_token": "s3cr3t-value"}', "s3cr3t"),
    ("id_token=s3cr3t-value&x=1", "s3cr3t"),
    ("password: s3cr3t-value", "s3cr3t"),
    ("client-secret=s3cr3t-value", "s3cr3t"),
    ("https://user:s3cr3t@proxy.example:3128 refused", "s3cr3t"),
    ("-----BEGIN EC PRIVATE KEY-----\ns3cr3t\n-----END EC PRIVATE KEY-----", "s3cr3t"),
    ("-----BEGIN PRIVATE KEY-----\ns3cr3t", "s3cr3t"),
]


@pytest.mark.parametrize(("text", "secret"), SECRETS, ids=[text[:20] for text, _ in SECRETS])
def test_secrets_are_taken_out(text, secret):
    assert secret not in redact(text)
    assert "[redacted]" in redact(text)


@pytest.mark.parametrize(
    "text", ['pods is forbidden: User "eve" cannot list', "exceeded quota: one-pod", "token expired, log in"]
)
def test_other_words_stay(text):
    assert redact(text) == text


async def test_no_log_says_a_token(tmp_path, caplog):
    from meshtui.sandbox.apiserver.auth import User
    from tests.fakes.live import edited, following, synced

    caplog.set_level("DEBUG")
    tokens, user = {"s3cr3t-token": User("admin", ("system:masters",))}, {"token": "s3cr3t-token"}
    async with (
        running_api([pod("shop/a")], tokens=tokens) as api,
        following(edited(api.kubeconfig, tmp_path / "k", user=user)) as followed,
    ):
        snapshot = await followed.until(synced)
    assert caplog.records, "there must have been something to look at"
    assert "s3cr3t" not in caplog.text
    assert "s3cr3t" not in repr(followed.source.label)
    assert "s3cr3t" not in repr(snapshot)


def test_the_list_of_what_a_terminal_obeys_is_whole():
    """Every control character but the newline, and every one that turns text round, is among the forbidden ones."""
    for code in range(0x110000):
        char = chr(code)
        if (unicodedata.category(char) == "Cc" and char != "\n") or unicodedata.bidirectional(char) in {
            "LRE",
            "RLE",
            "LRO",
            "RLO",
            "PDF",
            "LRI",
            "RLI",
            "FSI",
            "PDI",
        }:
            assert FORBIDDEN.search(char), hex(code)
