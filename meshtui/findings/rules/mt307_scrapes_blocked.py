"""MT307: policy blocks Prometheus from scraping."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.engine.classes.classifier import PodClass
from meshtui.findings.base import Found, Rule
from meshtui.findings.callers import meant
from meshtui.findings.context import Context
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.verdict import Decision, Layer
from meshtui.model.workload import Pod

_NAMES = ("app", "app.kubernetes.io/name")
_SCRAPE, _PORT = "prometheus.io/scrape", "prometheus.io/port"


def _look(context: Context) -> Iterator[Found]:
    """Pods with the annotation prometheus.io/scrape, and those whose NetworkPolicies allow a Prometheus by its labels."""
    scrapers = [
        m for m in context.classes if m.pods and "prometheus" in {m.endpoint.pod.labels.get(n) for n in _NAMES if m.endpoint.pod}
    ]
    if not scrapers:
        return
    denied: dict[tuple[ObjectRef, ObjectRef], list[tuple[PodClass, PodClass, int]]] = {}
    by: dict[tuple[ObjectRef, ObjectRef], tuple[ObjectRef | None, str]] = {}
    for source, target, port, words in dict.fromkeys(_wanted(context, scrapers)):
        decided = context.decided(source, target, port)
        if decided.decision is not Decision.DENY or (decided.ruling.layer is Layer.EGRESS_POLICY and words != _SCRAPE):
            continue
        for scraper in context.owners(source):
            for owner in context.owners(target):
                denied.setdefault((scraper, owner), []).append((source, target, port))
                by[scraper, owner] = (decided.ruling.decider.ref if decided.ruling.decider else None, words)
    for (scraper, owner), flows in sorted(denied.items()):
        policy, words = by[scraper, owner]
        yield Found(
            (policy, owner) if policy else (owner,),
            f"{scraper} can't scrape {owner}:{flows[0][2]}",
            f"{words} says that it should; {policy or 'policy'} denies it: no metrics, and no alert that would say so",
            None,
            context.count(flows),
        )


def _wanted(context: Context, scrapers: list[PodClass]) -> Iterator[tuple[PodClass, PodClass, int, str]]:
    for target in context.classes:
        ports = {port for pod in target.pods.values() for port in _annotated(pod)}
        yield from ((source, target, port, _SCRAPE) for source in scrapers for port in sorted(ports))
    numbers = {m.number for m in scrapers}
    for flow in meant(context):
        if flow.source.number in numbers and flow.said_by.kind == "NetworkPolicy":
            yield flow.source, flow.target, flow.port, f"{flow.said_by} {flow.words}"


def _annotated(pod: Pod) -> Iterator[int]:
    notes = pod.meta.annotations
    if notes.get(_SCRAPE) != "true":
        return
    text = notes.get(_PORT, "")
    if text.isdecimal():
        yield int(text)
    elif not text and pod.ports:
        yield pod.ports[0].number


RULE = Rule(
    "MT307", "scrapes blocked", Severity.WARNING, _look, ("NetworkPolicy", "AuthorizationPolicy"), partial=True, breaks=True
)
