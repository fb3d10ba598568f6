"""ecom-service: books, a cart, and a checkout that reserves stock at inventory-service before it writes the order."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.requests import Request

from meshtui.sandbox.bookstore.database import Database, DatabaseUnavailableError
from meshtui.sandbox.bookstore.inventory_client import InventoryClient, ReserveFailedError
from meshtui.sandbox.bookstore.migrate import changesets
from meshtui.sandbox.bookstore.shop import EmptyCartError, Shop, UnknownBookError
from meshtui.sandbox.bookstore.tokens import InvalidTokenError, IssuerUnavailableError, TokenChecker
from meshtui.sandbox.bookstore.web import App, Instrumented, log
from meshtui.sandbox.podnet import PodNetwork, serve

PORT = 8080
_DATABASE_URL = "postgresql://ecom@ecom-db.ecom:5432/ecom"
_INVENTORY_URL = "http://inventory-service.inventory:8000"
_ISSUER = "http://api.service.net:30000/realms/bookstore"
_JWKS_URL = "http://keycloak.identity:8080/realms/bookstore/protocol/openid-connect/certs"
_AUDIENCE = "bookstore"


class CartItem(BaseModel):
    """What a customer puts into the cart."""

    book_id: UUID
    quantity: int = Field(default=1, gt=0, le=100)


@dataclass(slots=True)
class Parts:
    """The parts of the service. ``inventory_seen`` is the result of the health check at its start."""

    shop: Shop
    inventory: InventoryClient
    tokens: TokenChecker
    reserves: bool
    inventory_seen: str = "unknown"


def _customer(request: Request) -> str:
    """The customer, from the token, which the service checks itself."""
    parts: Parts = request.app.state.parts
    claims = parts.tokens.claims(request.headers.get("authorization"))
    return str(claims.get("preferred_username") or claims["sub"])


Customer = Annotated[str, Depends(_customer)]


def create_app(parts: Parts) -> App:
    """The service made of its parts."""
    app = FastAPI(title="ecom-service", docs_url=None, redoc_url=None)
    app.state.parts = parts
    _answer_errors(app)

    def cart_of(name: str) -> dict[str, Any]:
        return {"items": [line.public() for line in parts.shop.cart(name)]}

    @app.get("/ecom/health")
    async def health() -> JSONResponse:
        # Inventory isn't checked here: without it the shop can still show its books.
        body = {"status": "UP" if parts.shop.ready else "DOWN", "inventory_at_start": parts.inventory_seen}
        return JSONResponse(body, status_code=200 if parts.shop.ready else 503)

    @app.get("/ecom/books")
    def books() -> list[dict[str, Any]]:
        return parts.shop.books()

    @app.get("/ecom/cart")
    def cart(name: Customer) -> dict[str, Any]:
        return cart_of(name)

    @app.post("/ecom/cart")
    def add(item: CartItem, name: Customer) -> dict[str, Any]:
        lines = parts.shop.add(name, item.book_id, item.quantity)
        return {"items": [line.public() for line in lines]}

    @app.delete("/ecom/cart")
    def empty(name: Customer) -> dict[str, Any]:
        parts.shop.empty(name)
        return {"items": []}

    @app.post("/ecom/checkout", status_code=201)
    def checkout(name: Customer) -> dict[str, Any]:
        return _checkout(parts, name)

    return Instrumented(app, "ecom-service")


def _checkout(parts: Parts, customer: str) -> dict[str, Any]:
    """Reserve every line, then write the order and its event. Raises ReserveFailedError before anything is written."""
    lines = parts.shop.cart(customer)
    if not lines:
        raise EmptyCartError
    calls = [parts.inventory.reserve(line.book_id, line.quantity) for line in lines] if parts.reserves else []
    order_id, event_id = parts.shop.order(customer, lines, calls)
    log("order created", order_id=order_id, event_id=event_id, customer=customer, reserve_calls=len(calls))
    return {
        "order_id": str(order_id),
        "event_id": str(event_id),
        "status": "CONFIRMED",
        "total_cents": sum(line.quantity * line.price_cents for line in lines),
        "items": [line.public() for line in lines],
        "reserve_calls": calls,
    }


def _answer_errors(app: FastAPI) -> None:
    """Register a handler for each known error, with its status and a message."""

    def answer(status: int, detail: dict[str, Any], headers: dict[str, str] | None = None) -> JSONResponse:
        return JSONResponse({"detail": detail}, status_code=status, headers=headers)

    @app.exception_handler(ReserveFailedError)
    async def reserve_failed(_: Request, error: ReserveFailedError) -> JSONResponse:
        return answer(error.status, error.detail)

    @app.exception_handler(InvalidTokenError)
    async def invalid_token(_: Request, error: InvalidTokenError) -> JSONResponse:
        return answer(401, {"error": "unauthorized", "reason": str(error)}, {"WWW-Authenticate": "Bearer"})

    @app.exception_handler(IssuerUnavailableError)
    async def no_issuer(_: Request, error: IssuerUnavailableError) -> JSONResponse:
        return answer(503, {"error": "issuer_unavailable", "reason": str(error)})

    @app.exception_handler(DatabaseUnavailableError)
    async def no_database(_: Request, error: DatabaseUnavailableError) -> JSONResponse:
        return answer(503, {"error": "database_unavailable", "reason": str(error)})

    @app.exception_handler(UnknownBookError)
    async def unknown_book(_: Request, error: UnknownBookError) -> JSONResponse:
        return answer(404, {"error": "unknown_book", "book_id": str(error)})

    @app.exception_handler(EmptyCartError)
    async def empty_cart(_: Request, _error: EmptyCartError) -> JSONResponse:
        return answer(409, {"error": "empty_cart"})


def _look_at_inventory(parts: Parts) -> None:
    parts.inventory_seen = parts.inventory.health()
    level = "INFO" if parts.inventory_seen == "up" else "WARN"
    log("GET /inven/health at start", level, result=parts.inventory_seen)


def main() -> None:
    """Run the container. Environment variables of its image (``BOOKSTORE_…``) select the variant of the service."""
    network, env = PodNetwork.of_this_process(), os.environ
    steps = changesets("ecom", last=int(env.get("BOOKSTORE_CHANGESETS", "5")))
    database = Database(network, env.get("DATABASE_URL", _DATABASE_URL), steps)
    use_h2c = env.get("BOOKSTORE_HTTP") == "h2c"
    parts = Parts(
        shop=Shop(database),
        inventory=InventoryClient(network, env.get("INVENTORY_SERVICE_URL", _INVENTORY_URL), use_h2c=use_h2c),
        tokens=TokenChecker(
            network, env.get("OIDC_ISSUER", _ISSUER), env.get("OIDC_JWKS_URL", _JWKS_URL), env.get("OIDC_AUDIENCE", _AUDIENCE)
        ),
        reserves=env.get("BOOKSTORE_RESERVE", "yes") == "yes",
    )
    database.keep()
    threading.Thread(target=_look_at_inventory, args=(parts,), daemon=True).start()
    serve(create_app(parts), PORT, network)


if __name__ == "__main__":
    main()
