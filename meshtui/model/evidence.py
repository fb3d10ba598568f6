"""What was observed of a running bookstore without buying anything: what manifests can't tell."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """Read-only evidence. What is None could not be observed; ``problems`` say why.

    ``shop_books`` and ``stock_books`` are the ids of the books that the shop sells and that inventory knows.
    ``orders`` counts the orders that the shop's log tells of, ``reserve_calls`` the calls that it made for them.
    ``invalid_requests`` counts lines in which inventory's server complains of requests that it can't read;
    ``http_400`` the reserve calls that were answered 400. ``lines`` are log lines, as evidence.
    """

    shop_books: tuple[str, ...] | None = None
    stock_books: tuple[str, ...] | None = None
    image: str = ""
    inventory_url: str = ""
    orders: int | None = None
    reserve_calls: int | None = None
    invalid_requests: int | None = None
    http_400: int | None = None
    lines: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
