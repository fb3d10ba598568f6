"""What an application brings to a session: rules, evidence that holds for its pods, and nothing that the core knows by itself."""

import asyncio

from meshtui.findings import all_rules, look
from meshtui.findings.base import Found, Rule
from meshtui.journeys import applications
from meshtui.model.finding import Severity
from meshtui.session import Session
from meshtui.session.application import Application
from meshtui.session.host import SMALL
from meshtui.settings import Settings
from meshtui.sources.manifest_source import ManifestSource
from tests.fakes.frozen import FrozenSource
from tests.fakes.snapshots import namespace, pod, snapshot_of


def _look(context):
    yield Found((), f"{context.evidence['parcels']} parcels wait", "nobody sends them")


async def _gather(*_):
    return 3


RULE = Rule("MT499", "parcels wait", Severity.WARNING, _look, observed="parcels")
PARCELS = Application(
    "parcels",
    "tests",
    (RULE,),
    lambda snapshot, _: frozenset(p.meta.uid for p in snapshot.pods.values() if p.name == "parcels"),
    _gather,
)


def world(address="10.0.0.1", space="a"):
    return snapshot_of([namespace(space), pod(f"{space}/parcels", address)])


def session_with(*known):
    session = Session(ManifestSource(world(), ()), Settings(), applications=known)
    session.publish(world())
    return session


def test_the_core_has_no_rules_about_an_application():
    assert not [rule for rule in all_rules() if rule.observed or rule.id.startswith("MT4")]
    brought = [rule.id for each in applications() for rule in each.rules]
    assert brought == ["MT401", "MT402", "MT403", "MT404"]
    assert {rule.id for rule in all_rules([RULE])} - {rule.id for rule in all_rules()} == {"MT499"}


def test_a_rule_says_which_application_it_needs_to_observe():
    silent = {each.rule: (each.reason, each.observed) for each in look(world(), more=[RULE]).not_evaluated}
    assert silent == {"MT499": ("needs observation of a running parcels", "parcels")}
    assert [f.message for f in look(world(), {"parcels": 2}, more=[RULE]).findings if f.rule == "MT499"] == ["2 parcels wait"]


def test_a_session_knows_the_applications_that_it_is_given():
    assert "MT499" not in {each.rule for each in session_with().looking.report.not_evaluated}
    session = session_with(PARCELS)
    assert "MT499" in {each.rule for each in session.looking.report.not_evaluated}
    assert (session.looking.runs("parcels"), session.looking.runs("bookstore")) == (True, False)


def test_evidence_holds_until_the_application_runs_in_other_pods():
    session = session_with(PARCELS)
    told = []
    session.listen(lambda: told.append(True))
    session.looking.take_evidence("parcels", 3)
    assert [f.message for f in session.findings if f.rule == "MT499"] == ["3 parcels wait"]
    session.looking.take_evidence("parcels", 3)
    assert len(told) == 1, "nothing is new"
    session.publish(world("10.0.0.2"))
    assert "MT499" in {f.rule for f in session.findings}, "the same pods"
    session.publish(world(space="b"))
    assert "MT499" not in {f.rule for f in session.findings}


async def test_on_a_large_cluster_only_follow_starts_to_look():
    many = [pod(f"a/p{n}", f"10.1.{n // 250}.{n % 250 + 1}") for n in range(SMALL + 1)]
    large = snapshot_of([namespace("a"), *many], live=True)
    session = Session(FrozenSource(large), Settings(), applications=(PARCELS,))
    read = asyncio.Event()
    session.listen(read.set)
    session.start()
    try:
        async with asyncio.timeout(60):
            await read.wait()
            assert session.looking.report.findings == session.looking.report.not_evaluated == ()
            before = {task.get_name() for task in asyncio.all_tasks()}
            assert "findings" not in before, "reading what is known starts nothing"
            news = asyncio.Event()
            session.listen(news.set)
            session.looking.follow()
            while not session.looking.report.not_evaluated:
                await news.wait()
                news.clear()
        assert session.looking.report == look(large, more=(RULE,))
    finally:
        await session.stop()
