"""Input that names nothing is an error with the way out, never a good answer."""

import json

import pytest
import yaml

from meshtui.cli.main import run
from meshtui.sandbox import scenarios

CALL = ("ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000")


@pytest.fixture(scope="module")
def bookstore(tmp_path_factory):
    file = tmp_path_factory.mktemp("bookstore") / "all.yaml"
    file.write_text(yaml.safe_dump_all(scenarios.load("healthy")))
    return str(file)


def refused(capsys, words, *says, code=2):
    """One line on standard error, nothing on standard output."""
    assert run(list(words)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("meshtui: ")
    assert err.count("\n") == 1, err
    assert "(" in err, "the way out"
    for word in says:
        assert word in err


SCOPED = [
    ("check",),
    ("matrix",),
    ("explain", *CALL),
    ("probe", *CALL, "--plan"),
    ("verify", "bookstore"),
    ("verify", "--init"),
    ("predict", "--flows", "FLOWS"),
    ("diff", "BOOKSTORE"),
]


@pytest.fixture
def real(bookstore, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "README.md").write_text("nothing")
    (tmp_path / "none.yaml").write_text("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n")
    (tmp_path / "none.jsonl").write_text("\n\n")
    flow = {"from": {"workload": "ecom/Deployment/ecom-service"}, "to": {"service": "inventory/inventory-service", "port": 8000}}
    (tmp_path / "flows.jsonl").write_text(json.dumps(flow) + "\n")
    names = {
        "BOOKSTORE": bookstore,
        "FLOWS": "flows.jsonl",
        "EMPTY": "empty",
        "NOTES": "notes",
        "NONE": "none.yaml",
        "NOFLOWS": "none.jsonl",
    }
    return lambda words: [str(tmp_path / names[word]) if word in names else word for word in words]


@pytest.mark.parametrize("words", SCOPED, ids=" ".join)
def test_a_namespace_that_is_not_there(capsys, real, words):
    refused(capsys, real([*words, "-f", "BOOKSTORE", "-n", "invntory"]), "'invntory'", "did you mean 'inventory'?")
    capsys.readouterr()
    assert run(real([*words, "-f", "BOOKSTORE", "-n", "inventory"])) in {0, 1, 4}


@pytest.mark.parametrize("empty", ["EMPTY", "NOTES", "NONE"])
@pytest.mark.parametrize("words", SCOPED, ids=" ".join)
def test_manifests_without_anything_to_judge(capsys, real, words, empty):
    refused(capsys, real([*words, "-f", empty]))


@pytest.mark.parametrize("empty", ["EMPTY", "NOTES", "NONE"])
def test_a_change_without_anything_in_it(capsys, real, empty):
    refused(capsys, real(["diff", empty, "-f", "BOOKSTORE"]))
    refused(capsys, real(["diff", empty, "-f", "BOOKSTORE", "--prune"]))


WORDS = [
    (("probe", "nobody/*", "--plan"), "nobody/*"),
    (("probe", "invntory/*", "--plan"), "did you mean 'inventory'?"),
    (("probe", "ecom/deploy/nobody", "--all", "--plan"), "nobody"),
    (("probe", "ecom/deploy/ecom-service", "--plan"), "no destination"),
    (("probe", *CALL, "--all", "--plan"), "--all"),
    (("probe", "ecom/deploy/ecom-service", "nobody/svc/x:1", "--plan"), "nobody/x"),
    (("explain", "ecom/deploy/nobody", CALL[1]), "nobody"),
    (("explain", CALL[0], "inventory/svc/nobody:1"), "nobody"),
    (("predict", "--flows", "NOFLOWS"), "holds no flow"),
    (("predict", "--flows", "/gone"), "/gone"),
    (("verify", "/gone.yaml"), "/gone.yaml"),
    (("check", "--explain", "MT999"), "MT999"),
    (("check", "--baseline", "/gone"), "/gone"),
    (("schema", "explian"), "did you mean 'explain'?"),
    (("explian",), "did you mean 'explain'?"),
    (("help", "explian"), "did you mean 'explain'?"),
    (("completion", "bsh"), "did you mean 'bash'?"),
    (("check", "--fail-on", "eror"), "did you mean 'error'?"),
    (("check", "--fial-on", "error"), "did you mean '--fail-on'?"),
    (("--contxt", "a", "check"), "did you mean '--context'?"),
    (("check", "-o", "jsn"), "did you mean 'json'?"),
    (("matrix", "-o", "junit"), "table, wide, json"),
    (("matrix", "--by", "nodes"), "workload, pod, namespace"),
    (("demo", "--scenario", "helthy"), "did you mean 'healthy'?"),
    (("sandbox", "--scenario", "helthy"), "did you mean 'healthy'?"),
    (("demo", "-o", "json"), "-o"),
    (("-o", "json"), "-o"),
    (("clean", "-f", "BOOKSTORE"), "-f"),
]


@pytest.mark.parametrize(("words", "says"), WORDS, ids=lambda value: " ".join(value) if isinstance(value, tuple) else "")
def test_words_that_name_nothing(capsys, real, words, says):
    needs_input = words[0] in {"probe", "explain", "predict", "verify", "check", "matrix"}
    refused(capsys, real([*words, *(["-f", "BOOKSTORE"] if needs_input else [])]), says if says != "-f" else "--filename")


GLOBS = [
    {"from": "nobody/*", "to": "inventory/svc/inventory-service:8000", "expect": "allow"},
    {"from": "ecom/deploy/ecom-service", "to": "*/svc/nobody-*:1", "expect": "deny"},
    {"from": "*/deploy/no-*", "to": "inventory/svc/inventory-service:8000", "expect": "deny"},
]


@pytest.mark.parametrize("entry", GLOBS, ids=lambda entry: f"{entry['from']} {entry['to']}")
def test_an_expectation_that_matches_nothing(capsys, real, tmp_path, entry):
    (tmp_path / "flows.yaml").write_text(yaml.safe_dump({"apiVersion": "meshtui/v1", "flows": [entry]}))
    refused(capsys, real(["verify", str(tmp_path / "flows.yaml"), "-f", "BOOKSTORE"]))


SHAPES = [
    ({"from": "ecom/deploy/a", "to": {"pod": "a/b"}}, ["'from'", "object", '{"pod": "NS/NAME"}']),
    ({"from": {"pod": "a/b"}, "to": ["x"]}, ["'to'", "object"]),
    ({"to": {"pod": "a/b"}}, ["'from' is missing"]),
]


@pytest.mark.parametrize(("flow", "says"), SHAPES, ids=["a string", "a list", "nothing"])
def test_a_flow_of_another_shape_is_told_which_one_is_meant(capsys, real, tmp_path, flow, says):
    (tmp_path / "odd.jsonl").write_text(json.dumps(flow))
    assert run(real(["predict", "--flows", str(tmp_path / "odd.jsonl"), "-f", "BOOKSTORE"])) == 2
    error = json.loads(capsys.readouterr().out)["error"]
    for word in says:
        assert word in error


def test_the_shipped_file_is_not_shadowed(capsys, real, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    refused(capsys, real(["verify", "bookstore", "--init", "-f", "BOOKSTORE"]), "bookstore-flows.yaml")
    assert not (tmp_path / "bookstore").exists()


def test_a_plan_names_where_it_would_happen(capsys, real):
    assert run(real(["probe", *CALL, "--plan", "-f", "BOOKSTORE"])) == 0
    out = capsys.readouterr().out
    assert out.startswith("context " + real(["BOOKSTORE"])[0])
    assert "(plan only)" not in out


def test_a_table_of_a_plan_shows_what_is_left_out(capsys, real):
    """Manifests have no running pods: nothing can be probed, and the table must not look as if nothing had been asked."""
    assert run(real(["probe", *CALL, "--plan", "-f", "BOOKSTORE", "-o", "csv"])) == 0
    rows = capsys.readouterr().out.splitlines()
    assert len(rows) == 2
    assert rows[1].startswith("left out,")
    assert "isn't a running pod" in rows[1]
