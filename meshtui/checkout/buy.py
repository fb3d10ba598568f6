"""One checkout, as a customer makes it: stock, token, cart, checkout, stock. The only place that buys."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from meshtui.checkout import reserve
from meshtui.checkout.explain import explain
from meshtui.checkout.hops import Hop, Seen, gateway_hop, read_lines, reserve_hop
from meshtui.checkout.observe import Observer
from meshtui.checkout.redact import REDACTED, redact, redact_text, shortened
from meshtui.checkout.shop import Answer, ShopClient
from meshtui.checkout.trace import (
    BOOKS,
    CART,
    CHECKOUT,
    ORDER,
    RESERVE,
    STOCK_AFTER,
    STOCK_BEFORE,
    TOKEN,
    StepState,
    Stock,
    Trace,
    finish,
)
from meshtui.engine import Engine
from meshtui.model.errors import ReadOnlyError
from meshtui.settings import Settings
from meshtui.sources.api import Api
from meshtui.sources.writes import Confirmation, read_only_reason
from meshtui.sources.ztunnel_log import AccessLine

Tell = Callable[[Trace], None]
"""Hears of the trace after every change."""

_WAIT_S = 2.0
"""How long to wait for a line of a connection that was certainly made."""
_SETTLE_S = 0.6
"""How long to wait where there may have been none."""
_GIVES_UP_S = 11.5
"""ztunnel gives a connection 10 s (istio/ztunnel src/proxy.rs) and writes its line then."""


class Buyer:
    """Makes one purchase. ``run`` never raises for a checkout that fails: the trace says what failed."""

    def __init__(self, gateway: str, settings: Settings, engine: Engine, api: Api, tell: Tell = lambda _: None) -> None:
        checkout = settings.checkout
        self._settings, self._checkout, self._engine, self._tell = settings, checkout, engine, tell
        self._refusal = read_only_reason(settings, api.connection.context)
        self._hop = reserve_hop(engine, checkout)
        paths = {
            STOCK_BEFORE: ("GET", self._stock_path(checkout.book)),
            TOKEN: ("POST", checkout.token_path),
            BOOKS: ("GET", _books_path(checkout.cart_path)),
            CART: ("POST", checkout.cart_path),
            CHECKOUT: ("POST", checkout.checkout_path),
            STOCK_AFTER: ("GET", self._stock_path(checkout.book)),
        }
        self._hops = {name: hop for name, at in paths.items() if (hop := gateway_hop(engine, checkout, *at)) is not None}
        self._observer = Observer(api, [self._hop, *self._hops.values()])
        self._shop = ShopClient(gateway, settings)
        self._secrets = [s for s in (checkout.token, checkout.password) if s and s != checkout.username]
        self._answer = Answer()
        self._began = 0.0
        shown = redact_text(gateway)
        self.trace = Trace(shown, checkout.host, checkout.book, checkout.quantity)

    async def run(self, confirmation: Confirmation | None) -> Trace:
        """Buy. Raises ReadOnlyError in read-only mode or without a confirmation."""
        if self._refusal:
            raise ReadOnlyError(f"nothing is bought: {self._refusal}")
        if not confirmation:
            raise ReadOnlyError("nothing is bought without a confirmation", "answer the question, or give --yes")
        try:
            self._show(self.trace)
            await self._observer.mark()
            await self._stock(STOCK_BEFORE)
            if await self._token() and await self._choose() and await self._fill_cart():
                await self._buy()
            await self._stock(STOCK_AFTER)
            self._infer_reserve()
            await self._name_hops()
            await self._wait_for_late_line()
        finally:
            await self._shop.close()
        done = finish(self.trace)
        if self._observer.problem:
            done = replace(done, notes=(f"the ztunnels' logs can't be read: {self._observer.problem}",))
        self._show(replace(done, explanation=None if done.ok else explain(done, self._engine, self._checkout)))
        return self.trace

    # ---- the steps

    async def _stock(self, name: str) -> None:
        """The book's stock; an unknown book is told, and the checkout goes on: its failure is the symptom to see."""
        answer = await self._call(name, "GET", self._stock_path(self._checkout.book))
        stock = _stock_of(answer.body, self._checkout.book) if answer.ok else None
        if answer.ok and stock is None:
            self._step(name, state=StepState.FAILED, error="the answer has no quantity and reserved")
        self._show(replace(self.trace, before=stock) if name == STOCK_BEFORE else replace(self.trace, after=stock))

    async def _token(self) -> bool:
        checkout = self._checkout
        if checkout.token:
            self._shop.token = checkout.token
            self._step(TOKEN, state=StepState.OK, note="taken from the settings")
            return True
        form = {"grant_type": "password", "client_id": checkout.client_id, "username": checkout.username}
        answer = await self._call(TOKEN, "POST", checkout.token_path, form={**form, "password": checkout.password})
        token = answer.body.get("access_token") if isinstance(answer.body, dict) else None
        if answer.ok and isinstance(token, str) and token and token.isascii() and token.isprintable():
            self._secrets.append(token)
            self._shop.token = token
            return True
        if answer.ok:
            self._step(TOKEN, state=StepState.FAILED, error="the answer has no access_token")
        return False

    async def _choose(self) -> bool:
        """Find what to put into the cart: the book, or the shop's first where shop and inventory don't share ids."""
        wanted = self._checkout.book
        answer = await self._call(BOOKS, "GET", _books_path(self._checkout.cart_path))
        books = _books_in(answer.body) if answer.ok else {}
        if not books:
            # A shop without such a list may still know the book: let the cart decide.
            self._show(replace(self.trace, bought=wanted))
            if answer.status in {404, 405}:
                self._step(BOOKS, state=StepState.SKIPPED, note="the shop has no such list")
                return True
            if answer.ok:
                self._step(BOOKS, state=StepState.FAILED, error="the shop sells no books")
            return False
        chosen, note = wanted, f"{len(books)} books, {wanted} among them"
        if wanted not in books:
            chosen = next(iter(books))
            shared = await self._shop.request("GET", self._stock_path(chosen))
            self._step(STOCK_BEFORE, requests=2)
            if shared.status != 404 or self.trace.before is None:
                words = f"the shop doesn't sell {wanted}; its first book is {chosen}"
                self._step(BOOKS, state=StepState.FAILED, cause="unknown_book", error=words)
                return False
            note = f"the shop doesn't know {wanted}, inventory doesn't know {chosen}: their ids differ; buying the shop's first"
        self._step(BOOKS, note=note)
        self._show(replace(self.trace, bought=chosen, book_title=books[chosen]))
        return True

    async def _fill_cart(self) -> bool:
        path = self._checkout.cart_path
        self._step(CART, state=StepState.RUNNING)
        emptied = await self._shop.request("DELETE", path)
        item = {"book_id": self.trace.bought, "quantity": self._checkout.quantity}
        answer = await self._call(CART, "POST", path, json=item)
        note = "emptied first" if emptied.ok else f"could not be emptied first: {emptied.status or emptied.error}"
        self._step(CART, note=note, requests=2)
        return answer.ok

    async def _buy(self) -> None:
        self._began = time.monotonic()
        answer = await self._call(CHECKOUT, "POST", self._checkout.checkout_path)
        self._answer = answer
        source, destination = str(self._hop.flow.source), f"{self._hop.flow.destination}:{self._hop.flow.port}"
        self._step(RESERVE, state=StepState.RUNNING, source=source, destination=destination)
        late = reserve.judge(answer, Seen(), self._checkout).get("cause") == "timeout"
        lines = await self._observer.lines_of(self._hop, _WAIT_S if reserve.expected(answer.body) and not late else _SETTLE_S)
        words = (answer.request_id, _text(answer.body, "order_id"))
        said = await self._observer.said((*self._hop.sources, *self._hop.destinations), words)
        said = [redact_text(line, self._secrets) for line in said]
        self._judge_reserve(lines)
        self._step(RESERVE, log_lines=tuple(line for line in said if "order created" not in line))
        self._order(answer, said)

    def _judge_reserve(self, lines: list[AccessLine]) -> None:
        changes = reserve.judge(self._answer, read_lines(lines), self._checkout)
        for name in {"request", "response", "error"} & changes.keys():
            changes[name] = self._clean(changes[name])
        self._step(RESERVE, **changes)

    async def _wait_for_late_line(self) -> None:
        """The source's ztunnel logs a connection that nobody answers only when it gives up, long after the client has."""
        step = self.trace.step(RESERVE)
        if step.cause != "timeout" or step.evidence or not self._observer.readable:
            return
        left_s = _GIVES_UP_S - (time.monotonic() - self._began)
        self._step(RESERVE, note="waiting for the source's ztunnel, which gives up after 10 s")
        lines = await self._observer.lines_of(self._hop, max(_SETTLE_S, left_s))
        self._judge_reserve(lines)
        self._step(RESERVE, note="" if lines else "no ztunnel logged it")

    def _order(self, answer: Answer, said: list[str]) -> None:
        if not answer.ok:
            return
        order_id, event_id = _text(answer.body, "order_id"), _text(answer.body, "event_id")
        log_lines = tuple(line for line in said if order_id and order_id in line)
        if not order_id:
            self._step(ORDER, state=StepState.FAILED, error="the answer of checkout names no order")
            return
        note = f"order {order_id}, " + (f"event {event_id}" if event_id else "the answer names no event")
        response = {key: answer.body.get(key) for key in ("order_id", "event_id", "status", "total_cents") if key in answer.body}
        self._step(ORDER, state=StepState.OK, response=self._clean(response), note=note, log_lines=log_lines)
        self._show(replace(self.trace, order_id=order_id, event_id=event_id))

    def _infer_reserve(self) -> None:
        """A shop whose answer doesn't list reserve calls, and ztunnels that can't be read: the stock itself tells."""
        step = self.trace.step(RESERVE)
        silent = "reserve_calls" not in (self.trace.step(CHECKOUT).response or {})
        if step.cause == "no_call" and silent and self.trace.moved == self._checkout.quantity:
            note = "nobody tells of it, but the stock moved by what was bought"
            self._step(RESERVE, state=StepState.OK, cause="", error="", note=note)

    async def _name_hops(self) -> None:
        """Say of each request through the gateway who it was for the mesh, from the ztunnels' lines."""
        sent = {name: hop for name, hop in self._hops.items() if self.trace.step(name).status is not None}
        lines = await self._observer.lines_for([(hop, self._sent_to(hop)) for hop in sent.values()], _SETTLE_S)
        for name, hop in sent.items():
            mine = self._own_lines(name, [line for line in lines if hop.matches(line)])
            seen = read_lines(mine)
            self._step(
                name,
                source=f"Gateway {self._checkout.gateway_namespace}/{self._checkout.gateway_name}",
                destination=f"{hop.flow.destination}:{hop.flow.port}",
                source_identity=seen.source_identity,
                destination_identity=seen.destination_identity,
                mtls=seen.mtls,
                evidence=tuple(line.raw for line in mine[-1:]),
            )

    def _own_lines(self, name: str, lines: list[AccessLine]) -> list[AccessLine]:
        """A step's own lines where each request had a connection to itself, else all of that destination's."""
        hop = self._hops[name]
        if self._sent_to(hop) != len(lines):
            return lines
        same = [other for other, each in self._hops.items() if each.flow.destination == hop.flow.destination]
        skipped = sum(self.trace.step(other).requests for other in same[: same.index(name)])
        return lines[skipped : skipped + self.trace.step(name).requests]

    def _sent_to(self, hop: Hop) -> int:
        same = (name for name, each in self._hops.items() if each.flow.destination == hop.flow.destination)
        return sum(self.trace.step(name).requests for name in same)

    # ---- telling

    async def _call(self, name: str, method: str, path: str, *, json: Any = None, form: dict[str, str] | None = None) -> Answer:
        headers: tuple[tuple[str, str], ...] = (("Host", self._checkout.host),)
        if self._shop.token:
            headers += (("Authorization", f"Bearer {REDACTED}"),)
        request = self._clean(form if form is not None else json)
        url = self.trace.gateway + path
        self._step(name, state=StepState.RUNNING, method=method, url=url, headers=headers, request=request)
        answer = await self._shop.request(method, path, json=json, form=form)
        sent = self.trace.step(name).requests + 1
        self._step(
            name,
            state=StepState.OK if answer.ok else StepState.FAILED,
            status=answer.status,
            elapsed_ms=answer.elapsed_ms,
            response=shortened(self._clean(answer.body)),
            answered_by="" if answer.status is None else "gateway" if answer.from_gateway else "application",
            cause=answer.cause or ("" if answer.ok else f"http_{answer.status}"),
            error=self._clean(answer.error),
            requests=sent,
        )
        return answer

    def _clean(self, value: Any) -> Any:
        return redact(value, self._secrets)

    def _step(self, name: str, **changes: Any) -> None:
        self._show(self.trace.with_step(name, **changes))

    def _show(self, trace: Trace) -> None:
        self.trace = trace
        self._tell(trace)

    def _stock_path(self, book: str) -> str:
        return self._checkout.stock_path.replace("{book}", quote(book, safe=""))


def _books_path(cart_path: str) -> str:
    """Where the shop lists its books: beside the cart."""
    return cart_path.rstrip("/").rpartition("/")[0] + "/books"


def _books_in(body: Any) -> dict[str, str]:
    """Titles by id, of a list of books or an object that holds one."""
    if isinstance(body, dict):
        body = next((body[key] for key in ("books", "items", "content") if isinstance(body.get(key), list)), [])
    books = [book for book in body if isinstance(book, dict)] if isinstance(body, list) else []
    found = ((book.get("book_id") or book.get("id"), book.get("title")) for book in books)
    return {str(book_id): str(title or "") for book_id, title in found if book_id}


def _stock_of(body: Any, book: str) -> Stock | None:
    if not isinstance(body, dict):
        return None
    quantity, reserved = body.get("quantity"), body.get("reserved")
    if not isinstance(quantity, int) or not isinstance(reserved, int):
        return None
    return Stock(str(body.get("book_id") or book), quantity, reserved)


def _text(body: Any, name: str) -> str:
    return str(body.get(name) or "") if isinstance(body, dict) else ""
