"""The checkout's settings as variables of its journey."""

from __future__ import annotations

from collections.abc import Mapping

from meshtui.journeys.model import Scalar
from meshtui.journeys.variables import Template
from meshtui.settings import Settings


def values(settings: Settings) -> Mapping[str, Scalar]:
    """The values of the settings, by variable."""
    checkout = settings.checkout
    found: dict[str, Scalar] = {
        name: getattr(checkout, name)
        for name in (
            "gateway_namespace",
            "gateway_name",
            "host",
            "token_path",
            "client_id",
            "username",
            "password",
            "token",
            "book",
            "quantity",
            "cart_path",
            "checkout_path",
            "client",
            "server",
            "client_account",
            "server_account",
        )
    }
    pieces = (piece.replace("{", "{{").replace("}", "}}") for piece in checkout.stock_path.split("{book}"))
    return {
        **found,
        "gateway_url": checkout.gateway,
        "stock_path": Template("{book}".join(pieces)),
        "books_path": books_path(checkout.cart_path),
    }


def books_path(cart_path: str) -> str:
    """The path of the shop's list of books, next to that of the cart."""
    return cart_path.rstrip("/").rpartition("/")[0] + "/books"
