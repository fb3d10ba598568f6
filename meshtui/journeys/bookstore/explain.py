"""The reason why a checkout failed, in the bookstore's terms, and the objects to look at. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from meshtui.engine import Engine
from meshtui.engine.explain.wording import in_words
from meshtui.engine.path.resolution import kind_named
from meshtui.journeys.bookstore.hops import gateway_hop, gateway_pods, reserve_hop
from meshtui.journeys.bookstore.trace import (
    BOOKS,
    RESERVE,
    STOCK_AFTER,
    STOCK_BEFORE,
    TOKEN,
    Explanation,
    LookAt,
    StepReport,
    StepState,
    Trace,
)
from meshtui.journeys.report import Further
from meshtui.logs.ztunnel import parse_access_line
from meshtui.model.constants import HBONE_PORT, NETWORK_LAYERS
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.ids import ObjectRef
from meshtui.model.reason import Code, PortSeen, because
from meshtui.model.snapshot import Snapshot
from meshtui.model.verdict import Decision, Layer, Verdict
from meshtui.model.workload import Pod
from meshtui.settings import Checkout


def explain(trace: Trace, engine: Engine, settings: Checkout, behind: Mapping[str, Sequence[Further]]) -> Explanation:
    """The explanation of a trace that is finished and not ok; the deciding object is taken from the policies' verdict.

    ``behind`` are the failed further calls that may be the reason of failed steps, by the names of the steps.
    """
    about = _About(trace, engine, settings)
    reserve = trace.step(RESERVE)
    # When the reserve call fails, checkout fails too: the call is the cause, and checkout's status the consequence
    if reserve.state is StepState.FAILED:
        if behind.get(RESERVE):
            return about.further_failed(reserve, behind[RESERVE])
        by_cause: dict[str, Callable[[], Explanation]] = {
            "closed": about.reserve_closed,
            "timeout": about.reserve_timed_out,
            "http_404": about.unknown_book,
            "http_400": about.h2c,
            "http_409": about.sold_out,
            "no_call": about.no_call,
        }
        return by_cause.get(reserve.cause, about.reserve_otherwise)()
    step = next((s for s in trace.steps if s.state is StepState.FAILED and s.name != STOCK_BEFORE), None) or trace.failed_step
    if step is not None and behind.get(step.name):
        return about.further_failed(step, behind[step.name])
    return about.step_failed(step) if step is not None else about.stock_is_off()


class _About:
    """One failed checkout, with the cluster's state."""

    def __init__(self, trace: Trace, engine: Engine, settings: Checkout) -> None:
        self._trace, self._engine, self._settings = trace, engine, settings
        self._hop = reserve_hop(engine, settings)
        self._client = endpoint_ref(engine.snapshot, self._hop.flow.source)
        self._server = endpoint_ref(engine.snapshot, self._hop.flow.destination)

    # ---- the reserve call

    def reserve_closed(self) -> Explanation:
        """The call was closed by policy: name the policy and the client's identity."""
        step, verdict = self._trace.step(RESERVE), self._verdict(self._hop.flow)
        identity = step.source_identity or _identity(self._engine.snapshot, self._hop.sources)
        who = f"the client called as {identity}" if identity else "the client had no identity: it called in plaintext"
        why = [f"{who}{'' if step.source_identity else ' (by its ServiceAccount; no ztunnel line says so)'}"]
        if step.error:
            why.append(f"ztunnel: {step.error}")
        look, found = self._decider(verdict, why)
        if self._client and identity.endswith("/sa/default"):
            why.append("its pods name no ServiceAccount of their own, so they run as default")
            look.append(LookAt(self._client, "its serviceAccountName: it runs as default"))
        named = found or "policy"
        return Explanation("closed", f"The reserve call was closed by {named}", tuple(why), tuple(look))

    def reserve_timed_out(self) -> Explanation:
        """There was no answer: name the NetworkPolicy that drops packets, between captured pods on HBONE's port."""
        step, verdict = self._trace.step(RESERVE), self._verdict(self._hop.flow)
        why = [f"ztunnel: {step.error}"] if step.error else []
        look, found = self._decider(verdict, why)
        where = f" on port {HBONE_PORT} (HBONE)" if _is_about_hbone(step, verdict) else ""
        if verdict.layer in NETWORK_LAYERS and found:
            return Explanation("timeout", f"The reserve call timed out{where}: {found}", tuple(why), tuple(look))
        why.append("no NetworkPolicy that meshtui reads explains it: is the server slow, or not listening?")
        if self._server:
            look.append(LookAt(self._server, "its endpoints and its pods' log"))
        return Explanation("timeout", f"The reserve call timed out{where}", tuple(why), tuple(look))

    def unknown_book(self) -> Explanation:
        """Inventory answered 404: the ids differ."""
        trace = self._trace
        why = [f"inventory-side id {trace.book}: {_known(trace)}", f"bought id {trace.bought}: inventory answered 404"]
        if trace.bought != trace.book:
            why.append(
                "the shop's book ids aren't inventory's: this build of the shop lacks the migration that gives it the same"
            )
        look = self._image("its image and its migrations: the book ids must be inventory's")
        return Explanation("http_404", "Inventory doesn't know the book that was bought (404)", tuple(why), look)

    def h2c(self) -> Explanation:
        """Inventory answered 400."""
        text = str(self._trace.step(RESERVE).response or "")
        if "Invalid HTTP request" not in text:
            return self.reserve_otherwise()
        why = (
            "policy lets the call through: the 400 is the server's own, Invalid HTTP request received",
            "the client asks to upgrade to HTTP/2 in the clear (h2c), which a server of HTTP/1.1 can't read",
        )
        look = self._image("its image: the HTTP client must be forced to HTTP/1.1")
        return Explanation("http_400", "Inventory couldn't read the request (400): an h2c upgrade", why, look)

    def sold_out(self) -> Explanation:
        """Inventory answered 409."""
        stock = self._trace.before
        left = f"{stock.quantity - stock.reserved} left of {stock.quantity}" if stock else "not enough left"
        return Explanation("http_409", f"Not enough stock for {self._trace.quantity}: {left}", (), self._server_look("its stock"))

    def no_call(self) -> Explanation:
        """The order was written without a reserve call."""
        why = ["the order exists, no reserve call was seen"]
        if self._trace.moved == 0:
            why.append("reserved did not move")
        verdict = self._verdict(self._hop.flow)
        if verdict.decision is Decision.ALLOW:
            why.append("no policy is at fault: the call would be allowed")
        look = self._image("its image: this build doesn't call inventory")
        return Explanation("no_reserve_call", "Checkout succeeded without reserving stock", tuple(why), look)

    def reserve_otherwise(self) -> Explanation:
        """Any other failure of the reserve call."""
        step = self._trace.step(RESERVE)
        why = [part for part in (step.error, f"answer: {step.response}" if step.response else "") if part]
        look, _ = self._decider(self._verdict(self._hop.flow), why)
        return Explanation(
            step.cause or "reserve", f"The reserve call failed: {step.cause}", tuple(why), (*look, *self._server_look("its pods"))
        )

    # ---- everything else

    def step_failed(self, step: StepReport) -> Explanation:
        """Another step failed first."""
        if step.name == BOOKS and step.cause == "unknown_book":
            return Explanation("unknown_book", step.error, ("choose one of the shop's with --book, or in the settings",))
        match step.status:
            case 401:
                return self._unauthorized(step)
            case 403:
                return self._forbidden(step)
            case 404 if step.answered_by == "gateway":
                return self._no_route(step)
            case 404:
                return self._not_there(step)
            case 502 | 503 | 504 if step.answered_by == "gateway":
                return self._behind_gateway(step)
        if step.status is None and step.cause:
            return self._behind_gateway(step) if step.name != STOCK_BEFORE else self._gateway(step)
        why = tuple(part for part in (step.error, f"answer: {step.response}" if step.response else "") if part)
        status = f" ({step.status})" if step.status else ""
        return Explanation(step.cause or step.name, f"{step.title} failed{status}", why, self._image("its log"))

    def further_failed(self, step: StepReport, calls: Sequence[Further]) -> Explanation:
        """The service that a step reached couldn't reach something itself, such as its database: likely the reason."""
        first = calls[0]
        flow, by = first.hop.flow, next((str(look.ref) for look in first.look_at), "")
        summary = f"{step.title} failed ({step.status or step.cause}), and {flow.source} couldn't reach {first.step.destination}"
        answered = f"{step.method} {step.url} answered {step.status}" if step.status else step.error
        source = endpoint_ref(self._engine.snapshot, flow.source)
        looks = dict.fromkeys(look for call in calls for look in call.look_at)
        return Explanation(
            "further_call",
            f"{summary}: {by or first.step.error}",
            tuple(text for text in (answered, *(why for call in calls for why in call.why)) if text),
            (*looks, *((LookAt(source, "its log"),) if source else ())),
        )

    def stock_is_off(self) -> Explanation:
        """Every step succeeded, but the stock didn't change by the quantity bought."""
        trace = self._trace
        if trace.moved is None:
            unread = "before" if trace.before is None else "after"
            return Explanation("stock", f"The stock {unread} isn't known", (), self._server_look("its log"))
        why = ("somebody else bought too, or the shop reserves another number of times than once",)
        words = f"reserved moved by {trace.moved}, not by {trace.quantity}"
        return Explanation("stock", words, why, self._image("how it reserves"))

    def _not_there(self, step: StepReport) -> Explanation:
        """The application itself answered 404."""
        stock = step.name in {STOCK_BEFORE, STOCK_AFTER}
        who, book = ("inventory", self._trace.book) if stock else ("the shop", self._trace.bought)
        look = self._server_look("the books that it has stock of") if stock else self._image("the books that it knows")
        why = (f"{step.method} {step.url} answered 404",)
        return Explanation("http_404", f"{step.title}: {who} doesn't know book {book} (404)", why, look)

    def _unauthorized(self, step: StepReport) -> Explanation:
        answer = f"answer: {step.response}"
        if step.name == TOKEN:
            refused = "the user, password or client of the settings (checkout.username, …) isn't accepted"
            summary, why, look = "No token: the issuer refuses the login (401)", refused, self._backend(step)
        elif step.answered_by == "gateway":
            found = self._engine.snapshot.request_authentications.values()
            summary, why = "The gateway refuses the token (401)", "a RequestAuthentication checks it at the gateway"
            look = tuple(LookAt(r.meta.ref, "its issuers and keys") for r in found)[:3]
        else:
            summary, why = f"{step.title}: without a valid token (401)", "the service checks the token itself"
            look = self._image("its issuer and audience settings; a token from the settings may be too old")
        return Explanation("http_401", summary, (why, answer), look)

    def _forbidden(self, step: StepReport) -> Explanation:
        text = str(step.response or "")
        namespace = self._settings.gateway_namespace
        found = [
            p for p in self._engine.snapshot.authorization_policies.values() if p.meta.namespace == namespace or p.target_refs
        ]
        look = tuple(LookAt(policy.meta.ref, "whom it lets through") for policy in found)[:3]
        code = "a proxy's policy refuses it" if "RBAC" in text else "the application refuses it"
        return Explanation("http_403", f"{step.title}: {code} (403)", (f"answer: {text}",), look or self._backend(step))

    def _no_route(self, step: StepReport) -> Explanation:
        look = tuple(LookAt(route.meta.ref, "its paths and methods") for route in self._engine.snapshot.http_routes.values())[:4]
        why = (f"{step.method} {step.url} for host {self._trace.host}: the gateway has no route (404)",)
        return Explanation("no_route", f"{step.title}: no route at the gateway (404)", why, look)

    def _behind_gateway(self, step: StepReport) -> Explanation:
        """The gateway couldn't reach the service of the route."""
        method, path = step.method, step.url.removeprefix(self._trace.gateway)
        hop = gateway_hop(self._engine, self._settings, method, path)
        what = f"answered {step.status}" if step.status else step.error
        why = [f"{method} {path}: {what}"]
        if hop is None:
            return Explanation(step.cause, f"{step.title}: the gateway can't reach the service", tuple(why), self._backend(step))
        verdict = self._verdict(hop.flow)
        identity = step.source_identity or _identity(self._engine.snapshot, hop.sources)
        if identity:
            why.append(f"the gateway calls as {identity}")
        look, found = self._decider(verdict, why)
        reason = f": {found}" if found else ": is its pod ready?"
        return Explanation(
            step.cause,
            f"{step.title}: the gateway can't reach {hop.flow.destination}{reason}",
            tuple(why),
            tuple(look) or self._backend(step),
        )

    def _gateway(self, step: StepReport) -> Explanation:
        ref = ObjectRef("Gateway", self._settings.gateway_namespace, self._settings.gateway_name)
        return Explanation(step.cause, f"{step.title}: {step.error}", (), (LookAt(ref, "its addresses and its pods"),))

    # ---- objects

    def _verdict(self, flow: Flow) -> Verdict:
        try:
            return self._engine.judge(flow)
        except UsageError as error:
            return Verdict(Decision.UNKNOWN, "unknown", Layer.NONE, notes=(because(Code.NOT_FOUND, error=str(error)),))

    def _decider(self, verdict: Verdict, why: list[str]) -> tuple[list[LookAt], str]:
        """The deciding object to look at, and its name; adds the reason from the policies to ``why``."""
        if verdict.decision is Decision.ALLOW:
            why.append("the policies that meshtui reads would allow it: probe the flow (p), or wait until a change has settled")
            return [], ""
        if verdict.reason:
            why.append(f"policy: {in_words(verdict.reason)}")
        by = verdict.decided_by
        if by is None or verdict.decision is Decision.UNKNOWN:
            return [], ""
        return [LookAt(by.ref, f"it decides{f' ({by.rule})' if by.rule else '; no rule of it allows the call'}")], str(by.ref)

    def _image(self, why: str) -> tuple[LookAt, ...]:
        if self._client is None:
            return ()
        images = dict.fromkeys(image for pod in self._hop.sources for image in pod.images)
        return (LookAt(self._client, f"{why} (now {', '.join(images)})" if images else why),)

    def _server_look(self, why: str) -> tuple[LookAt, ...]:
        return (LookAt(self._server, why),) if self._server else ()

    def _backend(self, step: StepReport) -> tuple[LookAt, ...]:
        path = step.url.removeprefix(self._trace.gateway)
        hop = gateway_hop(self._engine, self._settings, step.method, path)
        if hop is None:
            pods = gateway_pods(self._engine.snapshot, self._settings)
            return tuple(LookAt(self._engine.snapshot.owner_of(pod), "the gateway's own log") for pod in pods[:1])
        ref = endpoint_ref(self._engine.snapshot, hop.flow.destination)
        return (LookAt(ref, "its endpoints and its pods' log"),) if ref else ()


def endpoint_ref(snapshot: Snapshot, end: FlowEndpoint) -> ObjectRef | None:
    """The object that an end of a flow names, or None."""
    match end.kind:
        case EndpointKind.SERVICE:
            return ObjectRef("Service", end.namespace, end.name)
        case EndpointKind.WORKLOAD:
            return ObjectRef(kind_named(end.owner_kind) or end.owner_kind, end.namespace, end.name)
        case EndpointKind.POD:
            pod = snapshot.pod_by_key.get(f"{end.namespace}/{end.name}")
            return snapshot.owner_of(pod) if pod else ObjectRef("Pod", end.namespace, end.name)
        case _:
            return None


def _identity(snapshot: Snapshot, pods: tuple[Pod, ...]) -> str:
    return f"spiffe://{snapshot.principal_of(pods[0])}" if pods else ""


def _known(trace: Trace) -> str:
    return "inventory knows it" if trace.before else "inventory doesn't know it"


def _is_about_hbone(step: StepReport, verdict: Verdict) -> bool:
    """Whether a ztunnel timed out on HBONE's port, or the verdict is about the tunnel's port."""
    lines = (parse_access_line(raw) for raw in step.evidence)
    if any(line is not None and line.hbone_timed_out for line in lines):
        return True
    port = dict(verdict.reason.fields).get("port") if verdict.reason is not None else None
    return isinstance(port, PortSeen) and port.tunnelled
