"""What a probe saw before a policy changed is marked; other changes leave it as it is."""

from dataclasses import replace

from meshtui.engine.path.references import parse_flow
from meshtui.model.observation import Observation
from meshtui.session import Session
from meshtui.settings import Settings
from meshtui.sources.manifest_source import ManifestSource
from tests.fakes.observed import store
from tests.fakes.snapshots import namespace, pod, policy, snapshot_of

WEB, DB = pod("a/web", "10.0.0.1"), pod("a/db", "10.0.0.2", [5432])
OPEN = policy("a/np", "podSelector: {matchLabels: {app: db}}\ningress: [{from: [{podSelector: {}}]}]")
ELSEWHERE = policy("b/np", "podSelector: {}")
FLOW = parse_flow("a/web", "a/db:5432")


def probed(*objects):
    session = Session(ManifestSource(snapshot_of(list(objects)), ()), Settings())
    session.publish(snapshot_of(list(objects)))
    store(session, Observation(FLOW, "connected", session.verdict(FLOW)))
    return session


def written_anew(snapshot, name, **labels):
    changed = {
        uid: replace(p, meta=replace(p.meta, resource_version="2", labels=labels)) if p.meta.namespace == name else p
        for uid, p in snapshot.network_policies.items()
    }
    return replace(snapshot, network_policies=changed)


WORLD = [namespace("a"), namespace("b"), WEB, DB, OPEN, ELSEWHERE]


def test_nothing_is_outdated_while_nothing_changes():
    session = probed(*WORLD)
    assert not session.outdated(FLOW)
    session.publish(written_anew(session.snapshot, "b", edited="yes"))
    assert not session.outdated(FLOW), "that policy doesn't judge this flow"


def test_a_policy_that_judges_it_was_written_anew():
    session = probed(*WORLD)
    session.publish(written_anew(session.snapshot, "a", edited="yes"))
    assert session.outdated(FLOW)
    store(session, Observation(FLOW, "connected", session.verdict(FLOW)))
    assert not session.outdated(FLOW), "it was probed again"


def test_a_policy_that_judges_it_is_gone():
    session = probed(*WORLD)
    session.publish(snapshot_of([namespace("a"), WEB, DB]))
    assert session.outdated(FLOW)


def test_what_was_never_probed_is_not_outdated():
    session = probed(*WORLD)
    assert not session.outdated(parse_flow("a/db", "a/web:80"))


def test_a_status_update_of_a_policy_is_no_edit():
    session = probed(*WORLD)
    session.publish(written_anew(session.snapshot, "a"))
    assert not session.outdated(FLOW)
