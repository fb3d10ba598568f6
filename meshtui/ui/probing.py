"""A probe on screen: rows with predicted and observed, the detail of one flow, and the confirmation."""

from __future__ import annotations

from meshtui.engine.explain.wording import in_words
from meshtui.model.enrolment import Proofs
from meshtui.model.flow import Flow
from meshtui.model.observation import Observation
from meshtui.model.verdict import Decision, Verdict
from meshtui.probe.capture import CapturePlan
from meshtui.probe.capture import in_words as in_words_of_batch
from meshtui.probe.plan import Plan
from meshtui.session import Session
from meshtui.ui.document import BAD, DIM, OK, STRONG, WARN, Document, Line, Section, line
from meshtui.ui.ladder import changed_words
from meshtui.ui.verdicts import VERDICTS, agreement, seen_ago
from meshtui.ui.widgets.table import Cell, Column, Row

FROM = Column("FROM", keep=8, least=12)
_BY = Column("BY", keep=4, least=12)
COLUMNS = (
    Column("", keep=11, least=1),
    Column("TO", keep=8, least=12),
    Column("PORT", keep=9, least=4, right=True),
    Column("PREDICTED", keep=11, least=9, stays=True),
    Column("OBSERVED", keep=10, least=9),
    Column("REALITY", keep=12, least=12, stays=True),
    _BY,
    Column("AGE", keep=2, least=4),
)
LAYER_HINTS = {
    "timeout": (
        "a drop on the way: NetworkPolicy of either end, HBONE port 15008",
        "w shows who lets it through; then the CNI's own policies, and whether istio-cni and the CNI run on both nodes",
    ),
    "closed": (
        "a proxy closed it: AuthorizationPolicy or PeerAuthentication at the destination's ztunnel",
        "D shows the ztunnel's own words; then whether the policy has reached that ztunnel",
    ),
    "http_403": (
        "a waypoint or sidecar denied it: AuthorizationPolicy with L7 rules",
        "the waypoint's access log (D), and policies with targetRefs",
    ),
    "http_401": ("a gateway or sidecar wants a token: RequestAuthentication", "the issuer, and whether the request had a token"),
    "refused": ("nobody listens there: readiness, port, targetPort", "the Service's endpoints, and the pod's own log"),
    "connected": (
        "it got through: the policy that should deny it isn't enforced",
        "its selector, whether the pods are in the mesh, and whether the CNI enforces NetworkPolicy at all",
    ),
}
"""By unexpected outcome: what it points to, and what to check first."""
_ORDER = (Decision.ALLOW, Decision.MIXED, Decision.UNKNOWN, Decision.DENY)


def flow_uid(flow: Flow) -> str:
    """The key of a flow's row."""
    return f"{flow.source} {flow.destination}:{flow.port}/{flow.protocol}"


def order(session: Session, flow: Flow, verdict: Verdict) -> tuple[bool, int, str, str, str]:
    """The sort key of a flow: disagreeing observations first, then allowed flows."""
    observation = session.observations.get(flow)
    disagrees = observation is not None and observation.agrees is False and not session.outdated(flow)
    return not disagrees, _ORDER.index(verdict.decision), str(flow.source), str(flow.destination), str(flow.port)


def columns(*, with_source: bool, with_decider: bool) -> tuple[Column, ...]:
    """The columns of the table, with or without the source and the deciding policy."""
    found = (COLUMNS[0], FROM, *COLUMNS[1:]) if with_source else COLUMNS
    return tuple(column for column in found if with_decider or column is not _BY)


def row_of(
    session: Session,
    flow: Flow,
    verdict: Verdict,
    *,
    marked: bool,
    running: str,
    with_source: bool,
    with_decider: bool = True,
) -> Row:
    """A flow's row; ``running`` is the mark of a probe in progress."""
    observation = session.observations.get(flow)
    word, tone = VERDICTS[verdict.decision]
    change = session.change_of(flow)
    was = f" * was {change.before.decision.value}" if change else ""
    by = verdict.decided_by.ref.name if verdict.decided_by else "no policy"
    age = Cell("-", DIM)
    if running:
        observed, reality = Cell(f"{running} running", WARN), Cell("")
    elif observation is None:
        observed, reality = Cell("-", DIM), Cell("")
    else:
        observed = Cell(observation.outcome, OK if observation.reached else "")
        reality = Cell(*agreement(observation, old=session.outdated(flow)))
        age = Cell("", DIM, since=observation.at) if observation.at else age
    cells = (
        _end(str(flow.destination)),
        Cell(str(flow.port) if flow.protocol == "TCP" else f"{flow.port}/{flow.protocol}"),
        Cell(f"{word}{was}", tone, short=f"{word} *" if change else ""),
        observed,
        reality,
        *((Cell(by, DIM),) if with_decider else ()),
        age,
    )
    sources = (_end(str(flow.source)),) if with_source else ()
    return Row(flow_uid(flow), (Cell("●" if marked else " ", STRONG), *sources, *cells), marked=marked)


def _end(reference: str) -> Cell:
    """An end of a flow; the short form is without the kind."""
    parts = reference.split("/")
    return Cell(reference, short=f"{parts[0]}/{parts[-1]}" if len(parts) == 3 else "")


def about(session: Session, flow: Flow, verdict: Verdict) -> Document:
    """Everything about one flow."""
    word, tone = VERDICTS[verdict.decision]
    steps = [
        line((f"{_MARKS[step.result.value]} {step.layer.value}: ", _TONES[step.result.value]), in_words(step.reason))
        for step in verdict.steps
    ]
    change = session.change_of(flow)
    changed = (changed_words(change, session.clock()),) if change else ()
    sections = [Section("Predicted", (line((word, tone), f", the client sees: {verdict.outcome}"), *changed, *steps))]
    sections += [Section("Notes", tuple(line(in_words(note)) for note in verdict.notes))] if verdict.notes else []
    observation = session.observations.get(flow)
    if observation is not None:
        said = Section("Observed", _observed(session, observation))
        loud = observation.agrees is False and not session.outdated(flow)
        sections.insert(0 if loud else len(sections), said)
        if observation.evidence:
            sections.append(Section("ztunnel log", tuple(line(entry.replace("\t", " ")) for entry in observation.evidence)))
    if verdict.assumptions:
        sections.append(Section("Assumed", tuple(line((in_words(each), DIM)) for each in verdict.assumptions)))
    return Document(f"{flow.source} → {flow.destination}:{flow.port}", tuple(sections))


def _observed(session: Session, observation: Observation) -> tuple[Line, ...]:
    old = session.outdated(observation.flow)
    word, tone = agreement(observation, old=old)
    ago = f", {seen}" if (seen := seen_ago(observation, session.clock())) else ""
    lines = [line((f"{word}: ", tone), observation.outcome, (ago, DIM))]
    if old:
        lines.append(line(("the verdict, or a policy that decides it, changed after this probe: r probes it again", WARN)))
    elif observation.agrees is False:
        outcome = observation.outcome
        points, first = LAYER_HINTS.get(outcome, ("the application, and what lies between", "w, and the application's log"))
        lines.append(line((f"reality points to {points}", BAD)))
        lines.append(line(f"check first: {first}"))
    if observation.detail:
        lines.append(line(observation.detail))
    if observation.total_ms is not None:
        connected = f"connected in {observation.connect_ms:.0f} ms, " if observation.connect_ms else ""
        lines.append(line((f"{connected}{observation.total_ms:.0f} ms in all, {observation.bytes_received} bytes", DIM)))
    if observation.pod:
        lines.append(line((f"from {observation.pod.namespace}/{observation.pod.name}", DIM)))
    return tuple(lines)


_MARKS = {"pass": "✓", "block": "✗", "skip": "-", "unknown": "?"}
_TONES = {"pass": OK, "block": BAD, "skip": DIM, "unknown": WARN}
_MOST_SHOWN = 30


def question(plan: Plan, context: str) -> Document:
    """The confirmation: what would be done. Long lists are cut, with their length."""
    pods = [
        line(f"in {b.namespace} as ", (b.service_account, STRONG), f", like {b.stands_for}: {_flows(len(b.targets))}")
        for b in plan.batches
    ]
    sections = [
        Section("", (line("context ", (context, STRONG), f", up to {plan.seconds} s"),)),
        Section("Pods that will be made, and removed again", _first(pods) or (line(("none", DIM)),)),
        Section("Namespaces", (line(", ".join(plan.namespaces) or "none"),)),
    ]
    if plan.refused:
        left_out = [line(f"{r.flow.destination}:{r.flow.port}  ", (r.reason, WARN)) for r in plan.refused]
        sections.append(Section("Left out", _first(left_out)))
    if plan.warnings:
        sections.append(Section("Note", tuple(line((warning, DIM)) for warning in plan.warnings)))
    return Document(f"Probe {_flows(plan.flows)}?", tuple(sections))


def question_of_capture(asked: CapturePlan, node: str, context: str) -> Document:
    """The confirmation of a probe of port 15008: how many pods it asks, and where the probe pods run."""
    plan = asked.plan
    words = line(
        "context ",
        (context, STRONG),
        f": port 15008 of {len(asked.pods)} {'pod' if len(asked.pods) == 1 else 'pods'} of {node}, up to {plan.seconds} s",
    )
    pods = [line(in_words_of_batch(batch)) for batch in plan.batches]
    sections = [
        Section("", (words,)),
        Section("Pods that will be made, and removed again", _first(pods) or (line(("none", DIM)),)),
        Section("Namespaces", (line(", ".join(plan.namespaces) or "none"),)),
    ]
    if asked.left_out:
        left_out = [line(f"{key}  ", (reason, WARN)) for key, reason in asked.left_out.items()]
        sections.append(Section("Left out", _first(left_out)))
    words = line(("a ztunnel answers there with TLS; where none carries the pod, the connection is refused", DIM))
    return Document("Ask from outside the mesh?", (*sections, Section("Note", (words,))))


def proofs_summary(proofs: Proofs) -> str:
    """The result of a probe of port 15008 in one line."""
    yes = sum(each.says for each in proofs.evidence.values())
    counts = {"answered": yes, "refused": len(proofs.evidence) - yes, "not known": len(proofs.unknown)}
    return ", ".join(f"{number} {word}" for word, number in counts.items() if number) + "; the probe pods are removed"


def _first(lines: list[Line]) -> tuple[Line, ...]:
    more = (line((f"and {len(lines) - _MOST_SHOWN} more", DIM)),) if len(lines) > _MOST_SHOWN else ()
    return (*lines[:_MOST_SHOWN], *more)


def summary(observations: list[Observation]) -> Line:
    """The result of a run in one line."""
    agree = sum(o.agrees is True for o in observations)
    disagree = sum(o.agrees is False for o in observations)
    silent = len(observations) - agree - disagree
    words: list[str | tuple[str, str]] = [(f"{agree} agree", OK if agree else DIM), " · "]
    words.append((f"≠ {disagree} DISAGREE" if disagree else "0 disagree", BAD if disagree else DIM))
    words += [" · ", (f"{silent} can't tell", WARN if silent else DIM), "; the probe pods are removed"]
    return line(*words)


def progress(done: int, total: int, elapsed_s: float, most_s: int) -> Line:
    """The flows that are answered, and the remaining time: estimated from the elapsed time, at most the maximum of the plan."""
    rest = max(0.0, most_s - elapsed_s)
    left_s = min(rest, elapsed_s / done * (total - done)) if done else rest
    keys = "Ctrl-C stops it, Esc stops and leaves"
    return line((f"probing: {done} of {_flows(total)} answered, about {left_s:.0f} s left; {keys}", WARN))


def _flows(number: int) -> str:
    return f"{number} flow" if number == 1 else f"{number} flows"
