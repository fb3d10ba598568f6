"""An HTTP client that assumes h2c, which causes `400 Invalid HTTP request received` answers.

It asks to upgrade the connection to HTTP/2 and continues in HTTP/2 without waiting for `101 Switching Protocols`. A server that
supports only HTTP/1.1 (uvicorn) reads the HTTP/2 preface where a chunk should start, and answers 400.
"""

from __future__ import annotations

import http.client
import socket

from meshtui.sandbox.podnet import PodNetwork

_SETTINGS = "AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA"
_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_EMPTY_SETTINGS_FRAME = bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])


def post(network: PodNetwork, host: str, port: int, path: str, request_id: str, timeout_s: float) -> tuple[int, str]:
    """POST with an upgrade to h2c; the status and the body's text. Raises OSError or http.client.HTTPException."""
    source = network.source_address()
    with socket.create_connection(
        network.resolve(host, port), timeout=timeout_s, source_address=(source, 0) if source else None
    ) as connection:
        head = (
            f"POST {path} HTTP/1.1\r\n"
            "Connection: Upgrade, HTTP2-Settings\r\n"
            "Content-Type: application/json\r\n"
            f"Host: {host}:{port}\r\n"
            f"HTTP2-Settings: {_SETTINGS}\r\n"
            "Transfer-Encoding: chunked\r\n"
            "Upgrade: h2c\r\n"
            f"X-Request-Id: {request_id}\r\n\r\n"
        )
        connection.sendall(head.encode() + _PREFACE + _EMPTY_SETTINGS_FRAME)
        response = http.client.HTTPResponse(connection, method="POST")
        response.begin()
        return response.status, response.read().decode("utf-8", "replace")
