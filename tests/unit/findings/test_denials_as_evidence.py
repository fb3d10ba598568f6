"""Denials in the logs raise the findings that they are evidence of, and no others."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from meshtui.findings import Report, breaking
from meshtui.findings.evidence import recent, with_evidence
from meshtui.model.denial import DenialKind
from meshtui.model.finding import Finding, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decider
from tests.fakes.frozen import NOW
from tests.unit.test_denials_judged import DENY, DROP, POLICY, denial, judged

ECOM = ObjectRef("Deployment", "ecom", "ecom-service")
OTHER = ObjectRef("Deployment", "ecom", "ui")
SINCE = NOW - timedelta(minutes=10)
DENIED = recent([judged(denial(named=POLICY), DENY)], SINCE)
BREAKING = frozenset({"MT304"})


def finding(*objects, rule="MT304", severity=Severity.WARNING):
    return Finding(rule, "a rule", severity, objects, "what is wrong", "what it causes")


def raised(one, denied=DENIED):
    return with_evidence(Report((one,)), denied, BREAKING).findings[0]


def test_a_policy_that_denied_something_is_worse_than_one_that_may():
    found = raised(finding(POLICY.ref, ECOM))
    assert found.severity is Severity.ERROR
    assert found.why == f"what it causes; 3 connections were denied by {POLICY.ref} in the last 15 minutes"


def test_a_workload_whose_connections_are_denied_is_worse_than_one_that_calls_nobody():
    found = raised(finding(ECOM, severity=Severity.INFO))
    assert found.severity is Severity.WARNING
    assert found.why.endswith(f"3 connections were denied from or to {ECOM} in the last 15 minutes")


def test_denials_of_others_are_no_evidence():
    other = Decider(ObjectRef("AuthorizationPolicy", "inventory", "another"))
    for one in (finding(POLICY.ref, OTHER), finding(other.ref, ECOM), finding(OTHER), finding(POLICY.ref, rule="MT211")):
        report = Report((one,))
        assert with_evidence(report, DENIED, BREAKING) is report


def test_old_ones_and_unexplained_silence_are_no_evidence():
    assert recent([judged(denial(named=POLICY), DENY)], NOW + timedelta(minutes=1)) == {}
    silence = denial(kind=DenialKind.TIMED_OUT)
    assert recent([judged(silence, replace(DENY, outcome="closed"))], SINCE) == {}
    by = DROP.decided_by.ref
    assert raised(finding(by, ECOM), recent([judged(silence, DROP)], SINCE)).severity is Severity.ERROR


def test_the_order_is_that_of_the_new_severities():
    mild, raised_one = finding(OTHER, rule="MT101"), finding(POLICY.ref)
    report = Report((mild, raised_one))
    assert [f.objects for f in with_evidence(report, DENIED, BREAKING).findings] == [(POLICY.ref,), (OTHER,)]


@given(st.lists(st.sampled_from([POLICY.ref, ECOM, OTHER]), min_size=1, max_size=3, unique=True), st.sampled_from(Severity))
def test_nothing_becomes_milder_and_nothing_is_lost(objects, severity):
    one = finding(*objects, severity=severity)
    found = raised(one)
    assert found.severity in {severity, max(severity - 1, Severity.ERROR)}
    assert (found.rule, found.objects, found.message) == (one.rule, one.objects, one.message)
    assert found.why.startswith(one.why)


def test_only_rules_about_connections_that_fail_take_evidence():
    assert {"MT217", "MT301", "MT304"} <= breaking()
    assert not breaking() & {"MT101", "MT208", "MT209", "MT211", "MT302", "MT901"}
