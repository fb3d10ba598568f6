"""Runs a journey: the only code that sends its requests, takes variables, reads gauges and looks for calls."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from meshtui.engine import Engine
from meshtui.journeys import judge
from meshtui.journeys.further import further_calls
from meshtui.journeys.gateway import Answer, GatewayClient
from meshtui.journeys.hops import Entrance, Hop, read_lines
from meshtui.journeys.model import Call, Expect, Gauge, Journey, Request, Scalar, Step, Variable
from meshtui.journeys.observe import GIVES_UP_S, Observer
from meshtui.journeys.plan import AFTER, BEFORE, call_hop, planned, request_hop, requests_of
from meshtui.journeys.report import Further, Reading, Report, StepReport, StepState, all_over
from meshtui.journeys.shorten import shortened
from meshtui.journeys.variables import Template, UnsetError, Variables, as_text, at, in_path, names_in, usable
from meshtui.logs.ztunnel import AccessLine
from meshtui.model.errors import ReadOnlyError, UsageError
from meshtui.model.ids import principal
from meshtui.model.redact import HIDDEN, is_secret, redact, redact_data
from meshtui.model.verdict import Decision
from meshtui.settings import Settings
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.writes import Confirmation, read_only_reason

Tell = Callable[[Report], None]
"""A function that is called with the report after every change."""

SETTLE_S = 0.6
"""The time to wait for lines of connections that may not have been made."""
_LATE = {"timeout", "http_502", "http_503", "http_504"}
_WAITS_BEHIND = "waiting for what its service called: a ztunnel gives up after 10 s, and logs it then"


def values_of(journey: Journey, given: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """The variables at the start: the given values, else those of the file.

    Raises UsageError for a given variable that the journey doesn't have, and for a variable without a value whose environment
    variable isn't set.
    """
    for name in given:
        if name not in journey.variables:
            raise UsageError(f"{journey.name} has no variable {name!r}", f"it has {', '.join(journey.variables) or 'none'}")
    values: dict[str, Scalar] = {}
    for name, declared in journey.variables.items():
        if name in given:
            values[name] = given[name]
            continue
        value = declared
        if isinstance(declared, Variable):
            found = os.environ.get(declared.env) if declared.env else None
            if found is not None:
                values[name] = found
                continue
            if declared.value is None:
                raise UsageError(f"variable {name!r} of {journey.name}: ${declared.env} isn't set", f"or --set {name}=VALUE")
            value = declared.value
        values[name] = Template(value) if isinstance(value, str) else value  # type: ignore[assignment]  # not a Variable
    return values


def secrets_of(journey: Journey, values: Mapping[str, Scalar]) -> list[str]:
    """The values to hide: those of secret variables, unless a variable that isn't secret has the same value."""
    variables = Variables(values)
    shown: set[str] = set()
    hidden: list[str] = []
    for name, declared in journey.variables.items():
        value = variables.get(name)
        text = "" if value is None else as_text(value)
        if is_secret(name) or (isinstance(declared, Variable) and declared.secret):
            hidden.append(text)
        else:
            shown.add(text)
    return [text for text in hidden if text and text not in shown]


def entrance_of(journey: Journey, values: Mapping[str, Scalar]) -> tuple[Entrance, str]:
    """The Gateway and the host, and the URL if the journey has one. Raises UsageError."""
    variables, gateway = Variables(values), journey.gateway
    try:
        name, namespace, host, url = map(variables.text, (gateway.name, gateway.namespace, gateway.host, gateway.url))
    except UnsetError as error:
        raise UsageError(f"variable {str(error)!r} of {journey.name} has no value") from error
    return Entrance(namespace, name, host), url


def in_words(journey: Journey, values: Mapping[str, Scalar]) -> Callable[[str], str]:
    """How a template of a journey is shown: without secrets; variables that are set from answers are shown by name."""
    taken = {name: f"{{{name}}}" for step in journey.step for name in step.take}
    variables, secrets = Variables(taken | dict(values)), secrets_of(journey, values)
    return lambda template: redact(variables.text(template), secrets)


def requests_in_words(journey: Journey, values: Mapping[str, Scalar]) -> list[str]:
    """All requests that would be sent, for the confirmation."""
    words = in_words(journey, values)
    return list(dict.fromkeys(f"{request.method:<6} {words(request.path)}" for request in journey.requests))


def refusal(journey: Journey, read_only: str) -> str:
    """The reason why a journey may not run, or empty. In read-only mode only GET requests may be sent."""
    if not read_only:
        return ""
    other = next((request.method for request in journey.requests if request.method != "GET"), "")
    return read_only if journey.changing else f"it sends {other}, and {read_only} lets only GET out" if other else ""


def ladder(journey: Journey) -> tuple[StepReport, ...]:
    """All steps in order and in their initial state: gauges before, each step followed by its calls, gauges after."""

    def gauges(when: str) -> list[StepReport]:
        return [StepReport(f"{g.name}_{when}", f"{g.title or g.name} {when}", "gauge") for g in journey.gauge]

    steps: list[StepReport] = []
    for step in journey.step:
        steps.append(StepReport(step.name, step.title or step.name))
        steps += [StepReport(call.name, call.title or call.name, "call") for call in step.call]
    return (*gauges(BEFORE), *steps, *gauges(AFTER))


@dataclass(frozen=True, slots=True)
class _Rendered:
    method: str
    path: str
    headers: dict[str, str]
    json: Any = None
    form: dict[str, str] | None = None


class _CannotSendError(Exception):
    """Raised when a request can't be built; the text is the reason."""


class Runner:
    """One run of a journey. ``run`` executes all steps; an application may call the other methods in its own order.

    No method raises for a step that fails: the report contains the failure.
    """

    def __init__(
        self,
        journey: Journey,
        values: Mapping[str, Scalar],
        gateway: str,
        settings: Settings,
        engine: Engine,
        api: Api,
        tell: Tell = lambda _: None,
    ) -> None:
        self.journey, self._engine, self._tell = journey, engine, tell
        self._refusal = refusal(journey, read_only_reason(settings, api.connection.context))
        self.variables = Variables(values)
        self.secrets = secrets_of(journey, values)
        self.entrance, _ = entrance_of(journey, values)
        self._client = GatewayClient(gateway, self.entrance.host, settings)
        self._requests = requests_of(journey)
        self._calls = {call.name: call for step in journey.step for call in step.call}
        self._gauges = {gauge.name: gauge for gauge in journey.gauge}
        self._hops: dict[str, Hop] = {}
        self._answers: dict[str, Answer] = {}
        self._began: dict[str, float] = {}
        self._used: set[str] = set()
        for name, request in self._requests.items():
            self._route(name, request, planned(journey, values))
        self._call_hops = {name: call_hop(engine, call, self.variables) for name, call in self._calls.items()}
        hops = [*self._call_hops.values(), *self._hops.values()]
        self.observer = Observer(api, hops, engine.snapshot.ztunnel_namespaces)
        gauges = tuple(Reading(gauge.name, gauge.title or gauge.name) for gauge in journey.gauge)
        self.report = Report(journey.name, journey.title, redact(gateway), self.entrance.host, ladder(journey), gauges)

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    def permit(self, confirmation: Confirmation | None, nothing: str = "nothing is sent") -> None:
        """Raise ReadOnlyError if the journey may not run, or if it changes something and isn't confirmed."""
        if self._refusal:
            raise ReadOnlyError(f"{nothing}: {self._refusal}")
        if self.journey.changing and not confirmation:
            raise ReadOnlyError(f"{nothing} without a confirmation", "answer the question, or give --yes")

    # ---- the whole run

    async def run(self, confirmation: Confirmation | None) -> Report:
        """Execute all steps until one fails. Raises ReadOnlyError."""
        self.permit(confirmation)
        try:
            self._show(self.report)
            await self.observer.mark()
            for gauge in self.journey.gauge:
                await self.measure(gauge, BEFORE)
            for step in self.journey.step:
                if not await self._do(step):
                    break
            for gauge in self.journey.gauge:
                await self.measure(gauge, AFTER)
            await self.name_hops()
            await self._late_calls()
            await self.look_further()
        finally:
            await self.close()
        done = replace(self.report, steps=all_over(self.report.steps), finished=True)
        if self.observer.problem:
            done = replace(done, notes=(f"the ztunnels' logs can't be read: {self.observer.problem}",))
        flows = {name: hop.flow for name, hop in self._call_hops.items()}
        self._show(replace(done, failures=judge.failures(done, self.journey, self._engine, flows, self.behind())))
        return self.report

    async def _do(self, step: Step) -> bool:
        """Execute one step and look for its calls. Returns whether all succeeded."""
        if step.unless and self.variables.get(step.unless):
            self.change(step.name, state=StepState.OK, note=f"not needed: {step.unless} is given")
            return True
        if step.answer_of:
            self.change(step.name, state=StepState.RUNNING)
            self.take(step, self._answers.get(step.answer_of, Answer()))
        else:
            note = await self.prepare(step)
            answer = await self.send(step.name)
            self.take(step, answer)
            if note:
                self.change(step.name, note=note)
        calls = [await self._see(call, answered=not step.answer_of) for call in step.call]
        return all(calls) and self.report.step(step.name).state is StepState.OK

    async def _see(self, call: Call, *, answered: bool) -> bool:
        self.begin_call(call.name)
        lines = await self.lines_of(call.name, call.within_s if answered else SETTLE_S)
        self._judge(call, lines)
        return self.report.step(call.name).state is not StepState.FAILED

    def _judge(self, call: Call, lines: list[AccessLine]) -> None:
        wanted = (self._identity(call.from_identity), self._identity(call.to_identity))
        self.change(call.name, **judge.judge_call(call, read_lines(lines), wanted, readable=self.observer.readable))

    async def _late_calls(self) -> None:
        """Wait for calls that time out: ztunnel logs an unanswered connection at its own timeout, long after the client's."""
        for step in self.journey.step:
            for call in step.call:
                shown = self.report.step(call.name)
                if shown.cause == "no_call" and self.report.step(step.name).cause in _LATE:
                    lines = await self.late_lines(call.name, self._began.get(step.name, 0.0))
                    self._judge(call, lines)

    # ---- requests

    async def prepare(self, step: Step) -> str:
        """Send the request that prepares a step, if it has one. Returns a note about it."""
        if step.prepare is None:
            return ""
        self.change(step.name, state=StepState.RUNNING)
        rendered = self._rendered(step.name, step.prepare)
        if rendered is None:
            return ""
        answer = await self._sent(rendered)
        self.change(step.name, requests=self.report.step(step.name).requests + 1)
        words = step.prepare.note
        return f"{words} first" if answer.ok else f"could not be {words} first: {answer.status or answer.error}"

    async def send(self, name: str, expect: Expect | None = None) -> Answer:
        """Send a step's request and report the answer; ``expect`` defines the expected status (by default the step's own)."""
        request = self._requests[name]
        rendered = self._rendered(name, request)
        if rendered is None:
            return Answer(cause="variable")
        self._route(name, request, self.variables)
        host = (("Host", self.entrance.host),) if self.entrance.host else ()
        self.change(
            name,
            state=StepState.RUNNING,
            method=rendered.method,
            url=self.report.gateway + redact(rendered.path, self.secrets),
            headers=(*host, *((key, self._shown_header(key, value)) for key, value in rendered.headers.items())),
            request=self.clean(rendered.form if rendered.form is not None else rendered.json),
        )
        self._began[name] = time.monotonic()
        answer = self._answers[name] = await self._sent(rendered)
        right = judge.status_is_right(expect or self._expected(name), answer)
        self.change(
            name,
            state=StepState.OK if right else StepState.FAILED,
            status=answer.status,
            elapsed_ms=answer.elapsed_ms,
            response=shortened(self.clean(answer.body)),
            answered_by="" if answer.status is None else "gateway" if answer.from_gateway else "application",
            cause=answer.cause or ("" if right else f"http_{answer.status}"),
            error=self.clean(answer.error),
            requests=self.report.step(name).requests + 1,
        )
        return answer

    async def ask_again(self, name: str, others: Mapping[str, Scalar]) -> Answer:
        """Send a step's request with other values of some variables; only the number of requests is reported."""
        rendered = self._render(self._requests[name], self.variables.with_others(others))
        answer = await self._sent(rendered)
        self.change(name, requests=self.report.step(name).requests + 1)
        return answer

    def take(self, step: Step, answer: Answer) -> bool:
        """Check an answer against a step's expectations, and take its variables. Returns whether the step succeeded."""
        if step.answer_of and answer.status is None:
            return False
        if not step.answer_of and self.report.step(step.name).state is not StepState.OK:
            return False
        try:
            off = judge.what_is_off(step.expect, self.variables, answer.body)
        except UnsetError as error:
            self.change(step.name, state=StepState.FAILED, cause="variable", error=f"variable {str(error)!r} has no value")
            return False
        off = off or judge.what_is_missing(step.take, answer.body)
        if off:
            self.change(step.name, state=StepState.FAILED, error=self.clean(off))
            return False
        for name, pointer in step.take.items():
            self.give(name, at(answer.body, pointer))
        if step.answer_of:
            self.change(step.name, state=StepState.OK)
        return True

    def give(self, name: str, value: Scalar) -> None:
        """Set a variable. If it is secret by its name or declaration, its value is hidden from now on."""
        declared = self.journey.variables.get(name)
        if is_secret(name) or (isinstance(declared, Variable) and declared.secret):
            self.secrets.append(as_text(value))
        self.variables.give(name, value)

    async def measure(self, gauge: Gauge, when: str) -> Answer:
        """Read a gauge before or after the steps."""
        name = f"{gauge.name}_{when}"
        answer = await self.send(name)
        value = judge.number_at(answer.body, gauge.value) if self.report.step(name).state is StepState.OK else None
        if value is None and self.report.step(name).state is StepState.OK:
            words = f"the answer has no number at {gauge.value or 'its top'}"
            self.change(name, state=StepState.FAILED, error=words)
        changes: dict[str, Any] = {when: value}
        if when == AFTER:
            changes["wanted"] = self._wanted(gauge)
        readings = tuple(replace(r, **changes) if r.name == gauge.name else r for r in self.report.gauges)
        self._show(replace(self.report, gauges=readings))
        return answer

    def gauge(self, name: str) -> Gauge:
        """The gauge with a name."""
        return self._gauges[name]

    def _wanted(self, gauge: Gauge) -> float | None:
        try:
            value = self.variables.data(gauge.change)
            return value if isinstance(value, int | float) else float(value)
        except (UnsetError, ValueError):
            return None

    def _expected(self, name: str) -> Expect:
        return next((step.expect for step in self.journey.step if step.name == name), Expect())

    async def _sent(self, rendered: _Rendered) -> Answer:
        return await self._client.request(
            rendered.method, rendered.path, json=rendered.json, form=rendered.form, headers=rendered.headers
        )

    def _rendered(self, name: str, request: Request) -> _Rendered | None:
        """The request to send; None when it can't be built (a variable has no value, for example): then the step has failed."""
        try:
            return self._render(request, self.variables)
        except UnsetError as error:
            words = f"variable {str(error)!r} has no value"
        except _CannotSendError as error:
            words = str(error)
        self.change(name, state=StepState.FAILED, method=request.method, cause="variable", error=words)
        return None

    def _render(self, request: Request, variables: Variables) -> _Rendered:
        headers = {}
        for name, template in self.journey.headers.items():
            if all(variables.get(named) not in {None, ""} for named in names_in(template)):
                headers[name] = variables.text(template)
        headers |= {name: variables.text(template) for name, template in request.headers.items()}
        form = {key: variables.text(value) for key, value in request.form.items()} if request.form else None
        path = variables.text(request.path, in_path)
        for name, value in headers.items():
            if not (value.isascii() and usable(value)):
                raise _CannotSendError(f"the value of header {name} can't be sent")
        return _Rendered(request.method, path, headers, variables.data(request.json), form)

    def _shown_header(self, name: str, value: str) -> str:
        shown = redact(value, self.secrets)
        return HIDDEN if is_secret(name) and shown == value else shown

    # ---- calls

    def hop(self, name: str) -> Hop:
        """The connection of a call."""
        return self._call_hops[name]

    def begin_call(self, name: str) -> None:
        """Report that a call is being looked for."""
        flow = self._call_hops[name].flow
        self.change(name, state=StepState.RUNNING, source=str(flow.source), destination=f"{flow.destination}:{flow.port}")

    async def lines_of(self, name: str, wait_s: float) -> list[AccessLine]:
        """The ztunnels' lines about a call that no earlier step caused."""
        lines = await self.observer.lines_of(self._call_hops[name], wait_s, self._used)
        self._used |= {line.raw for line in lines}
        return lines

    async def late_lines(self, name: str, began: float) -> list[AccessLine]:
        """Wait for the line of a connection that times out in the source's ztunnel."""
        if not self.observer.readable:
            return []
        self.change(name, note="waiting for the source's ztunnel, which gives up after 10 s")
        return await self.lines_of(name, max(SETTLE_S, GIVES_UP_S - (time.monotonic() - began)))

    async def look_further(self) -> None:
        """Report the further calls of the services. Waits for late lines about those that may be the reason of a failed step."""
        services = [pod for hop in (*self._hops.values(), *self._call_hops.values()) for pod in hop.destinations]
        services += [pod for hop in self._call_hops.values() for pod in hop.sources]
        waited_for = [step for step in self._unexplained() if step.name in self._began]
        deadline = max((self._began[step.name] + GIVES_UP_S for step in waited_for), default=0.0)
        # A service that isn't ready keeps trying by itself: what it began before the run is the reason, too
        unready = any(judge.not_reached(step) for step in waited_for)
        try:
            while True:
                lines = await self.observer.lines(begun_before=unready)
                found = further_calls(self._engine, services, self._call_hops.values(), lines)
                self._show(replace(self.report, further=found))
                behind = self.behind()
                open_ones = [step for step in waited_for if not any(each.explained for each in behind.get(step.name, ()))]
                if not open_ones or not self.observer.readable or time.monotonic() >= deadline:
                    return
                self.change(open_ones[0].name, note=_WAITS_BEHIND)
                await asyncio.sleep(SETTLE_S)
        finally:
            for step in waited_for:
                self.change(step.name, note=step.note)

    def _unexplained(self) -> list[StepReport]:
        found = judge.unexplained(self.report.steps, self._is_denied)
        return [step for step in found if self._answers.get(step.name, Answer()).connected]

    def behind(self) -> dict[str, tuple[Further, ...]]:
        """The failed further calls that may be the reason of failed steps, by the names of the steps."""
        found: dict[str, tuple[Further, ...]] = {}
        for step in self._unexplained():
            hop = self._hops.get(step.name) or self._call_hops.get(step.name)
            reached = {pod.key for pod in hop.destinations} if hop is not None else set()
            failed = (each for each in self.report.further if each.failed)
            found[step.name] = tuple(each for each in failed if any(pod.key in reached for pod in each.hop.sources))
        return found

    def _is_denied(self, step: StepReport) -> bool:
        """Whether policies may keep a step from its service: they deny its flow, or its verdict isn't known."""
        hop = self._hops.get(step.name) or self._call_hops.get(step.name)
        try:
            return hop is None or self._engine.judge(hop.flow).decision is not Decision.ALLOW
        except UsageError:
            return True

    def _identity(self, template: str) -> str:
        try:
            namespace, _, account = self.variables.text(template).partition("/")
        except UnsetError:
            return ""
        return f"spiffe://{principal(self._engine.snapshot.mesh.trust_domain, namespace, account)}" if account else ""

    def _route(self, name: str, request: Request, variables: Variables) -> None:
        """Determine the backend to which the gateway sends a request."""
        hop = request_hop(self._engine, self.entrance, request, variables)
        if hop is not None:
            self._hops[name] = hop

    async def name_hops(self) -> None:
        """Add the identities of each request through the gateway to the report, from the ztunnels' lines."""
        sent = {name: hop for name, hop in self._hops.items() if self.report.step(name).status is not None}
        lines = await self.observer.lines_for([(hop, self._sent_to(hop)) for hop in sent.values()], SETTLE_S)
        for name, hop in sent.items():
            mine = self._own_lines(name, [line for line in lines if hop.matches(line)])
            seen = read_lines(mine)
            self.change(
                name,
                source=f"Gateway {self.entrance.namespace}/{self.entrance.name}",
                destination=f"{hop.flow.destination}:{hop.flow.port}",
                source_identity=seen.source_identity,
                destination_identity=seen.destination_identity,
                mtls=seen.mtls,
                evidence=tuple(line.raw for line in mine[-1:]),
            )

    def _own_lines(self, name: str, lines: list[AccessLine]) -> list[AccessLine]:
        """A step's own lines if each request had its own connection, else all lines of that destination."""
        hop = self._hops[name]
        if self._sent_to(hop) != len(lines):
            return lines
        same = [step.name for step in self.report.steps if self._goes_to(step.name, hop)]
        skipped = sum(self.report.step(other).requests for other in same[: same.index(name)])
        return lines[skipped : skipped + self.report.step(name).requests]

    def _sent_to(self, hop: Hop) -> int:
        return sum(step.requests for step in self.report.steps if self._goes_to(step.name, hop))

    def _goes_to(self, name: str, hop: Hop) -> bool:
        return name in self._hops and self._hops[name].flow.destination == hop.flow.destination

    # ---- notification

    def clean(self, value: Any) -> Any:
        """A copy without secrets."""
        return redact_data(value, self.secrets)

    def change(self, name: str, **changes: Any) -> None:
        """Change fields of a step in the report."""
        self._show(self.report.with_step(name, **changes))

    def _show(self, report: Report) -> None:
        self.report = report
        self._tell(report)
