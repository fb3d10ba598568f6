"""ecom-service's client of inventory-service, which reserves books."""

from __future__ import annotations

import http.client
import json
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from meshtui.sandbox.bookstore import h2c
from meshtui.sandbox.bookstore.web import log, request_id
from meshtui.sandbox.podnet import PodNetwork, UnknownNameError

_TIMEOUT_S = 3.0
_RESERVE = "/inven/stock/reserve"
_HEALTH = "/inven/health"


class ReserveFailedError(Exception):
    """A failed reserve call: ``detail`` is the answer's body, ``status`` its code."""

    def __init__(self, status: int, detail: dict[str, Any]) -> None:
        super().__init__(detail["cause"])
        self.status = status
        self.detail = detail


def _status_for(cause: str) -> int:
    """The status of a checkout whose reserve call failed."""
    return {"timeout": 504, "http_404": 422, "http_409": 409}.get(cause, 502)


def _cause(error: Exception) -> str:
    """The outcome of a call without an answer."""
    if isinstance(error, UnknownNameError) or "name or service not known" in str(error):
        return "dns"
    if isinstance(error, (httpx.TimeoutException, TimeoutError)):
        return "timeout"
    if isinstance(error, (httpx.ConnectError, ConnectionRefusedError)):
        return "refused"
    return "closed"


class InventoryClient:
    """Calls inventory-service. HTTP/1.1 is forced, except in the h2c variant."""

    def __init__(self, network: PodNetwork, base_url: str, *, use_h2c: bool = False) -> None:
        self._network = network
        self._base_url = base_url.rstrip("/")
        self._call: Callable[[str, dict[str, Any]], tuple[int, str]] = self._h2c if use_h2c else self._http11

    def reserve(self, book_id: UUID, quantity: int) -> dict[str, Any]:
        """Reserve one book. Returns the call as it appears in the order's answer. Raises ReserveFailedError."""
        began = time.monotonic()
        sent = {"book_id": str(book_id), "quantity": quantity}
        try:
            status, text = self._call(_RESERVE, sent)
            cause, reason = f"http_{status}", text
        except (httpx.HTTPError, http.client.HTTPException, OSError, UnknownNameError) as error:
            status, text, cause, reason = 0, "", _cause(error), str(error) or type(error).__name__
        elapsed_ms = round((time.monotonic() - began) * 1000, 1)
        url = self._base_url + _RESERVE
        level = "INFO" if status == 200 else "ERROR"
        log(f"POST {url}", level, cause=cause, elapsed=f"{elapsed_ms}ms", request_id=request_id.get(), **sent)
        if status != 200:
            error_body = _json(reason)
            detail = {"error": "reserve_failed", "url": url, "cause": cause, "elapsed_ms": elapsed_ms, **sent}
            if cause == "http_404":
                detail["message"] = f"inventory doesn't know book {book_id}"
            raise ReserveFailedError(_status_for(cause), {**detail, "reason": error_body})
        stock = json.loads(text)
        call = {**sent, "url": url, "status": status, "elapsed_ms": elapsed_ms}
        return {**call, "reserved": stock["reserved"], "stock_quantity": stock["quantity"]}

    def health(self) -> str:
        """The result of GET /inven/health: ``up``, or the outcome."""
        try:
            with self._network.client(_TIMEOUT_S) as client:
                response = client.get(self._base_url + _HEALTH)
        except httpx.HTTPError as error:
            return _cause(error)
        return "up" if response.status_code == 200 else f"http_{response.status_code}"

    def _http11(self, path: str, body: dict[str, Any]) -> tuple[int, str]:
        with self._network.client(_TIMEOUT_S) as client:
            headers = {"X-Request-Id": request_id.get()}
            response = client.post(self._base_url + path, json=body, headers=headers)
        return response.status_code, response.text

    def _h2c(self, path: str, _body: dict[str, Any]) -> tuple[int, str]:
        parts = urlsplit(self._base_url)
        host, port = parts.hostname or "", parts.port or 80
        return h2c.post(self._network, host, port, path, request_id.get(), _TIMEOUT_S)


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
