"""The answer of /healthz/ready."""

import pytest

from meshtui.ztunnel.look import Readiness
from meshtui.ztunnel.readiness import read_readiness
from tests.fakes.recordings import recording

TABLE = [
    (200, "ready\n", Readiness(ready=True)),
    (
        500,
        "not ready, pending: state manager, workload proxy manager\n",
        Readiness(False, ("state manager", "workload proxy manager")),
    ),
    (500, "not ready, pending: workload proxy manager", Readiness(False, ("workload proxy manager",))),
    (500, "not ready, pending: ", Readiness(ready=False)),
    (500, "internal error", None),
    (503, "not ready, pending: x", None),
    (200, "<html>log in</html>", None),
    (200, "", None),
]


@pytest.mark.parametrize(("status", "body", "expected"), TABLE)
def test_answers(status, body, expected):
    assert read_readiness(status, body) == expected


@pytest.mark.parametrize(
    ("name", "pending"),
    [
        ("ready.worker-1", ()),
        ("pending-proxy.worker-2", ()),
        ("not-ready.worker-1", ("state manager", "workload proxy manager")),
        ("cni-agent-away.worker-1", ("workload proxy manager",)),
    ],
)
def test_recordings(name, pending):
    head, _, body = recording("metrics", f"healthz-ready.{name}.txt").replace("\r", "").partition("\n\n")
    assert read_readiness(int(head.split()[1]), body) == Readiness(not pending, pending)
