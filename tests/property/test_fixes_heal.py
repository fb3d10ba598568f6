"""Fixes on random clusters: the finding is gone after each, no error is new, and only flows of the edited policies change."""

import random
from collections import Counter

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtui.findings import look
from tests.fakes.healing import assert_it_heals
from tests.fakes.snapshots import snapshot_of
from tests.reference.clusters import Cluster

RELAXED = settings(deadline=None, suppress_health_check=list(HealthCheck))


def fixable(seed, proxies):
    """A cluster, and its findings with a fix."""
    rng = random.Random(seed)
    objects = Cluster(rng, strange=rng.random() < 0.3, proxies=proxies).objects
    return rng, objects, [finding for finding in look(snapshot_of(objects)).findings if finding.fix is not None]


@given(st.integers(0, 2**40), st.booleans())
@settings(RELAXED, max_examples=25)
def test_a_fix_heals_what_it_names_and_nothing_else_changes(seed, proxies):
    rng, objects, found = fixable(seed, proxies)

    def pairs(snapshot):
        pods = [pod for pod in snapshot.pods.values() if not pod.completed]
        drawn = [(rng.choice(pods), rng.choice(pods)) for _ in range(30)] if pods else []
        return [(source, target) for source, target in drawn if source is not target]

    for finding in found:
        assert_it_heals(objects, finding, pairs)


def test_fixes_are_met():
    met = Counter(finding.rule for seed in range(120) for finding in fixable(seed, seed % 2)[2])
    assert min(met[rule] for rule in ("MT201", "MT301", "MT303", "MT305")) > 2, met
