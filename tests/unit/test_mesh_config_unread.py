"""Whoever may not read the mesh's configuration is told what is assumed in its place."""

from dataclasses import replace

from meshtui.engine import Engine
from meshtui.engine.explain.wording import in_words as said
from meshtui.engine.path.references import parse_flow
from meshtui.model.snapshot import MeshConfig
from tests.fakes.snapshots import ambient, namespace, pod, snapshot_of

UNREAD = MeshConfig(unread="configmaps is forbidden")


def assumptions(world, flow):
    snapshot = replace(snapshot_of(world), mesh=UNREAD)
    return tuple(map(said, Engine(snapshot).judge(parse_flow(*flow)).assumptions))


def test_a_verdict_in_the_mesh_says_what_it_assumes():
    world = [ambient("a"), pod("a/web", "10.0.0.1"), pod("a/db", "10.0.0.2", [5432])]
    (said,) = [text for text in assumptions(world, ("a/web", "a/db:5432")) if "root namespace" in text]
    assert said.startswith("trust domain cluster.local and root namespace istio-system: ")
    assert "(configmaps is forbidden)" in said


def test_outside_the_mesh_nothing_depends_on_it():
    world = [namespace("a"), pod("a/web", "10.0.0.1"), pod("a/db", "10.0.0.2", [5432])]
    assert not any("root namespace" in text for text in assumptions(world, ("a/web", "a/db:5432")))
