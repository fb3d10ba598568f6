"""What a look at the mesh's own parts adds to a check: where nothing could be read, its rules aren't evaluated."""

import asyncio
from dataclasses import replace

import pytest

from meshtui.cli import findings, mesh_live
from meshtui.mesh.compare import compare
from meshtui.ztunnel.look import MeshLook, NodeLook
from tests.fakes.ztunnels import NOW, dump, look_of, workload
from tests.unit.mesh.test_enrolment import cluster, pod

FORBIDDEN = NodeLook("a", "istio-system/ztunnel-a", at=NOW, problems=("config dump: forbidden",))
READ = look_of(dump(pods=[("Pod/shop/web", "shop", "web", "web")], workloads=[workload("shop", "web")])).nodes[0]


def checked(monkeypatch, snapshot, *looks):
    report = compare(snapshot, MeshLook(NOW, looks), {}, NOW)

    async def looked(*_, **__):
        return report, snapshot

    monkeypatch.setattr(mesh_live, "look_again", looked)
    return asyncio.run(findings._of_mesh(snapshot, None))[1]


@pytest.mark.parametrize(
    ("looks", "names"),
    [
        ((FORBIDDEN,), set()),
        ((replace(READ, node="b"), FORBIDDEN), {"mesh"}),
        ((READ,), {"mesh"}),
        ((), set()),
    ],
)
def test_without_any_dump_the_rules_are_not_evaluated(monkeypatch, looks, names):
    assert checked(monkeypatch, cluster(pod("web")), *looks).keys() == names


def test_a_pending_pod_is_told_without_a_dump_too(monkeypatch):
    assert checked(monkeypatch, cluster(pod("web", redirection="pending")), FORBIDDEN).keys() == {"mesh"}


@pytest.mark.parametrize(("names", "said"), [(["web"], "1 pod isn't"), (["web", "catalog"], "2 pods aren't"), ([], "")])
def test_that_logs_were_not_read_is_said(monkeypatch, capsys, names, said):
    """A refused 15008 and istio-cni's errors are in logs only."""
    seen = [(f"Pod/shop/{name}", "shop", name, name) for name in names]
    look = look_of(dump(pods=seen, workloads=[workload("shop", name) for name in names])).nodes[0]
    checked(monkeypatch, cluster(*map(pod, names)), look)
    words = capsys.readouterr().err
    assert (f"{said} proven to be captured" in words, "mesh status" in words) == (bool(said), bool(said))


def test_a_node_that_could_not_be_read_is_named(monkeypatch, capsys):
    checked(monkeypatch, cluster(pod("web")), replace(READ, node="b"), FORBIDDEN)
    assert "a: config dump: forbidden" in capsys.readouterr().err
