"""Observations of a running bookstore that manifests don't contain, made without buying anything."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Evidence:
    """Read-only observations. None means not observed; ``problems`` are the reasons.

    ``shop_books`` and ``stock_books`` are the ids of the books that the shop sells and that inventory has. ``orders`` is the
    number of orders in the shop's log, and ``reserve_calls`` the number of calls that it made for them. ``invalid_requests`` is
    the number of lines in which inventory's server reports unreadable requests; ``http_400`` the number of reserve calls that
    were answered 400. ``lines`` are log lines.
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
