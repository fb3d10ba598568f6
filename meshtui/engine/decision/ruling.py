"""The rule that determines the deciding layer, for single flows and for all pairs.

Layers are evaluated in order. The first that blocks decides. If none blocks, the first whose result is unknown makes the verdict
unknown. If none is unknown either, the last object that allows is named.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from meshtui.engine.decision.layer_result import LayerResult
from meshtui.model.reason import Code, Reason
from meshtui.model.verdict import CONNECTED, UNKNOWN, Decider, Decision, Layer, StepResult

T = TypeVar("T")

_WITHOUT_A_REQUEST = frozenset(
    {Code.DEPENDS_ON_REQUEST, Code.DEPENDS_ON_OWN_RULES, Code.DEPENDS_ON_GATEWAY_POLICIES, Code.DEPENDS_ON_ROUTE}
)
"""The reasons for an unknown result that a request removes."""
_WHATEVER_THE_REQUEST = frozenset(
    {Code.PROXY_CHANGED, Code.FIELDS_NOT_MODELLED, Code.CUSTOM_AUTHORIZER, Code.CONDITION_NOT_KNOWN}
)
"""The reasons for an unknown result of a proxy that remain with a request."""


def depends_on_request(reason: Reason) -> bool:
    """Whether an unknown result has this reason only because no request is given: its method, path, headers or token decide."""
    if reason.code is not Code.DEPENDS_ON_PROTOCOL:
        return reason.code in _WITHOUT_A_REQUEST
    said = [each for name in ("as_http", "as_tcp") for each in _apart(reason[name])]
    return not any(each.code in _WHATEVER_THE_REQUEST for each in said)


def _apart(reason: Hashable) -> Iterator[Reason]:
    """The single reasons of one that is several."""
    if not isinstance(reason, Reason):
        return
    several = reason["reasons"] if reason.code is Code.SEVERAL else ()
    if not isinstance(several, tuple) or not several:
        yield reason
        return
    for each in several:
        yield from _apart(each)


@dataclass(frozen=True, slots=True)
class Ruling:
    """The layer that decides, its deciding object, and the outcome that a client sees.

    ``on_request``: the verdict is unknown only because no request is given, whose method, path, headers or token decide.
    """

    layer: Layer
    decider: Decider | None = None
    outcome: str = CONNECTED
    on_request: bool = False
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Compute the hash once: few distinct rulings occur, in very many answers."""
        object.__setattr__(self, "_hash", hash((self.layer, self.decider, self.outcome, self.on_request)))

    def __hash__(self) -> int:
        """Equal rulings have equal hashes."""
        return self._hash


@dataclass(frozen=True, slots=True)
class Decided:
    """A verdict without its steps."""

    decision: Decision
    ruling: Ruling
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Compute the hash once."""
        object.__setattr__(self, "_hash", hash((self.decision, self.ruling)))

    def __hash__(self) -> int:
        """Equal verdicts have equal hashes."""
        return self._hash


NOBODY = Ruling(Layer.NONE)


@dataclass(frozen=True, slots=True)
class PortDecision:
    """The results of consecutive layers for a port: the first block, the first unknown, and the last named object that allows."""

    block: Ruling | None = None
    doubt: Ruling | None = None
    allow: Ruling | None = None
    decided: Decided = field(init=False, compare=False, repr=False)
    """The verdict: the first block decides; without one, the first unknown; else the last object that allows is named."""
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Compute the verdict and the hash once: port decisions are looked up far more often than created."""
        if self.block is not None:
            decided = Decided(Decision.DENY, self.block)
        elif self.doubt is not None:
            decided = Decided(Decision.UNKNOWN, self.doubt)
        else:
            decided = Decided(Decision.ALLOW, self.allow or NOBODY)
        object.__setattr__(self, "decided", decided)
        object.__setattr__(self, "_hash", hash((self.block, self.doubt, self.allow)))

    def __hash__(self) -> int:
        """Equal port decisions have equal hashes."""
        return self._hash

    def then(self, later: PortDecision) -> PortDecision:
        """The port decision of these layers followed by later ones. Parts that can no longer decide are dropped."""
        if self.block is not None or later is NOTHING_SAID:
            return self
        if later.block is not None or self is NOTHING_SAID:
            return later
        doubt = _both_doubts(self.doubt, later.doubt)
        return PortDecision(doubt=doubt) if doubt else PortDecision(allow=later.allow or self.allow)


def _both_doubts(first: Ruling | None, later: Ruling | None) -> Ruling | None:
    """The first unknown; a request settles it only if it settles the later one too."""
    if first is None or later is None:
        return first or later
    return replace(first, on_request=False) if first.on_request and not later.on_request else first


NOTHING_SAID = PortDecision()


def port_decision_of(results: Iterable[LayerResult]) -> PortDecision:
    """The port decision of the results of the engine's layers."""
    port_decision = NOTHING_SAID
    for o in results:
        if o.result is StepResult.BLOCK:
            port_decision = port_decision.then(PortDecision(block=Ruling(o.step.layer, o.decider, o.outcome)))
        elif o.result is StepResult.UNKNOWN:
            port_decision = port_decision.then(PortDecision(doubt=_doubt_of(o)))
        elif o.result is StepResult.PASS and o.decider is not None:
            port_decision = port_decision.then(PortDecision(allow=Ruling(o.step.layer, o.decider)))
    return port_decision


def _doubt_of(o: LayerResult) -> Ruling:
    return Ruling(o.step.layer, o.decider, UNKNOWN, on_request=depends_on_request(o.step.reason))


def agreed(verdicts: Sequence[T], decided: Callable[[T], Decided]) -> tuple[Decision, T]:
    """One decision for several verdicts, and the verdict that represents it. ``decided`` returns the decision of one verdict.

    When all decisions agree, the result is the common decision; when one is unknown, unknown, represented by one that a request
    doesn't settle, if there is one; else mixed, represented by the first denial. If several verdicts could represent the
    decision, the one whose deciding object is first by name is returned, so that the answer doesn't depend on the order of pods.
    """
    by_name = sorted(verdicts, key=lambda verdict: _by_decider(decided(verdict)))
    decisions = {decided(verdict).decision for verdict in verdicts}
    if Decision.UNKNOWN in decisions:
        unknown = [v for v in by_name if decided(v).decision is Decision.UNKNOWN]
        return Decision.UNKNOWN, next((v for v in unknown if not decided(v).ruling.on_request), unknown[0])
    if len(decisions) == 1:
        return decisions.pop(), by_name[0]
    return Decision.MIXED, next(v for v in by_name if decided(v).decision in {Decision.DENY, Decision.MIXED})


def agreement(verdicts: Sequence[Decided]) -> Decided:
    """One verdict without steps for several (``agreed``)."""
    decision, first = agreed(verdicts, lambda verdict: verdict)
    return first if decision is first.decision else Decided(decision, first.ruling)


def _by_decider(decided: Decided) -> tuple[bool, str, str]:
    decider = decided.ruling.decider
    return decider is None, str(decider and decider.ref), str(decider)
