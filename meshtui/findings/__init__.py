"""Findings: each module of ``rules`` is a rule, and applications add their own. Pure."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from types import ModuleType

from meshtui.engine import Engine
from meshtui.findings import rules
from meshtui.findings.base import NotKnownError, Rule
from meshtui.findings.context import Context
from meshtui.findings.report import NotEvaluated, Report, order
from meshtui.model.finding import Finding
from meshtui.model.snapshot import Snapshot

__all__ = ["NotEvaluated", "Report", "Rule", "all_rules", "breaking", "evaluate", "look", "rules_in"]


def rules_in(package: ModuleType) -> tuple[Rule, ...]:
    """The rules of a package: one in each module."""
    names = (info.name for info in pkgutil.iter_modules(package.__path__))
    return tuple(importlib.import_module(f"{package.__name__}.{name}").RULE for name in names)


@cache
def _own() -> tuple[Rule, ...]:
    return rules_in(rules)


def all_rules(more: Iterable[Rule] = ()) -> tuple[Rule, ...]:
    """The rules for every mesh, and ``more`` rules of applications, sorted by id."""
    return tuple(sorted((*_own(), *more), key=lambda rule: rule.id))


def breaking(more: Iterable[Rule] = ()) -> frozenset[str]:
    """The ids of the rules whose findings are about connections that fail (``Rule.breaks``)."""
    return frozenset(rule.id for rule in all_rules(more) if rule.breaks)


def look(
    snapshot: Snapshot,
    evidence: Mapping[str, object] | None = None,
    engine: Engine | None = None,
    more: Sequence[Rule] = (),
) -> Report:
    """Evaluate all rules, and ``more``. ``evidence`` is observations of applications, ``engine`` an engine on this snapshot."""
    context = Context(snapshot, evidence, engine)
    found: list[Finding] = []
    silent: list[NotEvaluated] = []
    for rule in all_rules(more):
        reason = rule.blind(context)
        if not reason:
            try:
                found += rule.findings(context)
            except NotKnownError as error:
                reason = str(error)
        if reason:
            silent.append(NotEvaluated(rule.id, rule.name, reason, rule.observed))
    return Report(tuple(sorted(found, key=order)), tuple(silent))


def evaluate(snapshot: Snapshot, engine: Engine | None = None) -> tuple[Finding, ...]:
    """All findings of the rules for every mesh, the most severe first, ignored ones last."""
    return look(snapshot, engine=engine).findings
