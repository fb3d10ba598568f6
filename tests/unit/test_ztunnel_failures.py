"""Lines of ztunnel's access log and the causes of what failed: unknown where the line may have several."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshtui.logs.failures import WORDS, Failure, failure_of
from meshtui.logs.ztunnel import AccessLine, parse_access_line

POD, PEER = "10.244.2.12", "10.244.1.10"


def line(error, direction="outbound", addr=f"{POD}:15008", inner=f"{POD}:8080"):
    fields = {"src.addr": f"{PEER}:40000", "dst.addr": addr, "direction": direction, "error": error}
    fields |= {"dst.hbone_addr": inner} if inner else {}
    return AccessLine("2026-11-25T13:52:16.492907Z", "error", "connection complete", fields)


REJECTED = "connection closed due to policy rejection"
VIP = {"inner": "10.96.0.21:80"}
PLAIN = {"addr": f"{POD}:8080", "inner": ""}
IN = {"direction": "inbound"}
SIGNING = "signing gRPC error (The service is currently unavailable): CA is not ready"
ALERT = "tls handshake error: Custom { kind: InvalidData, error: "
ROWS = [
    (f"{REJECTED}: allow policies exist, but none allowed", IN, Failure.POLICY),
    (f"{REJECTED}: explicitly denied by: shop/deny-batch", IN, Failure.POLICY),
    (f"{REJECTED}: explicitly denied by: istio-system/istio_converted_static_strict", IN | PLAIN, Failure.POLICY),
    ("connection closed due to policy change", IN, Failure.POLICY),
    ("http status: 401 Unauthorized", {}, Failure.POLICY),
    ("http status: 401 Unauthorized", {"addr": "[fd00::2]:15008", "inner": "[fd00::2]:8080"}, Failure.POLICY),
    ("http status: 401 Unauthorized", VIP, Failure.UNKNOWN),
    ("http status: 401 Unauthorized", {"inner": "remote.shop.svc.cluster.local:80"}, Failure.UNKNOWN),
    ("http status: 503 Service Unavailable", {}, Failure.UNKNOWN),
    ("http status: 503 Service Unavailable", VIP, Failure.UNKNOWN),
    ("http status: 400 Bad Request", {}, Failure.UNKNOWN),
    ("io error: Connection refused (os error 111)", {}, Failure.HBONE_CLOSED),
    ("io error: Connection refused (os error 111)", VIP, Failure.PROXY_CLOSED),
    ("io error: Connection refused (os error 111)", {"addr": "10.244.2.20:15008"}, Failure.PROXY_CLOSED),  # a pod's own waypoint
    ("io error: Connection refused (os error 111)", {"inner": "remote.shop.svc.cluster.local:80"}, Failure.PROXY_CLOSED),
    ("io error: Connection refused (os error 111)", {"inner": ""}, Failure.HBONE_CLOSED),
    ("io error: Connection refused (os error 111)", {"addr": "[fd00::2]:15008", "inner": "[fd00::2]:80"}, Failure.HBONE_CLOSED),
    ("io error: Connection refused (os error 111)", PLAIN, Failure.REFUSED),
    ("connection failed: Connection refused (os error 111)", IN, Failure.NOT_LISTENING),
    ("connection failed: Connection refused (os error 111)", IN | PLAIN, Failure.NOT_LISTENING),
    ("io error: Connection refused (os error 111)", {"direction": ""}, Failure.UNKNOWN),
    ("io error: No route to host (os error 113)", PLAIN, Failure.UNKNOWN),
    ("io error: deadline has elapsed", PLAIN, Failure.UNKNOWN),
    ("connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: deadline has elapsed", {}, Failure.HBONE_SILENT),
    ("connection timed out, maybe a NetworkPolicy is blocking HBONE port 15008: deadline has elapsed", VIP, Failure.HBONE_SILENT),
    ("connection closed due to connection drain", IN, Failure.DRAINING),
    ("connection closed due to connection drain", {}, Failure.DRAINING),
    ("failed to fetch information about local workload: late.shop (late-77c5d4f6b9-5kwvd)", {}, Failure.STATE),
    ("failed to fetch information about local workload: late.shop (late-77c5d4f6b9-5kwvd)", IN, Failure.STATE),
    (f"identity error: {SIGNING}", {}, Failure.CERTIFICATE),
    (f"signing error: {SIGNING}", IN, Failure.CERTIFICATE),
    ("identity error: did not find expected SAN: spiffe://cluster.local/ns/shop/sa/late", {}, Failure.CERTIFICATE),
    ("io error: invalid peer certificate: UnknownIssuer", {}, Failure.CERTIFICATE),
    ("io error: invalid peer certificate: Expired", {}, Failure.CERTIFICATE),
    ("io error: invalid peer certificate: Other(OtherError(identity verification error))", {}, Failure.CERTIFICATE),
    ("connection closed: peer certificate revoked by CRL", IN, Failure.CERTIFICATE),
    ("h2 failed: received fatal alert: CertificateRevoked", {}, Failure.CERTIFICATE),
    ("io error: received fatal alert: BadCertificate", {}, Failure.CERTIFICATE),
    (ALERT + "AlertReceived(CertificateUnknown) }", IN, Failure.CERTIFICATE),
    (ALERT + "AlertReceived(UnknownCA) }", IN, Failure.CERTIFICATE),
    (ALERT + "AlertReceived(CertificateExpired) }", IN, Failure.CERTIFICATE),
    (ALERT + "InvalidCertificate(Revoked) }", IN, Failure.CERTIFICATE),
    (ALERT + "InvalidMessage(InvalidContentType) }", IN, Failure.UNKNOWN),
    (ALERT + "AlertReceived(HandshakeFailure) }", IN, Failure.UNKNOWN),
    ("io error: tls handshake eof", {}, Failure.UNKNOWN),
    ("h2 failed: connection error detected: frame with invalid size", {}, Failure.UNKNOWN),
    ("no healthy upstream: 10.96.0.19:80", {"addr": "10.96.0.19:80", "inner": ""}, Failure.UNKNOWN),
    ("unknown waypoint: waypoint nowhere.shop.svc.cluster.local not found", PLAIN, Failure.UNKNOWN),
    ("attempted recursive call to ourselves", IN, Failure.UNKNOWN),
    ("while closing connection: send: io error: broken pipe", {}, Failure.UNKNOWN),
    ("something that no version has said yet", {}, Failure.UNKNOWN),
    # of other versions, by public issues: istio/istio 53971, 55937, 57259, 61182; istio/ztunnel 1316, 1613, 1686
    ("receive: client disconnected before all data was written", IN, Failure.UNKNOWN),
    ("io error: Cannot assign requested address (os error 99)", {}, Failure.UNKNOWN),
    ("io error: Connection timed out (os error 110)", PLAIN, Failure.UNKNOWN),
    ("io error: Connection reset by peer (os error 104)", {}, Failure.UNKNOWN),
    ("io error: unexpected end of file", {}, Failure.UNKNOWN),
    ("connection failed: deadline has elapsed", IN, Failure.UNKNOWN),
    ("connection failed: Connection refused (os error 111)", {}, Failure.HBONE_CLOSED),
    ("io error: invalid peer certificate: ApplicationVerificationFailure", {}, Failure.CERTIFICATE),
    ("io error: invalid peer certificate: Other(OtherError(SanError([], [Spiffe { }])))", {}, Failure.CERTIFICATE),
    ("io error: invalid peer certificate: BadSignature", {}, Failure.CERTIFICATE),
    ("io error: invalid peer certificate: NotValidForName", {}, Failure.CERTIFICATE),
    ("identity error: the identity is no longer needed", {}, Failure.CERTIFICATE),
    ("tls handshake error: Timeout during TLS handshake", IN, Failure.UNKNOWN),
    ("http2 handshake failed: connection closed", {}, Failure.UNKNOWN),
    ("http status: 502 Bad Gateway", VIP, Failure.UNKNOWN),
    (f"{REJECTED}: workload not found", IN, Failure.POLICY),
]  # fmt: skip


@pytest.mark.parametrize(("error", "more", "wanted"), ROWS, ids=[f"{row[0][:60]} {sorted(row[1])}" for row in ROWS])
def test_a_line_has_its_cause(error, more, wanted):
    assert failure_of(line(error, **more)) is wanted


def test_a_connection_that_did_not_fail_has_none():
    assert failure_of(line("")) is None


def test_every_class_is_met_and_has_words():
    assert {row[2] for row in ROWS} == set(Failure) == set(WORDS)
    assert [failure for failure, words in WORDS.items() if not words] == [Failure.POLICY, Failure.UNKNOWN]


@given(st.text(min_size=1), st.sampled_from(["inbound", "outbound", ""]), st.text(), st.text())
def test_any_error_has_a_class(error, direction, addr, inner):
    assert failure_of(line(error, direction, addr, inner)) in Failure


@pytest.mark.parametrize("form", ["json", "text"])
def test_it_is_read_in_both_forms(form):
    error = "io error: Connection refused (os error 111)"
    raw = {
        "json": f'{{"level":"error","time":"2026-11-25T13:52:16.49Z","scope":"access","message":"connection complete",'
        f'"dst.addr":"{POD}:15008","dst.hbone_addr":"{POD}:8080","direction":"outbound","error":"{error}"}}',
        "text": f"2026-11-25T13:52:16.49Z\terror\taccess\tconnection complete\tdst.addr={POD}:15008 "
        f'dst.hbone_addr={POD}:8080 direction="outbound" error="{error}"',
    }[form]
    assert failure_of(parse_access_line(raw)) is Failure.HBONE_CLOSED
