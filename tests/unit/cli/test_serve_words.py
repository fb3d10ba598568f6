"""The command line of the program behind a page: what was given, and read-only unless writing was asked for twice."""

from __future__ import annotations

import sys

import pytest

from meshtui.cli import flags
from meshtui.cli.commands import serve
from meshtui.cli.main import run
from meshtui.settings import Settings, Timeouts


def test_what_is_given_is_passed_on():
    settings = Settings(
        kubeconfig="/tmp/a b;rm -rf $HOME/c",
        context="-x",
        namespace="shop",
        impersonate="jane doe",
        impersonate_groups=("a", "b"),
        filenames=("one file.yaml", "--two"),
        pod_cidrs=("10.0.0.0/16",),
        all_namespaces=True,
        theme="meshtui-light",
        timeouts=Timeouts(request_s=7.5),
    )
    words = serve.argv(settings, writes=False)
    assert words[:3] == [sys.executable, "-m", "meshtui"]
    assert words[3:] == [
        "--kubeconfig=/tmp/a b;rm -rf $HOME/c",
        "--context=-x",
        "--namespace=shop",
        "--all-namespaces",
        "--as=jane doe",
        "--as-group=a",
        "--as-group=b",
        "--filename=one file.yaml",
        "--filename=--two",
        "--pod-cidr=10.0.0.0/16",
        "--read-only",
        "--theme=meshtui-light",
        "--request-timeout=7.5s",
    ]


def test_no_limit_stays_no_limit():
    assert serve.argv(Settings(timeouts=Timeouts(request_s=float("inf"))), writes=False)[-1] == "--request-timeout=0"


@pytest.fixture
def served(monkeypatch):
    """The command lines that would be served."""
    asked = []

    async def fake(argv, title, **_):
        asked.append((argv, title))

    import meshtui.web

    monkeypatch.setattr(meshtui.web, "serve", fake)
    return asked


WRITES = [
    ((), False),
    (("--write",), False),
    (("--write", "--allow-writes-in-browser"), True),
    (("--write", "--allow-writes-in-browser", "--read-only"), False),
]


@pytest.mark.parametrize(("given", "writes"), WRITES, ids=["nothing", "once", "twice", "read-only wins"])
def test_writing_is_asked_for_twice(served, given, writes):
    assert run(["serve", "--context", "prod", *given]) == 0
    [(argv, title)] = served
    assert title == "prod"
    assert ("--write" in argv, "--read-only" in argv) == (writes, not writes)


WRONG = {
    "the second question alone": (["--context", "x", "--allow-writes-in-browser"], "needs --write as well"),
    "a scenario of a cluster": (["--context", "x", "--scenario", "healthy"], "a scenario is for the demo"),
    "standard input": (["-f", "-"], "can't read manifests from standard input"),
    "an unknown scenario": (["--scenario", "helthy"], "did you mean 'healthy'"),
    "no port": (["--port", "70000"], "70000"),
    "no session": (["--sessions", "0"], "0"),
}


@pytest.mark.parametrize(("given", "said"), WRONG.values(), ids=WRONG)
def test_what_makes_no_sense_is_an_error(served, capsys, given, said):
    assert run(["serve", *given]) == 2
    assert served == []
    assert said in capsys.readouterr().err


def test_every_flag_is_passed_on_or_known():
    known = {"request_timeout", "read_only", "write"}
    for flag in flags.FLAGS:
        if flag.name not in known:
            value = True if flag.kind == "switch" else ("v",) if flag.kind == "many" else "v"
            words = serve.argv(Settings().model_copy(update={flag.name: value}), writes=False)
            assert any(word.split("=")[0] == flag.long for word in words), flag.name
