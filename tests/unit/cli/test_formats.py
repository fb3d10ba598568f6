"""The forms of answers: one registry, the same meaning everywhere, and no name in them that can forge a line or run."""

import csv
import io
import json
import unicodedata
from xml.etree import ElementTree as ET

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshtui.cli.answer import Answer, Column, key
from meshtui.cli.formats import formats, rendered
from meshtui.cli.formats.csv import cell
from meshtui.cli.main import run
from meshtui.cli.registry import commands, names
from meshtui.cli.tables import laid_out

HOSTILE = [
    "a\nforged: line",
    "a\r\nb",
    "\x1b[2Jx",
    "=1+1",
    "+cmd",
    "-1",
    "@SUM(A1)",
    "\t=1",
    "\r=1",
    "\n=1",
    'q"uo,te',
    "a\u2028b",
    "a\x85b",
    "\u202eb",
]
STEERING = {"Cc", "Cf", "Cs", "Zl", "Zp"}


def steers(text):
    """What in a text would be obeyed, or would begin a line of its own; ends of line are looked at apart."""
    return [char for char in text if char != "\n" and unicodedata.category(char) in STEERING]


def test_every_command_says_only_forms_that_there_are():
    for command in commands():
        assert set(command.outputs) <= set(formats()), command.name
        assert len(set(command.outputs)) == len(command.outputs)


def answer(name):
    rows = [{"name": name, "count": 1}, {"name": "plain", "count": 2}]
    return Answer({"rows": rows}, rows, (Column("NAME", key("name")), Column("COUNT", key("count"))), lambda row: [row["name"]])


@pytest.mark.parametrize("output", sorted(name for name, form in formats().items() if form.render))
@given(name=st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1)))
def test_a_name_never_makes_a_line(output, name):
    text = rendered(answer(name), output)
    assert text.endswith("\n")
    assert not steers(text)
    lines = text.split("\n")[:-1]
    if output in {"table", "wide", "csv"}:
        assert len(lines) == 3
    elif output in {"jsonl", "name"}:
        assert len(lines) == (2 if name != "plain" or output == "jsonl" else 1)
    if output == "jsonl":
        assert [json.loads(line)["name"] for line in lines] == [name, "plain"]
    if output == "json":
        assert json.loads(text)["rows"][0]["name"] == name
        assert len(lines) == len(json.dumps({"rows": [{"name": "x", "count": 1}] * 2}, indent=2).split("\n"))
    if output == "yaml" and not any(0xD800 <= ord(char) <= 0xDFFF for char in name):
        assert yaml.safe_load(text)["rows"][0]["name"] == name


@given(text=st.one_of(st.sampled_from(HOSTILE), st.text()))
def test_no_cell_is_a_formula(text):
    rows = list(csv.reader(io.StringIO(f"{cell(text)},{cell('next')}\n")))
    assert len(rows) == 1
    assert rows[0][1] == "next"
    read = rows[0][0]
    assert not read or (read[0] not in "=+-@" and unicodedata.category(read[0]) != "Cc")
    if text and (text[0] in "=+-@" or unicodedata.category(text[0]) == "Cc"):
        assert read.startswith("'")
    elif text.isprintable():
        assert read == text


COMMANDS = [
    ("explain", "SOURCE", "a/svc/web:80"),
    ("matrix",),
    ("matrix", "--closed"),
    ("check", "--fail-on", "never"),
    ("diff", "NEW"),
    ("predict", "--flows", "FLOWS"),
    ("verify", "EXPECTED"),
    ("probe", "SOURCE", "a/svc/web:80", "--plan"),
]


def an(api, kind, name, spec, **metadata):
    """One object in namespace a."""
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name, "namespace": "a", **metadata}, "spec": spec}


def hostile_manifests(name):
    """Pods, a Service and policies whose names, labels and annotations no API server would take."""
    port = {"containerPort": 80, "name": name}
    principals = {"rules": [{"from": [{"source": {"principals": [name]}}]}]}
    return [
        an("v1", "Pod", name, {"containers": []}, labels={"app": name}),
        an("v1", "Pod", "ok", {"containers": [{"name": "c", "image": name, "ports": [port]}]}, labels={"app": "ok"}),
        an("v1", "Pod", "other", {"containers": []}),
        an("v1", "Service", "web", {"selector": {"app": "ok"}, "ports": [{"port": 80, "name": name}]}),
        an(
            "networking.k8s.io/v1",
            "NetworkPolicy",
            name,
            {"podSelector": {}, "policyTypes": ["Ingress"]},
            annotations={"meshtui.dev/ignore": name},
        ),
        an("security.istio.io/v1", "AuthorizationPolicy", name, principals),
    ]


def shape(capsys, folder, name, words, output):
    """The lines of a command's answer about manifests in which a name stands everywhere."""
    objects = hostile_manifests(name)
    (folder / "all.yaml").write_text(yaml.safe_dump_all(objects))
    (folder / "new.yaml").write_text(
        yaml.safe_dump_all([{**objects[4], "spec": {"podSelector": {}, "policyTypes": ["Ingress"], "ingress": [{}]}}])
    )
    flow = {"id": name, "from": {"pod": "a/other"}, "to": {"service": "a/web", "port": 80}}
    (folder / "flows.jsonl").write_text(
        json.dumps(flow) + "\n" + json.dumps({**flow, "from": {"pod": f"a/{name}"}, "id": name}) + "\n"
    )
    entry = {"name": name, "from": "a/other", "to": "a/svc/web:80", "expect": "allow"}
    (folder / "expected.yaml").write_text(yaml.safe_dump({"apiVersion": "meshtui/v1", "flows": [entry]}))
    files = {"NEW": "new.yaml", "FLOWS": "flows.jsonl", "EXPECTED": "expected.yaml"}
    real = [str(folder / files[word]) if word in files else {"SOURCE": "a/other"}.get(word, word) for word in words]
    code = run([*real, "-f", str(folder / "all.yaml"), "-o", output])
    out, err = capsys.readouterr()
    assert code in {0, 1, 4}, err
    assert not steers(out), output
    assert not steers(err)
    return out, err


FORMS = [
    pytest.param(words, output, id=f"{' '.join(words)} -o {output}")
    for words in COMMANDS
    for output in next(command.outputs for command in commands() if command.name == words[0])
]


@pytest.mark.parametrize(("words", "output"), FORMS)
def test_a_hostile_name_makes_no_line_in_any_answer(capsys, tmp_path, words, output):
    plain, plain_err = shape(capsys, tmp_path, "zzz", words, output)
    assert plain or output == "name"
    for name in HOSTILE:
        text, err = shape(capsys, tmp_path, name, words, output)
        assert err.count("\n") == plain_err.count("\n")
        assert text.count("\n") == plain.count("\n"), f"{name!r} makes a line"
        assert not any(line.startswith("forged") for line in text.split("\n"))
        if output == "junit":
            ET.fromstring(text)


@pytest.mark.parametrize("width", range(40, 200, 7))
@given(data=st.data())
def test_a_table_breaks_no_word_at_any_width(width, data):
    from unittest import mock

    words = st.text("abcdefghij-/.:", min_size=1, max_size=60)
    rows = data.draw(
        st.lists(st.tuples(words, words, st.lists(words, min_size=1, max_size=8).map(" ".join)), min_size=1, max_size=4)
    )
    with mock.patch("meshtui.cli.tables.width", return_value=width):
        text = laid_out([("FROM", "TO", "REASON"), *rows])
    found = text.split()
    for row in rows:
        for word in " ".join(row).split():
            assert word in found, text


def test_a_pipe_gets_whole_rows():
    long = "x" * 500
    assert laid_out([("A", "B"), (long, f"{long} {long}")]).split("\n")[1] == f"{long}  {long} {long}"


def test_errors_hold_no_line_of_somebody_else(capsys):
    assert run(["explain", "a/b\nmeshtui: all is well", "c/d"]) == 2
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert run(["no\nsuch"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert run(["check", "--fail-on", "x\ny"]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_the_question_shows_a_hostile_name_in_one_line(capsys, monkeypatch):
    from meshtui.cli.ask import confirmed
    from meshtui.model.errors import UsageError

    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    with pytest.raises(UsageError):
        confirmed(["context x: remove", "  Pod a/b\n  nothing else\x1b[1A"], "", yes=False)
    assert capsys.readouterr().err == "context x: remove\n  Pod a/b\\x0a  nothing else\\x1b[1A\n"


def test_there_are_commands():
    assert len(names()) >= 17
