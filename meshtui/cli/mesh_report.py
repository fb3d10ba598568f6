"""The answers of ``meshtui mesh``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from meshtui.cli.answer import Answer, Column, Record, key
from meshtui.model.plain import clean

if TYPE_CHECKING:
    from meshtui.mesh.report import CertificateProblem, Difference, MeshReport, NodeState
    from meshtui.model.enrolment import Enrolment
    from meshtui.model.snapshot import Snapshot

_LONGEST = 300
"""The most characters of a value in the text. The other outputs have all."""
_TEXT_OF_EACH = 20
"""The most differences of one node that the text names."""


def status_answer(report: MeshReport, snapshot: Snapshot | None) -> Answer:
    """One row per node; the JSON has the pods that aren't proven to be captured, too."""
    rows = [_node(each) for each in report.nodes]
    document = {
        **_common(report),
        "nodes": rows,
        "pods": [_pod(snapshot, uid, each) for uid, each in report.enrolments.items()] if snapshot is not None else [],
        "drift": len(report.differences),
        "faulty_certificates": len(report.certificates),
        "probed": _probed(report),
    }
    columns = (
        Column("NODE", key("node")),
        Column("ZTUNNEL", key("ztunnel"), wide=True),
        Column("VERSION", key("version")),
        Column("READY", lambda row: _yes(row["ready"])),
        Column("CAPTURED", _captured),
        Column("CERTIFICATES", _certificates),
        Column("DRIFT", _drift),
        Column("ISTIOD", lambda row: {True: "not acknowledged", False: "synced", None: ""}[row["behind"]]),
        Column("PROBLEM", lambda row: "; ".join(row["problems"])),
    )
    return Answer(document, rows, columns, lambda row: [row["node"]], {"text": lambda: _status_text(report, snapshot)})


def drift_answer(report: MeshReport) -> Answer:
    """One row per difference."""
    rows = [_difference(each) for each in report.differences]
    columns = (
        Column("NODE", key("node")),
        Column("OBJECT", key("name")),
        Column("FIELD", key("field")),
        Column("EXPECTED", key("expected")),
        Column("BY", key("by")),
        Column("FOUND", key("found")),
    )
    compared = [each.node for each in report.nodes if each.drift is not None]
    left_out = [{"node": each.node, "what": list(each.not_compared)} for each in report.nodes if each.not_compared]
    document = {**_common(report), "compared": compared, "not_compared": left_out, "differences": rows}
    return Answer(document, rows, columns, _object_names, {"text": lambda: _drift_text(report)})


def certificates_answer(report: MeshReport) -> Answer:
    """One row per faulty certificate."""
    rows = [_certificate(each) for each in report.certificates]
    columns = (
        Column("NODE", key("node")),
        Column("IDENTITY", key("identity")),
        Column("FAULT", key("fault")),
        Column("EXPIRES", key("expires")),
        Column("WHY", key("text")),
    )
    document = {**_common(report), "certificates": rows, "read": sum(each.certificates or 0 for each in report.nodes)}
    document |= {"unjudged": sum(each.unjudged for each in report.nodes), "undecided": list(report.undecided)}
    return Answer(document, rows, columns, lambda row: [row["identity"]], {"text": lambda: _certificates_text(report)})


def _common(report: MeshReport) -> dict[str, Any]:
    return {"at": _time(report.at), "missing": list(report.missing)}


def _node(each: NodeState) -> dict[str, Any]:
    return {
        "node": each.node,
        "ztunnel": each.ztunnel,
        "version": each.version,
        "ready": each.ready,
        "captured": each.captured,
        "supposed": each.supposed,
        "certificates": each.certificates,
        "faulty_certificates": each.faulty,
        "unjudged_certificates": each.unjudged,
        "drift": each.drift,
        "not_compared": list(each.not_compared),
        "behind": each.behind,
        "at": _time(each.at),
        "problems": list(each.problems),
    }


def _pod(snapshot: Snapshot, uid: str, each: Enrolment) -> dict[str, Any]:
    pod = snapshot.pods.get(uid)  # type: ignore[call-overload]
    return {
        "pod": pod.key if pod else uid,
        "node": pod.node if pod else "",
        "capture": each.capture.value,
        "evidence": [
            {"captured": one.says, "seen": one.seen.value, "text": one.text, "at": _time(one.at)} for one in each.evidence
        ],
    }


def _probed(report: MeshReport) -> list[dict[str, Any]] | None:
    if report.probed is None:
        return None
    rows = [{"pod": name, "captured": one.says, "text": one.text} for name, one in report.probed.evidence.items()]
    rows += [{"pod": name, "captured": None, "text": why} for name, why in report.probed.unknown.items()]
    return sorted(rows, key=key("pod"))


def _difference(each: Difference) -> dict[str, Any]:
    ref = each.ref
    return {
        "between": each.between.value,
        "node": each.node,
        "name": each.name,
        "object": {"kind": ref.kind, "namespace": ref.namespace, "name": ref.name} if ref else None,
        "field": each.field,
        "expected": each.expected,
        "by": each.by,
        "found": each.found,
        "dangerous": each.dangerous,
        "consequence": each.consequence,
    }


def _certificate(each: CertificateProblem) -> dict[str, Any]:
    return {
        "node": each.node,
        "identity": each.identity,
        "fault": each.fault.value,
        "expires": _time(each.expires),
        "text": each.text,
    }


def _object_names(row: Record) -> list[str]:
    found = row["object"]
    return ["/".join(part for part in (found["namespace"], found["kind"], found["name"]) if part)] if found else []


def _time(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _yes(value: bool | None) -> str:
    return {True: "yes", False: "no", None: ""}[value]


def _captured(row: Record) -> str:
    captured, supposed = row["captured"], row["supposed"]
    if captured is None and supposed is None:
        return ""
    return f"{'?' if captured is None else captured}{'' if supposed is None else f'/{supposed}'}"


def _drift(row: Record) -> str:
    return "" if row["drift"] is None else f"{row['drift']}{'?' if row['not_compared'] else ''}"


def _certificates(row: Record) -> str:
    if row["certificates"] is None:
        return ""
    faulty = row["faulty_certificates"]
    return f"{row['certificates']}{'?' if row['unjudged_certificates'] else ''}{f' ({faulty} faulty)' if faulty else ''}"


def _status_text(report: MeshReport, snapshot: Snapshot | None) -> str:
    from meshtui.cli.tables import laid_out

    lines = [laid_out(status_answer(report, None).rows(wide=False))] if report.nodes else ["no ztunnel was found\n"]
    if snapshot is not None:
        lines.append(_pods_text(report, snapshot) + _probed_text(report))
    lines.append(_counts(report))
    return "\n".join(line for line in lines if line)


def _pods_text(report: MeshReport, snapshot: Snapshot) -> str:
    from meshtui.model.enrolment import Capture

    counts = dict.fromkeys(Capture, 0)
    named: list[str] = []
    for uid, each in report.enrolments.items():
        counts[each.capture] += 1
        pod = snapshot.pods.get(uid)
        if pod is not None and each.capture in {Capture.LOST, Capture.PENDING}:
            why = each.against[0].text if each.against else ""
            named.append(_line(f"  {each.capture.value}: {pod.key}{f' on {pod.node}' if pod.node else ''}: {why}"))
    said = ", ".join(f"{number} {capture.value}" for capture, number in counts.items() if number)
    return f"pods that should be captured: {said or 'none'}\n" + "".join(named)


def _probed_text(report: MeshReport) -> str:
    """What a probe from outside the mesh showed: how many answered, and why nothing is known of the others."""
    if report.probed is None:
        return ""
    evidence, unknown = report.probed.evidence, report.probed.unknown
    if not evidence and not unknown:
        return ""
    yes = sum(each.says for each in evidence.values())
    counts = {"answered": yes, "refused": len(evidence) - yes, "unknown": len(unknown)}
    said = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
    named = [_line(f"  unknown: {name}: {why}") for name, why in sorted(unknown.items())[:_TEXT_OF_EACH]]
    if len(unknown) > len(named):
        named.append(f"  and {len(unknown) - len(named)} more: -o json has all\n")
    return f"probed from outside the mesh, port 15008: {said}\n" + "".join(named)


def _counts(report: MeshReport) -> str:
    drift, faulty = len(report.differences), len(report.certificates)
    words = f"{drift} differences: meshtui mesh drift\n" if drift else _no_drift(report)
    return words + (f"{faulty} faulty certificates: meshtui mesh certificates\n" if faulty else _no_fault(report))


def _drift_text(report: MeshReport) -> str:
    if not report.differences:
        return _no_drift(report)
    blocks: list[str] = []
    for node in dict.fromkeys(each.node for each in report.differences):
        found = [each for each in report.differences if each.node == node]
        lines = [_line(f"{node or 'the mesh'}: {len(found)} {'difference' if len(found) == 1 else 'differences'}")]
        shown = sorted(found, key=lambda each: not each.dangerous)[:_TEXT_OF_EACH]
        lines += map(_in_words, shown)
        if len(found) > len(shown):
            lines.append(f"  and {len(found) - len(shown)} more: -o json has all\n")
        blocks.append("".join(lines))
    left_out = _not_compared(report)
    return "\n".join([*blocks, *([f"what could be compared:\n{left_out}"] if left_out else [])])


def _not_compared(report: MeshReport) -> str:
    """The lists of each node that were compared, and those that weren't, where not all were."""
    from meshtui.mesh.between import WORDS

    nodes = [each for each in report.nodes if each.not_compared]
    lines = []
    for each in nodes[:_TEXT_OF_EACH]:
        compared = [word for word in WORDS.values() if word not in each.not_compared]
        lines.append(_line(f"  {each.node}: {', '.join(compared) or 'nothing'}; not compared: {', '.join(each.not_compared)}"))
    if len(nodes) > len(lines):
        lines.append(f"  and {len(nodes) - len(lines)} more: -o json has all\n")
    return "".join(lines)


def _in_words(each: Difference) -> str:
    mark = "!" if each.dangerous else " "
    place = f", {each.field}" if each.field else ""
    values = f"{_cut(each.found) or 'missing'}; {each.by}: {_cut(each.expected) or 'nothing'}"
    consequence = _line(f"      {each.consequence}") if each.dangerous and each.consequence else ""
    return _line(f"{mark} {each.name}{place}: {values}") + consequence


def _line(text: str) -> str:
    """One line: what a dump says can't begin another one."""
    return f"{clean(text)}\n"


def _cut(text: str) -> str:
    """The beginning of a text that may have hundreds of addresses."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _no_drift(report: MeshReport) -> str:
    nodes = [each.node for each in report.nodes if each.drift is not None]
    if not nodes:
        return "drift isn't known: nothing could be compared\n"
    if any(each.not_compared for each in report.nodes):
        return f"no drift in what could be compared:\n{_not_compared(report)}"
    if len(nodes) < len(report.nodes):
        return f"no drift: {len(nodes)} of {len(report.nodes)} ztunnels could be compared\n"
    if len(nodes) == 1:
        return _line(f"no drift: the ztunnel on {nodes[0]} was compared")
    return f"no drift: {len(nodes)} ztunnels were compared\n"


def _no_fault(report: MeshReport) -> str:
    read = [each for each in report.nodes if each.certificates is not None]
    if not read:
        return "certificates aren't known: none could be read\n"
    among = f"no faulty certificate among {sum(each.certificates or 0 for each in read)}"
    undated = [each.node for each in read if each.at is None]
    unjudged = sum(each.unjudged for each in read)
    if unjudged:
        among += f", but whether {unjudged} of them {'is' if unjudged == 1 else 'are'} valid isn't known"
    elif undated:
        among += f", but whether those of {', '.join(undated)} are old isn't known"
    elif report.undecided:
        among += ", but it isn't known which are the mesh's"
    if unjudged or undated or report.undecided:
        return "".join([_line(among), *_undecided(report)])
    some = f": {len(read)} of {len(report.nodes)} nodes could be read" if len(read) < len(report.nodes) else ""
    return f"{among}{some}\n"


def _certificates_text(report: MeshReport) -> str:
    if not report.certificates:
        return _no_fault(report)
    lines = [_line(f"{each.node}  {each.identity}: {each.fault.value}: {each.text}") for each in report.certificates]
    return "".join([*lines, *_undecided(report)])


def _undecided(report: MeshReport) -> list[str]:
    return list(map(_line, report.undecided))


ANSWERS: dict[str, Callable[[MeshReport, Snapshot | None], Answer]] = {
    "status": status_answer,
    "drift": lambda report, _: drift_answer(report),
    "certificates": lambda report, _: certificates_answer(report),
}
"""The answer by the command's first word."""


def is_known(what: str, report: MeshReport) -> bool:
    """Whether what the command is about could be seen: of drift all of each dump that there is, else anything."""
    drift = any(each.drift is not None for each in report.nodes)
    whole = drift and not any(each.not_compared for each in report.nodes)
    certificates = [each for each in report.nodes if each.certificates is not None]
    dated = any(each.at is not None for each in certificates)
    judged = dated and not report.undecided and not any(each.unjudged for each in certificates)
    return {"drift": whole, "certificates": judged, "status": drift or bool(certificates)}[what]


def says_no(what: str, report: MeshReport) -> bool:
    """Whether there is what the command's exit code 1 stands for."""
    from meshtui.model.enrolment import Capture

    bad = {Capture.LOST, Capture.PENDING}
    parts: dict[str, Sequence[object]] = {
        "drift": report.differences,
        "certificates": report.certificates,
        "status": (
            *report.differences,
            *report.certificates,
            *(each for each in report.enrolments.values() if each.capture in bad),
        ),
    }
    return bool(parts[what])
