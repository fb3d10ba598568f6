"""Certificates of ztunnels: which of them are faulty, and why."""

from datetime import UTC, datetime, timedelta

import pytest

from meshtui.cli.mesh_report import _certificates_text, is_known
from meshtui.mesh.certificates import certificate_problems
from meshtui.mesh.compare import compare
from meshtui.mesh.report import CertificateFault
from meshtui.ztunnel.dump import CertificateState
from tests.fakes.recordings import recording
from tests.fakes.ztunnels import DAY, NOW, certificate, dump, look_of, stamp

WEB, DB = "spiffe://cluster.local/ns/shop/sa/web", "spiffe://cluster.local/ns/shop/sa/db"


def faults(*dumps, now=NOW, domains=()):
    found = certificate_problems(look_of(*dumps).nodes, now, domains)
    return [(each.node, each.identity.rpartition("/")[2], each.fault) for each in found]


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (DAY * 0.99, []),
        (DAY * 0.5, []),
        (DAY * 0.49, []),
        (DAY * 0.47, [CertificateFault.STUCK]),
        (timedelta(minutes=1), [CertificateFault.STUCK]),
        (timedelta(0), [CertificateFault.EXPIRED]),
        (-DAY, [CertificateFault.EXPIRED]),
    ],
)
def test_a_renewal_is_stuck_when_less_than_half_is_left(left, expected):
    one = certificate(WEB, begins=NOW + left - DAY, ends=NOW + left)
    assert [fault for *_, fault in faults(dump(certificates=[one]))] == expected


@pytest.mark.parametrize(("left", "expected"), [(28, []), (24, [CertificateFault.STUCK])])
def test_a_short_life_leaves_time_for_another_attempt(left, expected):
    """Of one hour, two percent are over before ztunnel has asked a second time: istiod was just restarted."""
    minute = timedelta(minutes=1)
    one = certificate(WEB, begins=NOW + (left - 60) * minute, ends=NOW + left * minute)
    assert [fault for *_, fault in faults(dump(certificates=[one]))] == expected


def test_without_a_time_nothing_is_said_of_times():
    old = certificate(WEB, begins=NOW - 9 * DAY, ends=NOW - 8 * DAY)
    assert certificate_problems(look_of(dump(certificates=[old]), at=None).nodes) == ()


def link(begins, ends):
    return {"serialNumber": "7", "pem": "", "validFrom": begins, "expirationTime": ends}


GOOD, PAST = (stamp(NOW - DAY), stamp(NOW + DAY)), (stamp(NOW - 9 * DAY), stamp(NOW - DAY))
FUTURE, SWAPPED = (stamp(NOW + DAY), stamp(NOW + 2 * DAY)), (stamp(NOW + DAY), stamp(NOW - DAY))
MINUTES = (stamp(NOW + timedelta(minutes=4)), stamp(NOW + DAY))


@pytest.mark.parametrize(
    ("links", "roots", "expected"),
    [
        ([GOOD, GOOD], [GOOD], []),
        ([GOOD, GOOD], [PAST], ["expired root"]),
        ([GOOD, GOOD], [FUTURE], ["not yet valid"]),
        ([GOOD, GOOD], [PAST, GOOD], []),
        ([GOOD, PAST], [GOOD], ["expired intermediate"]),
        ([GOOD, GOOD, SWAPPED], [GOOD], ["never valid"]),
        ([FUTURE, GOOD], [GOOD], ["not yet valid"]),
        ([MINUTES, GOOD], [GOOD], []),
        ([SWAPPED, GOOD], [GOOD], ["never valid"]),
        ([PAST, PAST], [PAST], ["expired", "expired intermediate", "expired root"]),
    ],
)
def test_the_whole_chain_and_its_roots_are_judged(links, roots, expected):
    one = certificate(WEB) | {"certChain": [link(*each) for each in links], "rootCerts": [link(*each) for each in roots]}
    found = certificate_problems(look_of(dump(certificates=[one])).nodes, NOW)
    assert [each.fault.value for each in found] == expected
    assert all(each.identity == WEB and each.node == "a" for each in found)
    report = compare(None, look_of(dump(certificates=[one])))
    assert [each.unjudged for each in report.nodes] == [0]
    assert is_known("certificates", report)


@pytest.mark.parametrize(
    ("links", "roots"),
    [
        ([("", "")], [GOOD]),
        ([("2020-11-27T00:00:00", "2020-11-28T00:00:00")], [GOOD]),
        ([GOOD, ("soon", "")], [GOOD]),
        ([GOOD], [("", "")]),
        ([GOOD], []),
    ],
)
def test_what_cannot_be_judged_is_not_sound(links, roots):
    one = certificate(WEB) | {"certChain": [link(*each) for each in links], "rootCerts": [link(*each) for each in roots]}
    report = compare(None, look_of(dump(certificates=[one])))
    assert (report.certificates, is_known("certificates", report)) == ((), False)
    assert [each.unjudged for each in report.nodes] == [1]
    assert "1 of them is valid isn't known" in _certificates_text(report)
    assert "isn't known" in report.nodes[0].problems[-1]


def test_the_earliest_time_there_is():
    one = dump(certificates=[certificate(WEB)])
    assert [fault for *_, fault in faults(one, now=datetime.min.replace(tzinfo=UTC))] == [CertificateFault.NOT_YET_VALID] * 2


def test_states_without_a_certificate():
    held = [
        certificate(WEB, state="Unavailable: signing gRPC error (Unknown error): client error (Connect)"),
        certificate(DB, state="Initializing"),
        certificate("spiffe://cluster.local/ns/shop/sa/x", state="Resting"),
    ]
    found = certificate_problems(look_of(dump(certificates=held)).nodes, NOW)
    assert [(each.fault, each.text) for each in found] == [
        (CertificateFault.UNAVAILABLE, "signing gRPC error (Unknown error): client error (Connect)"),
        (CertificateFault.MISSING, "requested, and not there yet"),
        (CertificateFault.UNAVAILABLE, "a state that isn't known: Resting"),
    ]


def test_a_captured_pod_whose_identity_is_not_listed():
    pods = [("u1", "shop", "web-1", "web"), ("u2", "shop", "db-0", "db"), ("u3", "shop", "new", "new", "Pending")]
    assert faults(dump(certificates=[certificate(WEB)], pods=pods)) == [("a", "db", CertificateFault.MISSING)]


def test_a_captured_pod_whose_identity_is_not_known_lacks_none():
    pods = [("u1", "shop", "web-1", ""), ("u2", "", "db-0", "db")]
    assert faults(dump(certificates=[certificate(WEB)], pods=pods)) == []


def test_a_root_that_the_others_do_not_have():
    held = [certificate(WEB), certificate(DB)]
    other = [certificate(WEB), certificate(DB, root="another")]
    assert faults(dump("a", certificates=held), dump("b", certificates=other)) == [("b", "db", CertificateFault.UNKNOWN_ROOT)]


def test_a_trust_domain_that_is_not_the_meshs():
    held = [certificate(WEB), certificate(DB), certificate("spiffe://elsewhere/ns/shop/sa/x")]
    assert faults(dump(certificates=held)) == [("a", "x", CertificateFault.FOREIGN_DOMAIN)]
    assert faults(dump(certificates=held), domains=("cluster.local", "elsewhere")) == []


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([certificate(WEB)], [certificate(DB, root="another")]),
        ([certificate(WEB), certificate(DB)], [certificate(WEB, root="another"), certificate(DB, root="another")]),
        ([certificate(WEB)], [certificate("spiffe://elsewhere/ns/shop/sa/x")]),
    ],
)
def test_without_a_majority_nobody_is_accused(first, second):
    report = compare(None, look_of(dump("a", certificates=first), dump("b", certificates=second)))
    assert (report.certificates, is_known("certificates", report)) == ((), False)
    (words,) = report.undecided
    assert "differ without a majority" in words
    assert words in _certificates_text(report)


def test_several_roots_of_each_are_a_majority():
    """During a change of the root everybody has both."""
    both = [certificate(WEB), certificate(DB)]
    for each in both:
        each["rootCerts"] += certificate(WEB, root="new")["rootCerts"]
    report = compare(None, look_of(dump(certificates=both)))
    assert (report.certificates, report.undecided) == ((), ())


def test_the_root_was_the_last_of_the_chain_before():
    one = certificate(WEB)
    one["certChain"] += one.pop("rootCerts")
    look = look_of(dump(certificates=[one]))
    held = look.nodes[0].dump.certificates[0]
    assert held.state is CertificateState.AVAILABLE
    assert len(held.chain) == len(held.roots) == 1


RECORDED = {
    "certificate-expired.worker-1": [("batch", "unavailable")],
    "certificate-ca-unreachable.worker-1": [("nocert", "unavailable")],
    "certificate-renewal-failing.worker-1": [("batch", "stuck renewal")],
    "certificates-available-initializing-unavailable.worker-1": [
        ("batch", "unavailable"),
        ("nocert", "unavailable"),
        ("slowcert", "missing"),
    ],
    "live-connections.worker-1": [],
    "pending-proxy.worker-2": [],
}
"""Files of a recording, and which of their identities have which fault, by what was done (its README)."""


@pytest.mark.parametrize("name", RECORDED)
def test_faults_of_a_real_ztunnel(name):
    look = look_of(recording("config_dump", f"{name}.json").encode())
    moments = [c.leaf.expires for c in look.nodes[0].dump.certificates if c.leaf]
    now = min(moments) - timedelta(seconds=20) if "failing" in name else datetime.fromisoformat("2026-11-25T15:00:00Z")
    found = certificate_problems(look.nodes, now)
    assert [(each.identity.rpartition("/")[2], each.fault.value) for each in found] == RECORDED[name]
