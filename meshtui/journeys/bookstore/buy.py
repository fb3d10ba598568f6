"""One checkout as a customer makes it: the steps of its journey, and the choice of a book between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from meshtui.engine import Engine
from meshtui.journeys.bookstore import reserve
from meshtui.journeys.bookstore.data import checkout_journey
from meshtui.journeys.bookstore.explain import explain
from meshtui.journeys.bookstore.hops import Seen, read_lines
from meshtui.journeys.bookstore.trace import (
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
from meshtui.journeys.bookstore.values import values
from meshtui.journeys.gateway import Answer
from meshtui.journeys.plan import AFTER, BEFORE
from meshtui.journeys.report import Report
from meshtui.journeys.run import SETTLE_S, Runner, values_of
from meshtui.logs.ztunnel import AccessLine
from meshtui.model.redact import redact
from meshtui.settings import Settings
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.writes import Confirmation

Tell = Callable[[Trace], None]
"""A function that is called with the trace after every change."""


class Buyer:
    """Makes one purchase. ``run`` doesn't raise for a checkout that fails: the trace contains the failure."""

    def __init__(self, gateway: str, settings: Settings, engine: Engine, api: Api, tell: Tell = lambda _: None) -> None:
        checkout = settings.checkout
        self._checkout, self._engine, self._tell = checkout, engine, tell
        self._journey = checkout_journey()
        self._steps = {step.name: step for step in self._journey.step}
        (self._gauge,) = self._journey.gauge
        (self._call,) = self._steps[CHECKOUT].call
        # The token of the settings is only set when its step is reached, like a token that is requested
        given = values_of(self._journey, {**values(settings), "token": ""})
        self._runner = Runner(self._journey, given, gateway, settings, engine, api, self._heard)
        self._secrets = self._runner.secrets
        self._secrets += [checkout.token] if checkout.token else []
        self._answer, self._began = Answer(), 0.0
        self.trace = Trace(redact(gateway), checkout.host, checkout.book, checkout.quantity)

    async def run(self, confirmation: Confirmation | None) -> Trace:
        """Make the purchase. Raises ReadOnlyError in read-only mode or without a confirmation."""
        self._runner.permit(confirmation, "nothing is bought")
        try:
            self._show(self.trace)
            await self._runner.observer.mark()
            await self._stock(BEFORE)
            if await self._token() and await self._choose() and await self._fill_cart():
                await self._buy()
            await self._stock(AFTER)
            self._infer_reserve()
            await self._runner.name_hops()
            await self._wait_for_late_line()
            await self._runner.look_further()
        finally:
            await self._runner.close()
        done = finish(self.trace)
        if self._runner.observer.problem:
            done = replace(done, notes=(f"the ztunnels' logs can't be read: {self._runner.observer.problem}",))
        behind = self._runner.behind()
        self._show(replace(done, explanation=None if done.ok else explain(done, self._engine, self._checkout, behind)))
        return self.trace

    # ---- the steps

    async def _stock(self, when: str) -> None:
        """Read the book's stock. For an unknown book the checkout continues, because its failure is the symptom to show."""
        answer = await self._runner.measure(self._gauge, when)
        stock = _stock_of(answer.body, self._checkout.book) if answer.ok else None
        if answer.ok and stock is None:
            name = STOCK_BEFORE if when == BEFORE else STOCK_AFTER
            self._step(name, state=StepState.FAILED, error="the answer has no quantity and reserved")
        self._show(replace(self.trace, before=stock) if when == BEFORE else replace(self.trace, after=stock))

    async def _token(self) -> bool:
        if self._checkout.token:
            self._runner.give("token", self._checkout.token)
            self._step(TOKEN, state=StepState.OK, note="taken from the settings")
            return True
        return self._runner.take(self._steps[TOKEN], await self._runner.send(TOKEN))

    async def _choose(self) -> bool:
        """Choose a book for the cart: the configured one, or the shop's first if shop and inventory have different ids."""
        wanted = self._checkout.book
        answer = await self._runner.send(BOOKS)
        books = _books_in(answer.body) if answer.ok else {}
        if not books:
            # A shop without such a list may still sell the book: the request to the cart decides
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
            shared = await self._runner.ask_again(STOCK_BEFORE, {"book": chosen})
            if shared.status != 404 or self.trace.before is None:
                words = f"the shop doesn't sell {wanted}; its first book is {chosen}"
                self._step(BOOKS, state=StepState.FAILED, cause="unknown_book", error=words)
                return False
            note = f"the shop doesn't know {wanted}, inventory doesn't know {chosen}: their ids differ; buying the shop's first"
        self._step(BOOKS, note=note)
        self._runner.give("bought", chosen)
        self._show(replace(self.trace, bought=chosen, book_title=books[chosen]))
        return True

    async def _fill_cart(self) -> bool:
        note = await self._runner.prepare(self._steps[CART])
        answer = await self._runner.send(CART)
        self._step(CART, note=note)
        return answer.ok

    async def _buy(self) -> None:
        self._began = time.monotonic()
        answer = self._answer = await self._runner.send(CHECKOUT)
        self._runner.begin_call(RESERVE)
        late = reserve.judge(answer, Seen(), self._checkout).get("cause") == "timeout"
        certain = reserve.expected(answer.body) and not late
        lines = await self._runner.lines_of(RESERVE, self._call.within_s if certain else SETTLE_S)
        hop, words = self._runner.hop(RESERVE), (answer.request_id, _text(answer.body, "order_id"))
        said = await self._runner.observer.said((*hop.sources, *hop.destinations), words)
        said = [redact(line, self._secrets) for line in said]
        self._judge_reserve(lines)
        self._step(RESERVE, log_lines=tuple(line for line in said if "order created" not in line))
        self._order(answer, said)

    def _judge_reserve(self, lines: list[AccessLine]) -> None:
        changes = reserve.judge(self._answer, read_lines(lines), self._checkout)
        for name in {"request", "response", "error"} & changes.keys():
            changes[name] = self._runner.clean(changes[name])
        self._step(RESERVE, **changes)

    async def _wait_for_late_line(self) -> None:
        """Wait for the source's ztunnel, which logs an unanswered connection at its own timeout, long after the client's."""
        step = self.trace.step(RESERVE)
        if step.cause != "timeout" or step.evidence or not self._runner.observer.readable:
            return
        lines = await self._runner.late_lines(RESERVE, self._began)
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
        self._step(ORDER, state=StepState.OK, response=self._runner.clean(response), note=note, log_lines=log_lines)
        self._show(replace(self.trace, order_id=order_id, event_id=event_id))

    def _infer_reserve(self) -> None:
        """Infer the reserve call from the stock if neither the shop's answer nor a ztunnel's log shows it."""
        step = self.trace.step(RESERVE)
        silent = "reserve_calls" not in (self.trace.step(CHECKOUT).response or {})
        if step.cause == "no_call" and silent and self.trace.moved == self._checkout.quantity:
            note = "nobody tells of it, but the stock moved by what was bought"
            self._step(RESERVE, state=StepState.OK, cause="", error="", note=note)

    # ---- notification

    def _step(self, name: str, **changes: Any) -> None:
        self._runner.change(name, **changes)

    def _heard(self, report: Report) -> None:
        self._show(replace(self.trace, steps=report.steps, further=report.further))

    def _show(self, trace: Trace) -> None:
        self.trace = trace
        self._tell(trace)


def _books_in(body: Any) -> dict[str, str]:
    """The titles of books by id, from a list of books or an object that contains one."""
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
