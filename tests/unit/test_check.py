"""``meshtui check``: formats, exit codes, baseline, suppression, explanations."""

import json
import re
import sys
from pathlib import Path
from typing import Annotated, Literal
from xml.etree import ElementTree as ET

import msgspec
import pytest
import yaml

from meshtui.cli.main import run
from meshtui.cli.schemas.findings import Check
from meshtui.findings import all_rules
from meshtui.journeys import applications
from meshtui.sandbox.scenarios import load
from tests.fakes.snapshots import ambient, pod

RULES = all_rules(rule for each in applications() for rule in each.rules)
LEVELS = {"none", "note", "warning", "error"}


@pytest.fixture
def folder(tmp_path):
    def write(scenario):
        file = tmp_path / f"{scenario}.yaml"
        file.write_text(yaml.safe_dump_all(load(scenario)))
        return str(file)

    return write


def check(capsys, *words):
    code = run(["check", *words])
    out, err = capsys.readouterr()
    return code, out, err


def test_text_names_the_gap_its_reason_and_its_fix(capsys, folder):
    code, out, err = check(capsys, "-f", folder("hbone-blocked"))
    assert (code, err) == (1, "meshtui: note: read 67 objects in 1 file\n")
    first = out.splitlines()[0]
    assert re.match(r"error +MT301 +NetworkPolicy ecom/ecom-netpol", first)
    assert "fix: open 15008 in egress[1]" in out
    assert out.splitlines()[-1] == "not evaluated: MT401 MT402 MT403 (needs observation of a running bookstore)"


def test_files_without_an_object_are_no_good_news(capsys, tmp_path):
    (tmp_path / "empty.yaml").write_text("")
    code, _, err = check(capsys, "-f", str(tmp_path))
    assert (code, err.count("\n")) == (2, 1)
    assert "no object that meshtui reads" in err


def test_the_healthy_one_passes_on_warnings_too(capsys, folder):
    code, out, _ = check(capsys, "-f", folder("healthy"), "--fail-on", "warning")
    assert code == 0
    assert "0 errors, 0 warnings," in out


@pytest.mark.parametrize(
    ("scenario", "fail_on", "code"),
    [
        ("healthy", "error", 0),
        ("healthy", "info", 1),
        ("open-databases", "error", 1),
        ("open-databases", "never", 0),
        ("open-databases", "warning", 1),
    ],
)
def test_the_exit_code_follows_fail_on(capsys, folder, scenario, fail_on, code):
    assert check(capsys, "-f", folder(scenario), "--fail-on", fail_on)[0] == code


@pytest.mark.parametrize("scenario", ["healthy", "as-found", "wrong-identity"])
def test_json_is_as_its_schema_says(capsys, folder, scenario):
    _, out, _ = check(capsys, "-f", folder(scenario), "-o", "json")
    answer = msgspec.json.decode(out, type=Check, strict=True)
    plain = json.loads(out)
    assert [each.rule for each in answer.not_evaluated] == ["MT401", "MT402", "MT403"]
    assert answer.errors == sum(f["severity"] == "error" for f in plain["findings"])
    assert set(plain["findings"][0]) == set(
        msgspec.structs.fields(type(answer.findings[0])) and type(answer.findings[0]).__struct_fields__
    )


def test_the_patch_is_a_unified_diff_of_the_manifest(capsys, folder):
    _, out, _ = check(capsys, "-f", folder("hbone-blocked"), "-o", "json")
    patch = json.loads(out)["findings"][0]["fix"]["patch"]
    added = [line for line in patch.splitlines() if line.startswith("+") and not line.startswith("+++")]
    assert [line[1:].split() for line in added] == [["-", "protocol:", "TCP"], ["port:", "15008"]]
    assert patch.startswith("--- NetworkPolicy ecom/ecom-netpol\n+++ NetworkPolicy ecom/ecom-netpol\n@@")


def test_what_a_fix_creates_is_in_the_patch(capsys, folder):
    _, out, _ = check(capsys, "-f", folder("wrong-identity"), "-o", "json")
    patch = json.loads(out)["findings"][0]["fix"]["patch"]
    assert "--- /dev/null\n+++ ServiceAccount ecom/ecom-service\n" in patch
    assert "+      serviceAccountName: ecom-service" in patch


def test_a_namespace_narrows_it(capsys, folder):
    _, out, _ = check(capsys, "-f", folder("open-databases"), "-n", "identity", "-o", "json")
    assert {o["namespace"] for f in json.loads(out)["findings"] for o in f["objects"]} == {"identity"}


def test_sarif_has_the_shape_of_the_standard(capsys, folder):
    """SARIF 2.1.0, sections 3.13 to 3.54: what must be there, and which words may stand where."""
    _, out, _ = check(capsys, "-f", folder("as-found"), "-o", "sarif")
    log = json.loads(out)
    assert log["version"] == "2.1.0"
    (one,) = log["runs"]
    driver = one["tool"]["driver"]
    assert driver["name"] == "meshtui"
    assert [rule["id"] for rule in driver["rules"]] == [rule.id for rule in RULES]
    assert all(rule["defaultConfiguration"]["level"] in LEVELS and rule["shortDescription"]["text"] for rule in driver["rules"])
    assert one["results"]
    for result in one["results"]:
        assert result["message"]["text"]
        assert result["level"] in LEVELS
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert all(isinstance(mark, str) for mark in result["partialFingerprints"].values())
        names = [where["logicalLocations"][0]["fullyQualifiedName"] for where in result["locations"]]
        assert len(names) == 1
        assert all(names)
    marks = [tuple(result["partialFingerprints"].values()) for result in one["results"]]
    assert len(marks) == len(set(marks)), "two findings are never one"


class Shape(msgspec.Struct, rename="camel", forbid_unknown_fields=True, omit_defaults=True):
    """An object of SARIF's schema, whose additionalProperties are false; only what is written here may stand in it."""


class Text(Shape):
    text: str


class Help(Text):
    markdown: str


class Configuration(Shape):
    level: Literal["none", "note", "warning", "error"]


class Descriptor(Shape):
    id: str
    name: str
    short_description: Text
    help: Help
    help_uri: str
    default_configuration: Configuration


class Driver(Shape):
    name: str
    version: str
    rules: list[Descriptor]


class Tool(Shape):
    driver: Driver


class LogicalLocation(Shape):
    name: str
    fully_qualified_name: str
    kind: str


class Artifact(Shape):
    uri: str
    uri_base_id: str = ""


class Region(Shape):
    start_line: Annotated[int, msgspec.Meta(ge=1)]
    start_column: Annotated[int, msgspec.Meta(ge=1)]
    end_line: int = 1
    end_column: int = 1


class PhysicalLocation(Shape):
    artifact_location: Artifact
    region: Region | None = None


class Location(Shape):
    logical_locations: list[LogicalLocation]
    physical_location: PhysicalLocation | None = None
    id: int = -1


class Piece(Shape):
    deleted_region: Region
    inserted_content: Text


class ArtifactChange(Shape):
    artifact_location: Artifact
    replacements: list[Piece]


class FixOfResult(Shape):
    description: Text
    artifact_changes: list[ArtifactChange]


class Suppression(Shape):
    kind: Literal["inSource", "external"]
    status: Literal["accepted", "underReview", "rejected"]
    justification: str


class Result(Shape):
    rule_id: str
    rule_index: Annotated[int, msgspec.Meta(ge=0)]
    level: Literal["none", "note", "warning", "error"]
    message: Text
    locations: list[Location]
    partial_fingerprints: dict[str, str]
    properties: dict[str, int]
    related_locations: list[Location] = []
    fixes: list[FixOfResult] = []
    suppressions: list[Suppression] = []


class Run(Shape):
    tool: Tool
    column_kind: Literal["utf16CodeUnits", "unicodeCodePoints"]
    results: list[Result]


class Log(Shape):
    version: Literal["2.1.0"]
    runs: list[Run]
    schema: str = msgspec.field(name="$schema", default="")


@pytest.mark.parametrize("scenario", ["healthy", "as-found"])
def test_sarif_holds_nothing_that_its_schema_does_not_know(capsys, folder, scenario):
    _, out, _ = check(capsys, "-f", folder(scenario), "-o", "sarif")
    log = msgspec.json.decode(out, type=Log, strict=True)
    assert log.schema.startswith("https://docs.oasis-open.org/sarif/sarif/v2.1.0/")
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(out.replace('"ruleId"', '"rule"', 1), type=Log, strict=True)


def test_junit_fails_for_findings_and_skips_what_was_not_evaluated(capsys, folder):
    _, out, _ = check(capsys, "-f", folder("as-found"), "-o", "junit")
    suite = ET.fromstring(out).find("testsuite")
    cases = suite.findall("testcase")
    failed = [case for case in cases if case.find("failure") is not None]
    assert suite.get("tests") == str(len(cases))
    assert suite.get("failures") == str(len(failed))
    assert {case.get("classname") for case in cases} == {rule.id for rule in RULES}
    assert {case.get("classname") for case in cases if case.find("skipped") is not None} == {"MT401", "MT402", "MT403"}
    assert "MT208" in {case.get("classname") for case in failed}
    assert "MT302" not in {case.get("classname") for case in failed}, "an info doesn't fail"


def test_a_baseline_leaves_out_what_it_knows(capsys, folder, tmp_path):
    baseline = str(tmp_path / "known.json")
    code, out, err = check(capsys, "-f", folder("open-databases"), "--write-baseline", baseline)
    assert (code, out) == (0, "")
    assert baseline in err
    assert Path(baseline).stat().st_mode & 0o777 == 0o600
    code, out, err = check(capsys, "-f", folder("open-databases"), "--baseline", baseline, "--fail-on", "info")
    assert (code, err) == (0, "meshtui: note: read 59 objects in 1 file\n")
    assert out.splitlines()[0].startswith("0 errors, 0 warnings, 0 infos, ")
    code, out, err = check(capsys, "-f", folder("as-found"), "--baseline", baseline, "-o", "json")
    assert code == 1
    assert "MT208" not in {f["rule"] for f in json.loads(out)["findings"]}
    assert "MT101" in {f["rule"] for f in json.loads(out)["findings"]}
    _, _, err = check(capsys, "-f", folder("healthy"), "--baseline", baseline)
    assert re.search(r"\d+ findings of .* are gone", err)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"apiVersion": "v9", "findings": []}', '{"apiVersion": "meshtui/v1", "findings": [1]}']
)
def test_a_file_that_is_no_baseline_is_said_so(capsys, folder, tmp_path, text):
    file = tmp_path / "bad.json"
    file.write_text(text)
    code, out, err = check(capsys, "-f", folder("healthy"), "--baseline", str(file))
    assert (code, out) == (2, "")
    assert "bad.json" in err


def test_a_baseline_that_is_not_there(capsys, folder, tmp_path):
    assert check(capsys, "-f", folder("healthy"), "--baseline", str(tmp_path / "none"))[0] == 2


def test_what_is_ignored_is_told_with_its_reason_and_fails_nothing(capsys, tmp_path):
    database = pod(
        "shop/db", "10.0.0.1", [5432], account="db", metadata={"annotations": {"meshtui.dev/ignore": "MT208: a \x1b[31mcache"}}
    )
    file = tmp_path / "all.yaml"
    file.write_text(yaml.safe_dump_all([ambient("shop"), database]))
    code, out, _ = check(capsys, "-f", str(file))
    assert code == 0
    assert "ignored MT208" in out
    assert "cache" in out
    assert "\x1b" not in out
    _, out, _ = check(capsys, "-f", str(file), "-o", "json")
    assert [(each["rule"], each["reason"]) for each in json.loads(out)["ignored"]] == [("MT208", "a \x1b[31mcache")]
    _, out, _ = check(capsys, "-f", str(file), "-o", "sarif")
    (silenced,) = [r for r in json.loads(out)["runs"][0]["results"] if r["ruleId"] == "MT208"]
    assert silenced["suppressions"][0]["justification"].startswith("a ")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_every_rule_has_its_page(capsys, rule):
    code, out, _ = check(capsys, "--explain", rule.id.lower())
    assert code == 0
    assert out.startswith(f"# {rule.id}: {rule.name}\n")
    for part in ("**What it looks at.**", "**Why it matters.**", "**How it is fixed.**"):
        assert part in out


def test_a_rule_that_is_not_there(capsys):
    assert check(capsys, "--explain", "MT999")[0] == 2


def test_the_list_of_rules_is_that_of_the_documentation(capsys):
    from importlib.resources import files

    _, out, _ = check(capsys, "--rules")
    listed = [line.split()[0] for line in out.splitlines()]
    table = re.findall(
        r"^\| \[(MT\d+)\]", files("meshtui.findings").joinpath("pages", "README.md").read_text("utf-8"), re.MULTILINE
    )
    assert listed == table == [rule.id for rule in RULES]


def test_it_needs_no_textual():
    import subprocess

    code = "import sys; sys.modules['textual'] = None; from meshtui.cli.main import run; sys.exit(run(['check', '--rules']))"
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, timeout=60).returncode == 0


def test_manifests_have_no_denials(capsys, folder):
    assert run(["check", "-f", str(folder), "--denials"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert "manifests have no logs" in err
