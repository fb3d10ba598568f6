"""MT502: a ztunnel's certificate of an identity isn't renewed, isn't there, or isn't the mesh's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.mesh import named, report_of, ztunnels
from meshtui.mesh.report import CertificateFault, CertificateProblem
from meshtui.model.finding import Severity

_WHY = {
    CertificateFault.STUCK: "when it expires, every new connection of these pods fails: ztunnel's log says why it isn't renewed "
    "(certificate renewal failed), and istiod's log why it is refused",
    CertificateFault.EXPIRED: "new connections of these pods fail; open ones go on",
    CertificateFault.EXPIRED_INTERMEDIATE: "nobody can verify these certificates: new connections of these pods fail, "
    "until istiod signs with another one",
    CertificateFault.EXPIRED_ROOT: "nobody trusts certificates of an expired root: new connections of these pods fail; istiod "
    "needs a new root",
    CertificateFault.NOT_YET_VALID: "until then new connections of these pods fail: a clock is wrong, the node's or istiod's",
    CertificateFault.NEVER_VALID: "new connections of these pods fail: what issued it has written its dates wrongly",
    CertificateFault.MISSING: "connections of these pods fail, or come without an identity that policies could allow",
    CertificateFault.UNAVAILABLE: "connections of these pods fail, or come without an identity that policies could allow",
    CertificateFault.UNKNOWN_ROOT: "ends with different roots don't trust each other: connections between them fail",
    CertificateFault.FOREIGN_DOMAIN: "policies that name identities of the mesh's trust domain don't match these pods",
}
_WARNINGS = frozenset({CertificateFault.STUCK, CertificateFault.UNKNOWN_ROOT, CertificateFault.FOREIGN_DOMAIN})
_NO_RESTART = frozenset(
    {
        CertificateFault.EXPIRED_INTERMEDIATE,
        CertificateFault.EXPIRED_ROOT,
        CertificateFault.NOT_YET_VALID,
        CertificateFault.NEVER_VALID,
        CertificateFault.UNKNOWN_ROOT,
        CertificateFault.FOREIGN_DOMAIN,
    }
)
"""Faults that are still there after a restart."""


def _look(context: Context) -> Iterator[Found]:
    """One finding for each node and fault."""
    groups: dict[tuple[str, CertificateFault], list[CertificateProblem]] = defaultdict(list)
    for each in report_of(context).certificates:
        groups[each.node, each.fault].append(each)
    for (node, fault), problems in sorted(groups.items()):
        ref, fix = ztunnels(context, node)
        which = named(each.identity for each in problems)
        said = problems[0].text if len({each.text for each in problems}) == 1 else f"for one {problems[0].text}"
        certificates = "certificate" if len(problems) == 1 else f"{len(problems)} certificates"
        yield Found(
            (ref,),
            f"{certificates} on {node}, {fault.value}: {which}: {said}",
            _WHY[fault],
            Severity.WARNING if fault in _WARNINGS else Severity.ERROR,
            fix=None if fault in _NO_RESTART else fix,
        )


RULE = Rule("MT502", "certificate", Severity.ERROR, _look, asks_mesh=True, breaks=True)
