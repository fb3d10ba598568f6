"""``meshtui explain MTnnn``: what a rule found, the change, and the flows that it would open and close."""

import json

import msgspec
import pytest

from meshtui.cli.main import run
from meshtui.cli.schemas.findings import ExplainedFindings
from tests.fakes.snapshots import ambient, pod, policy

FROM_WEB = {"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 5432}]}
WORLD = [
    ambient("shop"),
    pod("shop/web", "10.0.0.1", account="web"),
    pod("shop/db", "10.0.0.2", [5432], account="db"),
    policy("shop/db", {"podSelector": {"matchLabels": {"app": "db"}}, "ingress": [FROM_WEB]}),
]


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "all.json").write_text("\n---\n".join(map(json.dumps, WORLD)))
    return tmp_path


def explain(capsys, folder, *words, code=0):
    assert run(["explain", *words, "-f", str(folder), "--cni", "reference"]) == code
    return capsys.readouterr()


@pytest.mark.parametrize("words", [["MT301"], ["mt301", "shop/db"], ["MT301", "shop/NetworkPolicy/db"]])
def test_a_fix_and_what_it_opens(capsys, folder, words):
    said = explain(capsys, folder, *words).out
    assert "MT301 HBONE closed (error): 1 found" in said
    assert "+      port: 15008" in said
    assert "it opens:\n      shop/Pod/web → shop/Pod/db TCP all" in said
    assert "it closes" not in said


def test_as_json(capsys, folder):
    answer = json.loads(explain(capsys, folder, "MT301", "-o", "json").out)
    msgspec.convert(answer, ExplainedFindings)
    (found,) = answer["findings"]
    assert [(each["from"], each["to"], each["ports"]) for each in found["opens"]] == [
        ({"pod": "shop/web"}, {"pod": "shop/db"}, "TCP all")
    ]
    assert (found["closes"], answer["not_evaluated"], answer["read"]["objects"]) == ([], None, 4)


def test_without_a_fix_there_is_nothing_to_open(capsys, folder):
    answer = json.loads(explain(capsys, folder, "MT311", "-o", "json").out)
    assert [(each["fix"], each["opens"], each["closes"]) for each in answer["findings"]] == [(None, None, None)]
    assert "no change is safe to propose" in explain(capsys, folder, "MT311").out


def test_about_another_object_it_finds_nothing_and_says_about_which_it_does(capsys, folder):
    said = explain(capsys, folder, "MT301", "shop/web")
    assert "MT301 HBONE closed (error): 0 found" in said.out
    assert "MT301 finds nothing about shop/web; it finds something about: NetworkPolicy shop/db" in said.err


def test_of_one_namespace_and_one_that_is_ignored(capsys, folder):
    quiet = json.loads(json.dumps([*WORLD, ambient("other")]))
    quiet[3]["metadata"]["annotations"] = {"meshtui.dev/ignore": "MT301: known"}
    (folder / "all.json").write_text("\n---\n".join(map(json.dumps, quiet)))
    assert "0 found" in explain(capsys, folder, "MT301", "-n", "other").out
    assert "ignored: known" in explain(capsys, folder, "MT301", "-n", "shop").out
    assert json.loads(explain(capsys, folder, "MT301", "-o", "json").out)["findings"][0]["ignored"] == "known"


def test_a_rule_that_found_nothing_or_could_not_look(capsys, folder):
    assert "MT208 open database (error): 0 found" in explain(capsys, folder, "MT208").out
    assert "the rule couldn't look: needs observation" in explain(capsys, folder, "MT401").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["MT999"], "no rule 'MT999'"),
        (["MT301", "--path", "/a"], "a finding is no flow"),
        (["MT301", "--protocol", "UDP"], "a finding is no flow"),
        (["shop/web"], "missing TO:PORT"),
    ],
)
def test_what_is_asked_wrongly_is_said(capsys, folder, words, said):
    assert said in explain(capsys, folder, *words, code=2).err
