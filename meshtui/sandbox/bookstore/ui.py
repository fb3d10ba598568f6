"""ui-service: one page with the shop's books, which it fetches from ecom-service."""

from __future__ import annotations

import html
import json
import os
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse
from starlette.routing import Route

from meshtui.sandbox.bookstore.plain_http import CallError, get
from meshtui.sandbox.bookstore.web import App, Instrumented
from meshtui.sandbox.podnet import PodNetwork, serve

PORT = 3000
_ECOM_URL = "http://ecom-service.ecom:8080"


def _books(network: PodNetwork, ecom_url: str) -> tuple[list[dict[str, Any]], str]:
    """The books, and an error message if there are none."""
    try:
        status, body = get(network, f"{ecom_url}/ecom/books")
        return (json.loads(body), "") if status == 200 else ([], f"ecom-service answered {status}")
    except (CallError, ValueError) as error:
        return [], f"ecom-service: {error}"


def create_app(network: PodNetwork, ecom_url: str) -> App:
    """The page."""

    async def page(_: Request) -> HTMLResponse:
        books, problem = await run_in_threadpool(_books, network, ecom_url)
        rows = "".join(
            f"<li>{html.escape(book['title'])}, {html.escape(book['author'])}: {book['price_cents'] / 100:.2f}</li>"
            for book in books
        )
        body = f"<ul>{rows}</ul>" if books else f"<p>{html.escape(problem)}</p>"
        return HTMLResponse(f"<!doctype html><title>Bookstore</title><h1>Bookstore</h1>{body}")

    async def health(_: Request) -> JSONResponse:
        return JSONResponse({"status": "UP"})

    return Instrumented(Starlette(routes=[Route("/", page), Route("/health", health)]), "ui-service")


def main() -> None:
    """Run the container."""
    network = PodNetwork.of_this_process()
    serve(create_app(network, os.environ.get("ECOM_SERVICE_URL", _ECOM_URL)), PORT, network)


if __name__ == "__main__":
    main()
