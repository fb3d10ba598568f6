"""Findings: every module of this folder with a ``RULE`` is a rule. Pure."""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass
from functools import cache

from meshtui.engine import Engine
from meshtui.findings.base import NotKnownError, Rule
from meshtui.findings.context import Context
from meshtui.model.evidence import Evidence
from meshtui.model.finding import Finding
from meshtui.model.snapshot import Snapshot

__all__ = ["NotEvaluated", "Report", "Rule", "evaluate", "look", "rules"]


@dataclass(frozen=True, slots=True)
class NotEvaluated:
    """A rule that says nothing, and why: silence would look like "all is well"."""

    rule: str
    name: str
    reason: str
    observed: bool = False
    """Whether it looks at what a running bookstore shows."""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings, the worst first, those that are ignored last; and the rules that couldn't be evaluated."""

    findings: tuple[Finding, ...]
    not_evaluated: tuple[NotEvaluated, ...] = ()


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, by id."""
    modules = (importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
    return tuple(sorted((m.RULE for m in modules if hasattr(m, "RULE")), key=lambda rule: rule.id))


def look(snapshot: Snapshot, evidence: Evidence | None = None, engine: Engine | None = None) -> Report:
    """Evaluate all rules. ``evidence`` is what was observed beside the snapshot, ``engine`` one on this snapshot."""
    context = Context(snapshot, evidence, engine)
    found: list[Finding] = []
    silent: list[NotEvaluated] = []
    for rule in rules():
        reason = rule.blind(context)
        if not reason:
            try:
                found += rule.findings(context)
            except NotKnownError as error:
                reason = str(error)
        if reason:
            silent.append(NotEvaluated(rule.id, rule.name, reason, rule.observed))
    return Report(tuple(sorted(found, key=_order)), tuple(silent))


def _order(finding: Finding) -> tuple[object, ...]:
    """Ignored ones last; then by severity, flows affected, id, object."""
    return bool(finding.ignored), finding.severity, -finding.flows, finding.rule, finding.objects, finding.message


def evaluate(snapshot: Snapshot, evidence: Evidence | None = None, engine: Engine | None = None) -> tuple[Finding, ...]:
    """All findings, the worst first; those that are ignored last."""
    return look(snapshot, evidence, engine).findings
