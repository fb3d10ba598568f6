"""Lines of istio-cni's agent about pods that it couldn't capture again."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.logs.cni_agent import read_agent_line
from meshtui.mesh.observed import with_agents
from meshtui.model.enrolment import Seen
from tests.unit.mesh.test_enrolment import LINE, cluster, pod

FAILED = "failed to reconcile inpod rules for pod, try restarting the pod: can't find netns for pod"


def text(message=FAILED, fields="ns=shop name=web", time="2026-01-01T11:30:00.5Z"):
    return f"{time}\terror\tcni-agent\t{message}\t{fields}"


def in_json(message=FAILED, **fields):
    return json.dumps({"level": "error", "time": "2026-01-01T11:30:00.5Z", "scope": "cni-agent", "msg": message, **fields})


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (text(), ("shop/web", False)),
        (in_json(ns="shop", name="web"), ("shop/web", False)),
        (text("adding pod to the mesh"), ("shop/web", True)),
        (in_json("adding pod to the mesh", ns="shop", name="web"), ("shop/web", True)),
        (text(fields=""), None),
        (text(fields="ns=shop"), None),
        (text("removing pod from mesh"), None),
        (text(time="soon"), None),
        (f"it said: {FAILED}", None),
        ("{" + FAILED, None),
        ("", None),
    ],
)
def test_which_lines_say_something(line, expected):
    found = read_agent_line(line)
    assert (None if found is None else (found.pod, found.added)) == expected


@given(st.text())
def test_any_line_is_read(line):
    read_agent_line(line)
    read_agent_line(FAILED + line)


def test_what_the_agent_could_not_do_is_evidence_until_it_did_it():
    snapshot = cluster(pod("web"))
    failed, added = read_agent_line(text()), read_agent_line(text("adding pod to the mesh", time="2026-01-01T11:31:00Z"))
    found = with_agents({"shop/web": [LINE]}, [failed], snapshot)
    assert [each.seen for each in found["shop/web"]] == [Seen.HBONE_LINE, Seen.CNI_FAILED]
    assert with_agents({}, [added, failed], snapshot) == {}
    assert with_agents({}, [failed], cluster(pod("other"))) == {}
