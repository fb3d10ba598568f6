"""Certificates that ztunnels hold: renewals that are stuck, chains that aren't valid, missing ones, roots of others.

ztunnel renews a certificate at half of its lifetime (istio/ztunnel src/tls/certificate.rs, refresh_at). One with less than that
left and none newer since isn't being renewed, hours before it expires.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from meshtui.mesh.report import CertificateFault, CertificateProblem
from meshtui.ztunnel.dump import Certificate, CertificateState, IdentityCertificate, NodeDump
from meshtui.ztunnel.look import NodeLook

_LATE = 0.48
"""The part of its lifetime that a certificate has left when its renewal counts as stuck. It is due at a half."""
_RETRIES = timedelta(minutes=5)
"""How late a renewal may be, if the lifetime isn't even shorter: ztunnel tries again after 150 seconds at most."""
_SKEW = timedelta(minutes=5)
"""How far clocks may differ. istiod lets a certificate begin two minutes before it issues it."""
_MOST = 4
"""How many of many roots or trust domains are named."""
_SCHEME = "spiffe://"


def certificate_problems(
    looks: Sequence[NodeLook], now: datetime | None = None, trust_domains: Iterable[str] = ()
) -> tuple[CertificateProblem, ...]:
    """The faulty certificates of all nodes.

    ``now`` is the time to compare with; without it each node's own time (``NodeLook.at``) is, and where that isn't known times
    aren't judged. ``trust_domains`` are the mesh's; without them, the one that more than half of the identities have.
    """
    dumps = [(look, look.dump) for look in looks if look.dump is not None]
    held = [each for _, dump in dumps for each in dump.certificates]
    usual = _majority(*_roots(held))
    domains = frozenset(trust_domains) or _usual_domain(held)
    found: list[CertificateProblem] = []
    for look, dump in dumps:
        at = now or look.at
        for each in dump.certificates:
            found += _of_identity(look.node, each, at, usual, domains)
        found += _missing(look.node, dump)
    return tuple(found)


def may_be_of(dump: NodeDump, at: datetime) -> bool:
    """Whether a dump may have been taken at some time: not if no certificate would be valid, or every renewal stuck.

    A file that was copied has the time of the copying, and one in an archive may have any.
    """
    leaves = [each.leaf for each in dump.certificates if each.leaf is not None and each.leaf.expires is not None]
    return not leaves or any(not is_stuck(leaf, at) and _wrong(leaf, at, CertificateFault.EXPIRED) is None for leaf in leaves)


def certificates_unread(dump: NodeDump) -> bool:
    """Whether a dump's certificates couldn't be read, or aren't in it."""
    return any(problem.startswith("certificates:") for problem in dump.problems)


def not_judged(dump: NodeDump) -> Counter[str]:
    """Of how many certificates it isn't known whether they are valid, by the reason."""
    return Counter(filter(None, map(_why_not_judged, dump.certificates)))


def _why_not_judged(each: IdentityCertificate) -> str:
    if each.state is not CertificateState.AVAILABLE or each.leaf is None:
        return ""
    if any(one.valid_from is None or one.expires is None for one in (*each.chain, *each.roots)):
        return "dates that can't be read"
    return "" if each.roots else "no root"


def trust_domain_of(identity: str) -> str:
    """The trust domain of a SPIFFE identity; empty if it isn't one."""
    return identity.removeprefix(_SCHEME).partition("/")[0] if identity.startswith(_SCHEME) else ""


def is_stuck(certificate: Certificate, now: datetime) -> bool:
    """Whether a certificate that is still valid should have been renewed."""
    if certificate.valid_from is None or certificate.expires is None:
        return False
    lifetime, left = certificate.expires - certificate.valid_from, certificate.expires - now
    late = lifetime / 2 - left
    return timedelta(0) < left < lifetime * _LATE and late > min(_RETRIES, lifetime / 8)


def _of_identity(
    node: str, each: IdentityCertificate, at: datetime | None, root: tuple[str, int], domains: frozenset[str]
) -> Iterable[CertificateProblem]:
    leaf = each.leaf
    expires = leaf.expires if leaf else None
    if each.state is CertificateState.UNAVAILABLE:
        yield CertificateProblem(CertificateFault.UNAVAILABLE, node, each.identity, each.error or "no reason is given")
    elif each.state is CertificateState.INITIALIZING:
        yield CertificateProblem(CertificateFault.MISSING, node, each.identity, "requested, and not there yet")
    elif each.state is CertificateState.UNKNOWN:
        yield CertificateProblem(CertificateFault.UNAVAILABLE, node, each.identity, f"a state that isn't known: {each.error}")
    elif leaf is None:
        yield CertificateProblem(CertificateFault.MISSING, node, each.identity, "it counts as available, and there is none")
    else:
        invalid = tuple(_invalid(node, each, at))
        yield from invalid
        if at is not None and expires is not None and not invalid and is_stuck(leaf, at):
            words = f"it should have been renewed at half of its life, and expires in {_span(expires - at)}"
            yield CertificateProblem(CertificateFault.STUCK, node, each.identity, words, expires)
    own = _fingerprints(each)
    usual, count = root
    if own and usual and usual not in own and leaf is not None:
        words = f"its root is {_short(own[0])}, that of most is {_short(usual)} ({count})"
        yield CertificateProblem(CertificateFault.UNKNOWN_ROOT, node, each.identity, words, expires)
    domain = trust_domain_of(each.identity)
    if domains and domain not in domains:
        words = f"its trust domain is {domain or 'empty'}, the mesh's is {' or '.join(sorted(domains))}"
        yield CertificateProblem(CertificateFault.FOREIGN_DOMAIN, node, each.identity, words, expires)


def _invalid(node: str, each: IdentityCertificate, at: datetime | None) -> Iterable[CertificateProblem]:
    """What of a chain isn't valid. Of several roots one is enough: an old one stays for a while when it is replaced."""
    parts = [
        ("", CertificateFault.EXPIRED, each.chain[:1]),
        ("an intermediate certificate of its chain ", CertificateFault.EXPIRED_INTERMEDIATE, each.chain[1:]),
        ("its root ", CertificateFault.EXPIRED_ROOT, each.roots),
    ]
    for words, expired, certificates in parts:
        wrong = [(one, said) for one in certificates if (said := _wrong(one, at, expired)) is not None]
        if wrong and (certificates is not each.roots or len(wrong) == len(certificates)):
            one, (fault, why) = wrong[-1]
            yield CertificateProblem(fault, node, each.identity, f"{words}{why}", one.expires)


def _wrong(certificate: Certificate, at: datetime | None, expired: CertificateFault) -> tuple[CertificateFault, str] | None:
    """Why a certificate isn't valid at some time, as far as its dates are known."""
    begins, ends = certificate.valid_from, certificate.expires
    if begins is not None and ends is not None and ends <= begins:
        return CertificateFault.NEVER_VALID, f"ends {_date(ends)}, before it begins ({_date(begins)})"
    if at is None:
        return None
    if ends is not None and ends <= at:
        return expired, f"expired {_span(at - ends)} ago"
    if begins is not None and begins - at > _SKEW:
        return CertificateFault.NOT_YET_VALID, f"isn't valid before {_date(begins)}, in {_span(begins - at)}"
    return None


def _date(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _missing(node: str, dump: NodeDump) -> Iterable[CertificateProblem]:
    """The identities of captured pods of which the node's ztunnel has no entry at all."""
    if certificates_unread(dump):
        return
    held = {_path(each.identity) for each in dump.certificates}
    up = (pod for pod in (dump.enrolled or {}).values() if pod.up and pod.namespace and pod.service_account)
    pods = {f"ns/{pod.namespace}/sa/{pod.service_account}" for pod in up}
    domains = _domains(dump.certificates)
    domain = next((name for name, _ in domains.most_common(1)), "")
    for path in sorted(pods - held):
        words = "captured pods of this node have this identity, and its ztunnel has no entry for it"
        yield CertificateProblem(CertificateFault.MISSING, node, f"{_SCHEME}{domain}/{path}", words)


def _path(identity: str) -> str:
    return identity.removeprefix(_SCHEME).partition("/")[2]


def undecided(looks: Sequence[NodeLook], trust_domains: Iterable[str] = ()) -> tuple[str, ...]:
    """What certificates differ in without a majority, so that it isn't known which of them are the mesh's."""
    held = [each for look in looks if look.dump is not None for each in look.dump.certificates]
    roots, total = _roots(held)
    found = [("roots", Counter({_short(root): count for root, count in roots.items()}), total)]
    if not any(trust_domains):
        found.append(("trust domains", _domains(held), len(held)))
    return tuple(f"{what} differ without a majority: {_counts(c)}" for what, c, n in found if c and not _majority(c, n)[0])


def _majority(counts: Counter[str], total: int) -> tuple[str, int]:
    """What more than half have, and how many those are; nothing if there is no such thing."""
    value, count = next(iter(counts.most_common(1)), ("", 0))
    return (value, count) if count * 2 > total else ("", 0)


def _counts(counts: Counter[str]) -> str:
    words = [f"{value or 'empty'} ({count})" for value, count in counts.most_common(_MOST)]
    return ", ".join(words) + (f" and {len(counts) - _MOST} more" if len(counts) > _MOST else "")


def _roots(held: Iterable[IdentityCertificate]) -> tuple[Counter[str], int]:
    """How many certificates have each root, and how many have any: one may have several."""
    several = [roots for each in held if each.leaf is not None and (roots := frozenset(_fingerprints(each)))]
    return Counter(root for roots in several for root in roots), len(several)


def _domains(held: Iterable[IdentityCertificate]) -> Counter[str]:
    return Counter(trust_domain_of(each.identity) for each in held)


def _usual_domain(held: Sequence[IdentityCertificate]) -> frozenset[str]:
    """The trust domain that more than half of the identities have."""
    domains = _domains(held)
    return frozenset(domain for domain in domains if domains[domain] * 2 > len(held))


def _fingerprints(each: IdentityCertificate) -> tuple[str, ...]:
    return tuple(root.fingerprint for root in each.roots if root.fingerprint)


def _short(fingerprint: str) -> str:
    return fingerprint[:12]


def _span(span: timedelta) -> str:
    seconds = int(span.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
