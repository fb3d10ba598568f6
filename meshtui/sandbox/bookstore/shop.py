"""ecom-service's tables: books, carts, orders and the events about them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg.errors import ForeignKeyViolation

from meshtui.sandbox.bookstore.database import Database


@dataclass(frozen=True, slots=True)
class CartLine:
    """A number of copies of one book."""

    book_id: UUID
    title: str
    quantity: int
    price_cents: int

    def public(self) -> dict[str, Any]:
        """As the API shows it."""
        return {
            "book_id": str(self.book_id),
            "title": self.title,
            "quantity": self.quantity,
            "price_cents": self.price_cents,
        }


class UnknownBookError(LookupError):
    """The shop doesn't have this book."""


class EmptyCartError(LookupError):
    """The cart is empty."""


class Shop:
    """The service's operations on its database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def ready(self) -> bool:
        """Whether the database is there and migrated."""
        return self._database.ready

    def books(self) -> list[dict[str, Any]]:
        """All books, by id."""
        with self._database.transaction() as connection:
            rows = connection.execute("select id, title, author, price_cents from books order by id").fetchall()
        names = ("book_id", "title", "author", "price_cents")
        return [{**dict(zip(names, row, strict=True)), "book_id": str(row[0])} for row in rows]

    def cart(self, customer: str) -> list[CartLine]:
        """A customer's cart."""
        with self._database.transaction() as connection:
            return _cart(connection, customer)

    def add(self, customer: str, book_id: UUID, quantity: int) -> list[CartLine]:
        """Add books to the cart, and return the cart. Raises UnknownBookError."""
        query = (
            "insert into cart_items (customer, book_id, quantity) values (%s, %s, %s)"
            " on conflict (customer, book_id) do update set quantity = cart_items.quantity + excluded.quantity"
        )
        with self._database.transaction() as connection:
            try:
                connection.execute(query, (customer, book_id, quantity))
            except ForeignKeyViolation as error:
                raise UnknownBookError(str(book_id)) from error
            return _cart(connection, customer)

    def empty(self, customer: str) -> None:
        """Remove everything from the cart."""
        with self._database.transaction() as connection:
            connection.execute("delete from cart_items where customer = %s", (customer,))

    def order(self, customer: str, lines: list[CartLine], reserved: list[dict[str, Any]]) -> tuple[UUID, UUID]:
        """Write the order and its event in one transaction and empty the cart: (order id, event id)."""
        total = sum(line.quantity * line.price_cents for line in lines)
        with self._database.transaction() as connection:
            order_id: UUID = _one(
                connection,
                "insert into orders (customer, status, total_cents) values (%s, 'CONFIRMED', %s) returning id",
                (customer, total),
            )
            for line in lines:
                connection.execute(
                    "insert into order_items (order_id, book_id, quantity, price_cents) values (%s, %s, %s, %s)",
                    (order_id, line.book_id, line.quantity, line.price_cents),
                )
            payload = {
                "order_id": str(order_id),
                "customer": customer,
                "items": [line.public() for line in lines],
                "reserved": bool(reserved),
            }
            event_id: UUID = _one(
                connection,
                "insert into outbox_events (aggregate_id, type, payload) values (%s, 'OrderCreated', %s) returning id",
                (order_id, json.dumps(payload)),
            )
            connection.execute("delete from cart_items where customer = %s", (customer,))
        return order_id, event_id


def _one(connection: Connection[Any], query: Any, parameters: tuple[Any, ...]) -> Any:
    row = connection.execute(query, parameters).fetchone()
    return row[0] if row else None


def _cart(connection: Connection[Any], customer: str) -> list[CartLine]:
    rows = connection.execute(
        "select books.id, books.title, cart_items.quantity, books.price_cents from cart_items"
        " join books on books.id = cart_items.book_id where customer = %s order by books.title",
        (customer,),
    ).fetchall()
    return [CartLine(*row) for row in rows]
