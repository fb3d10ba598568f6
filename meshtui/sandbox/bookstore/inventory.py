"""inventory-service: the number of copies of each book, and how many of them are reserved."""

from __future__ import annotations

import os
from typing import Any
from uuid import UUID

from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field
from starlette.requests import Request

from meshtui.sandbox.bookstore.database import Database, DatabaseUnavailableError
from meshtui.sandbox.bookstore.migrate import changesets
from meshtui.sandbox.bookstore.web import App, Instrumented
from meshtui.sandbox.podnet import PodNetwork, serve

PORT = 8000
_DATABASE_URL = "postgresql://inventory@inventory-db.inventory:5432/inventory"


class ReserveRequest(BaseModel):
    """A request to reserve copies of a book."""

    book_id: UUID
    quantity: int = Field(gt=0)


class Stock(BaseModel):
    """One book's stock: ``reserved`` of ``quantity`` copies."""

    book_id: UUID
    quantity: int
    reserved: int


def _stock(row: tuple[Any, ...]) -> Stock:
    return Stock(book_id=row[0], quantity=row[1], reserved=row[2])


def create_app(database: Database) -> App:
    """The service on a database."""
    app = FastAPI(title="inventory-service", docs_url=None, redoc_url=None)

    @app.exception_handler(DatabaseUnavailableError)
    async def unavailable(_: Request, error: DatabaseUnavailableError) -> JSONResponse:
        return JSONResponse({"detail": {"error": "database_unavailable", "reason": str(error)}}, status_code=503)

    @app.get("/inven/health")
    async def health() -> JSONResponse:
        return JSONResponse({"status": "UP" if database.ready else "DOWN"}, status_code=200 if database.ready else 503)

    @app.get("/inven/stock")
    def stock() -> list[Stock]:
        with database.transaction() as connection:
            rows = connection.execute("select book_id, quantity, reserved from stock order by book_id").fetchall()
        return [_stock(row) for row in rows]

    @app.get("/inven/stock/{book_id}")
    def stock_of(book_id: UUID) -> Stock:
        with database.transaction() as connection:
            query = "select book_id, quantity, reserved from stock where book_id = %s"
            row = connection.execute(query, (book_id,)).fetchone()
        if row is None:
            raise HTTPException(404, {"error": "unknown_book", "book_id": str(book_id)})
        return _stock(row)

    @app.post("/inven/stock/reserve")
    def reserve(wanted: ReserveRequest) -> Stock:
        with database.transaction() as connection:
            query = "select book_id, quantity, reserved from stock where book_id = %s for update"
            row = connection.execute(query, (wanted.book_id,)).fetchone()
            if row is None:
                raise HTTPException(404, {"error": "unknown_book", "book_id": str(wanted.book_id)})
            have = _stock(row)
            if have.reserved + wanted.quantity > have.quantity:
                left = have.quantity - have.reserved
                raise HTTPException(409, {"error": "not_enough_stock", "book_id": str(wanted.book_id), "available": left})
            connection.execute("update stock set reserved = reserved + %s where book_id = %s", (wanted.quantity, wanted.book_id))
        return Stock(book_id=have.book_id, quantity=have.quantity, reserved=have.reserved + wanted.quantity)

    return Instrumented(app, "inventory-service")


def main() -> None:
    """Run the container."""
    network = PodNetwork.of_this_process()
    database = Database(network, os.environ.get("DATABASE_URL", _DATABASE_URL), changesets("inventory"))
    database.keep()
    serve(create_app(database), PORT, network)


if __name__ == "__main__":
    main()
