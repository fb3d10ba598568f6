"""Findings: every module of this folder with a ``RULE`` is a rule. Pure."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from meshtui.findings.base import Rule
from meshtui.model.finding import Finding
from meshtui.model.snapshot import Snapshot

__all__ = ["evaluate", "rules"]


@cache
def rules() -> tuple[Rule, ...]:
    """All rules, by id."""
    modules = (importlib.import_module(f"{__name__}.{info.name}") for info in pkgutil.iter_modules(__path__))
    return tuple(sorted((m.RULE for m in modules if hasattr(m, "RULE")), key=lambda rule: rule.id))


def evaluate(snapshot: Snapshot) -> tuple[Finding, ...]:
    """All findings on a snapshot, the worst first."""
    found = [finding for rule in rules() for finding in rule.findings(snapshot)]
    return tuple(sorted(found, key=lambda f: (f.severity, f.rule, f.objects)))
