"""The bookstore's six acceptance criteria, and the conditions of each. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from meshtui.engine import Engine
from meshtui.engine.expect.verification import Result, Status
from meshtui.engine.explain.expectations import why
from meshtui.journeys.bookstore.hops import reserve_hop
from meshtui.journeys.bookstore.shop import Answer
from meshtui.journeys.bookstore.trace import RESERVE, StepState, Trace
from meshtui.logs.ztunnel import parse_access_line
from meshtui.model.ids import principal
from meshtui.model.snapshot import KindStatus
from meshtui.model.workload import Pod
from meshtui.settings import Checkout

ACCOUNTS, OUTSIDE, TOKEN = "accounts", "outside", "token"
CHECKOUT, STOCK, EXPECTATIONS = "checkout", "stock", "expectations"
THROUGH_THE_GATEWAY = (OUTSIDE, TOKEN, CHECKOUT, STOCK)
_KNOWN = {KindStatus.SYNCED, KindStatus.STALE}


class State(Enum):
    """The state of a criterion."""

    WAITING = "waiting"
    RUNNING = "running"
    PASS = "pass"
    FAIL = "fail"
    SKIP = "skip"


@dataclass(frozen=True, slots=True)
class Criterion:
    """One criterion: its requirement, its state, and its evidence (lines of text)."""

    id: str
    title: str
    state: State = State.WAITING
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """The result of testing one criterion."""

    state: State
    evidence: tuple[str, ...] = ()


def waiting(settings: Checkout) -> tuple[Criterion, ...]:
    """All criteria in their initial state."""
    titles = {
        ACCOUNTS: f"ServiceAccounts {settings.client_account} and {settings.server_account} exist, and pods run as them",
        OUTSIDE: f"POST {settings.reserve_path} from outside answers 404",
        TOKEN: f"POST {settings.checkout_path} without a token answers 401",
        CHECKOUT: "a checkout succeeds, with its reserve call over mTLS between these identities",
        STOCK: f"the reserved stock of {settings.book} rises by what was bought",
        EXPECTATIONS: f"all expectations of {settings.expectations} hold, predicted and probed",
    }
    return tuple(Criterion(name, title) for name, title in titles.items())


def exit_code(criteria: Sequence[Criterion]) -> int:
    """1 when a criterion failed, else 4 when one couldn't be tested, else 0 (docs/contracts.md, Exit codes)."""
    states = {each.state for each in criteria}
    return 1 if State.FAIL in states else 4 if states - {State.PASS} else 0


def accounts(engine: Engine, settings: Checkout) -> Judgement:
    """Whether both ServiceAccounts exist and the client's and the server's pods run as them. Raises UsageError."""
    hop = reserve_hop(engine, settings)
    sides = (
        (settings.client_account, hop.sources, settings.client),
        (settings.server_account, hop.destinations, settings.server),
    )
    judged = [_account(engine, *side) for side in sides]
    states = {each.state for each in judged}
    state = next((s for s in (State.FAIL, State.SKIP) if s in states), State.PASS)
    return Judgement(state, tuple(text for each in judged for text in each.evidence))


def _account(engine: Engine, account: str, pods: Sequence[Pod], owner: str) -> Judgement:
    snapshot = engine.snapshot
    namespace, _, name = account.partition("/")
    kind = snapshot.kind_state("ServiceAccount")
    exists = any((a.meta.namespace, a.meta.name) == (namespace, name) for a in snapshot.service_accounts.values())
    others = sorted({f"{pod.namespace}/{pod.service_account}" for pod in pods} - {account})
    lines = [f"ServiceAccount {account} {'exists' if exists else 'does not exist'}"]
    lines += [f"pod {pod.namespace}/{pod.name} runs as {pod.namespace}/{pod.service_account}" for pod in pods]
    if not pods:
        lines.append(f"{owner} has no pods")
    if others or not pods:
        return Judgement(State.FAIL, tuple(lines))
    if not exists and kind.status not in _KNOWN:
        # The pods run as it, so it existed when they started; the object itself can't be read
        return Judgement(State.SKIP, (f"ServiceAccounts can't be listed: {kind.message or kind.status.value}", *lines[1:]))
    return Judgement(State.PASS if exists else State.FAIL, tuple(lines))


def answered(answer: Answer, wanted: int, request: str) -> Judgement:
    """Whether a request got the expected status."""
    if answer.status is None:
        return Judgement(State.FAIL, (f"{request}: {answer.cause}, {answer.error}",))
    by = "the gateway itself" if answer.from_gateway else "whatever is behind the gateway"
    state = State.PASS if answer.status == wanted else State.FAIL
    return Judgement(state, (f"{request} → {answer.status}, answered by {by} in {answer.elapsed_ms:.0f} ms",))


def bought(trace: Trace, trust_domain: str, settings: Checkout) -> Judgement:
    """Whether the checkout succeeded, with its reserve call logged at both ends: mTLS between the expected identities."""
    step = trace.step(RESERVE)
    log = tuple(f"ztunnel: {raw}" for raw in step.evidence)
    failed = next((s for s in trace.steps if s.state is StepState.FAILED), None)
    if not trace.order_id or step.state is not StepState.OK or failed is not None:
        explanation = trace.explanation
        where = f"{failed.title}: {failed.error or failed.cause or failed.status}" if failed else "there is no order"
        words = (explanation.summary, *explanation.why) if explanation else (where,)
        return Judgement(State.FAIL, (*words, *log))
    lines = [f"order {trace.order_id} of {trace.quantity} × {trace.bought} at {trace.gateway}"]
    if not step.evidence and trace.notes:
        return Judgement(State.SKIP, (*lines, *trace.notes))
    wanted = tuple(_identity(trust_domain, account) for account in (settings.client_account, settings.server_account))
    seen = (step.source_identity, step.destination_identity)
    lines.append(f"reserve call: {seen[0] or 'no identity'} → {seen[1] or 'no identity'}, {_mtls_words(step.mtls)}")
    logged = {line.inbound for raw in step.evidence if (line := parse_access_line(raw)) is not None}
    missing = [word for word, inbound in (("outbound", False), ("inbound", True)) if inbound not in logged]
    if seen != wanted:
        lines.append(f"it should be {wanted[0]} → {wanted[1]}")
    lines += [f"no ztunnel logged the call as {end}" for end in missing]
    good = step.mtls is True and seen == wanted and not missing
    return Judgement(State.PASS if good else State.FAIL, (*lines, *log))


def _mtls_words(mtls: bool | None) -> str:
    return {True: "mTLS", False: "plaintext", None: "mTLS not seen"}[mtls]


def _identity(trust_domain: str, account: str) -> str:
    namespace, _, name = account.partition("/")
    return f"spiffe://{principal(trust_domain, namespace, name)}"


def moved(trace: Trace) -> Judgement:
    """Whether the reserved stock increased by the quantity bought."""
    before, after = (f"{s.reserved} of {s.quantity}" if s else "not known" for s in (trace.before, trace.after))
    lines = [f"book {trace.book}: reserved {before} before, {after} after", f"bought {trace.quantity if trace.order_id else 0}"]
    return Judgement(State.PASS if trace.order_id and trace.moved == trace.quantity else State.FAIL, tuple(lines))


def verified(results: Sequence[Result]) -> Judgement:
    """Whether every expectation is met; the state is SKIP when none failed and some couldn't be tested."""
    failed = [result for result in results if result.status is Status.FAIL]
    unknown = [result for result in results if result.status is Status.UNKNOWN]
    passed = len(results) - len(failed) - len(unknown)
    lines = [f"{passed}/{len(results)} passed, {len(failed)} failed, {len(unknown)} not tested"]
    for words, group in (("failed", failed), ("not tested", unknown)):
        lines += [f"{words}: {result.expectation.name}: {why(result)}" for result in group]
    state = State.FAIL if failed else State.SKIP if unknown else State.PASS
    return Judgement(state, tuple(lines))
