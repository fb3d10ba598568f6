"""Keeps the advice on a flow while what it depends on stays the same: a what-if at every tick would be too slow."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from meshtui.engine import Engine
from meshtui.engine.explain.advice import Advice, advise
from meshtui.kinds.kind import Role
from meshtui.kinds.registry import fields_of
from meshtui.model.flow import Flow
from meshtui.model.verdict import Verdict

_READ = fields_of(Role.POLICY, Role.ROUTING, Role.SCOPE)
_KEPT_FOR = timedelta(seconds=10)
"""How long advice is kept while only pods come and go."""


class Adviser:
    """The last advice that a screen showed. It may be called in threads; one flow after the other."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._asked: tuple[Flow, Verdict] | None = None
        self._read: tuple[object, ...] = ()
        self._at: datetime | None = None
        self._advice: Advice | None = None

    def has_seen(self, flow: Flow, verdict: Verdict) -> bool:
        """Whether the last advice, however old, is on this verdict."""
        return self._asked == (flow, verdict)

    def _kept(self, engine: Engine, flow: Flow, verdict: Verdict) -> Advice | None:
        """The last advice, if it is on the same verdict and no policy, route or namespace changed since; None otherwise."""
        if self._at is None or not self.has_seen(flow, verdict) or self._clock() - self._at > _KEPT_FOR:
            return None
        same = all(now is then for now, then in zip(_read(engine), self._read, strict=True))
        return self._advice if same else None

    def of(self, engine: Engine, flow: Flow, verdict: Verdict) -> Advice:
        """The advice on a verdict of this engine."""
        kept = self._kept(engine, flow, verdict)
        if kept is not None:
            return kept
        advice = advise(engine, flow, verdict)
        self._asked, self._read, self._at, self._advice = (flow, verdict), _read(engine), self._clock(), advice
        return advice


def _read(engine: Engine) -> tuple[object, ...]:
    return tuple(getattr(engine.snapshot, name) for name in _READ)
