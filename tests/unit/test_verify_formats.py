"""Each format of `meshtui verify` is what its readers take, whatever names and reasons hold."""

import re
from xml.etree import ElementTree as ET

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshtui.cli.commands import verify
from meshtui.cli.expectations_report import answer, as_junit, as_tap, as_text
from meshtui.cli.formats import rendered
from meshtui.engine.expect.expectations import Expected
from meshtui.engine.expect.verification import Result, Status
from meshtui.engine.path.references import parse_flow
from meshtui.model.observation import Observation
from meshtui.model.reason import Code, because
from meshtui.model.verdict import Decision, Layer, Verdict

FLOW = parse_flow("a/web", "a/db:5432")
VERDICT = Verdict(Decision.ALLOW, "connected", Layer.NONE)


def result(status, name="a name", reason="a reason", observed=None):
    verdict = Verdict(Decision.ALLOW, "connected", Layer.NONE, notes=(because(Code.NOT_FOUND, error=reason),))
    observation = Observation(FLOW, observed, VERDICT, total_ms=1500.0) if observed else None
    return Result(Expected(FLOW, name, "deny"), verdict, status, observation)


THREE = [result(Status.PASS, "good"), result(Status.UNKNOWN, "who knows"), result(Status.FAIL, "bad", observed="http_200")]
RESULTS = st.lists(
    st.builds(result, st.sampled_from(Status), st.text(), st.text(), st.sampled_from([None, "closed"])), max_size=5
)

_SUITE = {"name", "tests", "failures", "errors", "skipped", "time"}
_CHILDREN = {"testsuites": {"testsuite"}, "testsuite": {"testcase"}, "testcase": {"failure", "skipped"}}
_NEEDED = {
    "testsuites": _SUITE,
    "testsuite": _SUITE,
    "testcase": {"name", "classname", "time"},
    "failure": {"message", "type"},
    "skipped": {"message"},
}


def valid_junit(text):
    """The usual schema: which element holds which, with which attributes, and counts that are true."""
    root = ET.fromstring(text)
    assert root.tag == "testsuites"
    for element in root.iter():
        assert set(element.attrib) == _NEEDED[element.tag]
        assert {child.tag for child in element} <= _CHILDREN.get(element.tag, set())
    cases = root.findall("testsuite/testcase")
    for counts in (root, root.find("testsuite")):
        assert int(counts.get("tests")) == len(cases)
        assert int(counts.get("failures")) == len(root.findall(".//failure"))
        assert int(counts.get("skipped")) == len(root.findall(".//skipped"))
        assert counts.get("errors") == "0"
        assert re.fullmatch(r"\d+\.\d{3}", counts.get("time"))
    return cases


_TEST_LINE = re.compile(r"(ok|not ok) (\d+) - ((?:[^\\#]|\\[\\#])*)( # SKIP .*)?")


def valid_tap(text):
    """TAP 14: version, plan, numbered test points, YAML blocks two columns in."""
    assert text.endswith("\n")
    lines = text[:-1].split("\n")
    assert lines[0] == "TAP version 14"
    points, block = [], None
    for line in lines[2:]:
        if block is not None:
            if line == "  ...":
                assert set(yaml.safe_load("\n".join(block))) >= {"expected", "predicted", "reason"}
                block = None
            else:
                block.append(line)
        elif line == "  ---":
            block = []
        else:
            point = _TEST_LINE.fullmatch(line)
            assert point, line
            points.append((point[1], int(point[2]), bool(point[4])))
    assert block is None
    assert lines[1] == f"1..{len(points)}"
    assert [number for _, number, _ in points] == list(range(1, len(points) + 1))
    return points


def test_junit():
    good, unknown, bad = valid_junit(as_junit(THREE))
    assert len(good) == 0
    assert unknown[0].tag == "skipped"
    assert (bad[0].tag, bad[0].get("message"), bad.get("time")) == ("failure", "a reason", "1.500")
    assert "observed: http_200" in bad[0].text


def test_tap():
    assert valid_tap(as_tap(THREE)) == [("ok", 1, False), ("ok", 2, True), ("not ok", 3, False)]


@given(RESULTS)
def test_whatever_a_name_holds_junit_and_tap_stay_valid(results):
    assert len(valid_junit(as_junit(results))) == len(results)
    words = {Status.PASS: ("ok", False), Status.UNKNOWN: ("ok", True), Status.FAIL: ("not ok", False)}
    assert [(word, skip) for word, _, skip in valid_tap(as_tap(results))] == [words[r.status] for r in results]


def test_people_see_what_failed_first_with_its_reason_and_a_count_last():
    lines = as_text(THREE).splitlines()
    assert [line.split()[1] for line in lines[1:] if line[:1] in "✓✗?" and line] == ["fail", "unknown", "pass"]
    assert lines[2].strip() == "a reason"
    assert lines[-1] == "1 passed, 1 failed, 1 unknown, of 3"
    assert "OBSERVED" in lines[0]
    assert "OBSERVED" not in as_text(THREE[:1])


@pytest.mark.parametrize("output", verify.COMMAND.outputs)
def test_nothing_in_a_name_steers_a_terminal(output):
    text = rendered(answer([result(Status.FAIL, "a\x1b[31mb", "c\x07d\r")]), output)
    assert not {"\x1b", "\x07", "\r"} & set(text)
