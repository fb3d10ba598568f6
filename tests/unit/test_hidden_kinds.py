"""A policy kind of a CNI that is installed and may not be listed is never an allow, for one flow and for all pairs."""

from dataclasses import replace

import pytest

from meshtui.engine.explain.wording import in_words as said
from meshtui.engine.matrix.matrix import Matrix
from meshtui.engine.policy.unmodelled import ADMIN_KINDS
from meshtui.kinds import KINDS
from meshtui.kinds.foreign import CNI_KINDS, PROXY_KINDS
from meshtui.model.snapshot import KindState, KindStatus
from meshtui.model.verdict import Decision
from tests.fakes.snapshots import judge, namespace, pod, snapshot_of

FLOW = "a/web > a/db:5432"


@pytest.mark.parametrize("kind", CNI_KINDS)
def test_policies_of_a_cni_that_may_not_be_listed_are_never_an_allow(kind):
    world = snapshot_of([namespace("a"), pod("a/web", "10.0.0.1"), pod("a/db", "10.0.0.2", [5432])], live=True)
    blind = replace(world, kinds={kind: KindState(KindStatus.FORBIDDEN, "may not be listed", "list")})
    verdict = judge(blind, FLOW)
    assert verdict.decision is Decision.UNKNOWN
    assert any(kind in said(step.reason) for step in verdict.steps)
    not_installed = replace(world, kinds={kind: KindState(KindStatus.NOT_INSTALLED)})
    assert judge(not_installed, FLOW).decision is Decision.ALLOW


def test_every_kind_of_a_cni_that_is_read_is_one_that_may_hide():
    foreign = {kind.name for kind in KINDS.values() if kind.field == "foreign"}
    assert foreign - {*PROXY_KINDS, "DestinationRule", "Sidecar"} == set(CNI_KINDS)


@pytest.mark.parametrize("kind", [*CNI_KINDS, *ADMIN_KINDS, "NetworkPolicy", "Namespace"])
def test_all_pairs_notice_that_a_kind_went_out_of_sight_and_came_back(kind):
    seen = snapshot_of([namespace("a"), pod("a/web", "10.0.0.1"), pod("a/db", "10.0.0.2", [5432])], live=True)
    blind = replace(seen, kinds={kind: KindState(KindStatus.FORBIDDEN, "may not be listed", "list")})
    matrix = Matrix(seen)
    for snapshot, decision in ((seen, Decision.ALLOW), (blind, Decision.UNKNOWN), (seen, Decision.ALLOW)):
        matrix.update(snapshot)
        source, target = matrix.class_of("a/web"), matrix.class_of("a/db")
        assert matrix.cell(source, target).at(5432).decision is decision
