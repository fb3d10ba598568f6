"""Every shared flag reaches every command, before and after its name: the commands come from the folder they are found in."""

import itertools
import math

import click
import pytest

from meshtui.cli import flags
from meshtui.cli.main import run
from meshtui.cli.registry import command_named, names

GIVEN = {
    "kubeconfig": (("--kubeconfig", "/k"), "/k"),
    "context": (("--context", "staging"), "staging"),
    "namespace": (("-n", "shop"), "shop"),
    "all_namespaces": (("-A",), True),
    "impersonate": (("--as", "jane"), "jane"),
    "impersonate_groups": (("--as-group", "a", "--as-group", "b"), ("a", "b")),
    "request_timeout": (("--request-timeout", "2m30s"), 150.0),
    "filenames": (("-f", "one.yaml", "--filename", "two"), ("one.yaml", "two")),
    "cni": (("--cni", "calico"), "calico"),
    "pod_cidrs": (("--pod-cidr", "10.0.0.0/16", "--pod-cidr", "fd00::/64"), ("10.0.0.0/16", "fd00::/64")),
    "render": (("--render",), True),
    "skip_unreadable": (("--skip-unreadable",), True),
    "verbose": (("-v",), True),
    "read_only": (("--read-only",), True),
    "write": (("--write",), True),
    "theme": (("--theme", "meshtui-light"), "meshtui-light"),
}
"""For each flag: words, and what the body's settings must say."""
SINGLE = [flag for flag in flags.SHARED if flag.kind == "one"]


@pytest.fixture(autouse=True)
def _nothing_else_is_set(monkeypatch, tmp_path):
    for name in list(__import__("os").environ):
        if name.startswith(("MESHTUI_", "KUBE")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))


@pytest.fixture
def received(monkeypatch):
    """What the bodies of all commands get, instead of doing anything."""
    got = []
    for name in names():
        monkeypatch.setattr(command_named(name), "body", lambda words, settings: got.append((words, settings)) or 0)
    return got


def needed(command):
    """Words for what a command can't do without."""
    words = []
    for param in command.own:
        if param.required:
            value = param.type.choices[0] if isinstance(param.type, click.Choice) else "x"
            words += [value] if isinstance(param, click.Argument) else [param.opts[-1], value]
    return words


def placed(name, given, position):
    words = needed(command_named(name))
    return [*given, name, *words] if position == "before" else [name, *words, *given]


def said(settings, flag):
    return settings.timeouts.request_s if flag == "request_timeout" else getattr(settings, flag)


def test_the_table_knows_every_shared_flag():
    assert set(GIVEN) == {flag.name for flag in flags.FLAGS}
    assert len(names()) >= 17


@pytest.mark.parametrize("position", ["before", "after"])
@pytest.mark.parametrize("flag", sorted(GIVEN))
@pytest.mark.parametrize("name", names())
def test_a_flag_reaches_the_command(received, capsys, name, flag, position):
    given, expected = GIVEN[flag]
    code = run(placed(name, given, position))
    if flag in command_named(name).refused:
        assert (code, received) == (2, [])
        assert "isn't a flag of" in capsys.readouterr().err
        return
    assert code == 0, capsys.readouterr().err
    assert len(received) == 1
    assert said(received[0][1], flag) == expected


@pytest.mark.parametrize("position", ["before", "after"])
@pytest.mark.parametrize("name", names())
def test_the_form_of_the_answer_reaches_the_command(received, capsys, name, position):
    outputs = command_named(name).outputs
    code = run(placed(name, ("-o", outputs[-1] if outputs else "json"), position))
    if not outputs:
        assert (code, received) == (2, [])
        return
    assert code == 0, capsys.readouterr().err
    assert received[0][0].output == outputs[-1]


@pytest.mark.parametrize("positions", list(itertools.product(["before", "after"], repeat=2)), ids="-".join)
@pytest.mark.parametrize("flag", SINGLE, ids=lambda flag: flag.name)
def test_a_value_given_twice_is_an_error_unless_it_is_the_same(received, capsys, flag, positions):
    def words(one, other):
        first = [flag.long, one]
        second = [flag.long, other]
        before = [*(first if positions[0] == "before" else []), *(second if positions[1] == "before" else [])]
        after = [*(first if positions[0] == "after" else []), *(second if positions[1] == "after" else [])]
        return [*before, "demo" if flag.name in flags.OF_THE_PROGRAM else "check", *after]

    one, other = ("json", "text") if flag.name == "output" else ("10", "20")
    assert run(words(one, other)) == 2
    assert received == []
    err = capsys.readouterr().err
    assert flag.long in err
    assert "twice" in err
    assert run(words(one, one)) == 0


def test_repeatable_flags_add_up_over_both_places(received):
    assert run(["-f", "a", "check", "-f", "b", "-f", "c"]) == 0
    assert set(received[0][1].filenames) == {"a", "b", "c"}


@pytest.mark.parametrize("flag", [*SINGLE, *(f for f in flags.FLAGS if f.kind == "many")], ids=lambda flag: flag.name)
def test_an_empty_value_is_an_error(received, capsys, flag):
    """`--context "$CTX"` with an unset variable would act on the current context."""
    assert run([flag.long, "", "clean"]) == 2
    assert received == []
    assert flag.long in capsys.readouterr().err


TIMES = [
    ("30s", 30.0),
    ("1m", 60.0),
    ("2m30s", 150.0),
    ("500ms", 0.5),
    ("1.5h", 5400.0),
    ("45", 45.0),
    ("0", math.inf),
    ("0s", math.inf),
]


@pytest.mark.parametrize(("text", "seconds"), TIMES)
def test_a_timeout_is_read_as_kubectl_reads_it(received, text, seconds):
    assert run(["check", "--request-timeout", text]) == 0
    assert received[0][1].timeouts.request_s == seconds


@pytest.mark.parametrize(
    "words", [["-n", "shop"], ["-nshop"], ["-n=shop"], ["--namespace", "shop"], ["--namespace=shop"]], ids=" ".join
)
def test_a_value_is_written_in_all_of_kubectls_ways(received, words):
    assert run(["check", *words]) == 0
    assert run([*words, "check"]) == 0
    assert {settings.namespace for _, settings in received} == {"shop"}


@pytest.mark.parametrize("text", ["soon", "-1", "1d", "30 s", "s", "1m30"])
def test_a_timeout_that_is_none_is_an_error(received, capsys, text):
    assert run(["check", f"--request-timeout={text}"]) == 2
    assert received == []
    assert "30s" in capsys.readouterr().err


def test_no_command_has_a_word_of_the_shared_flags():
    shared = {word for flag in flags.SHARED for word in flag.words}
    for name in names():
        own = {word for param in command_named(name).own if isinstance(param, click.Option) for word in param.opts}
        assert not own & shared, name
