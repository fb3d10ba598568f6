"""A GET request with the standard library only, for services that should have few imports."""

from __future__ import annotations

import http.client
import socket
from urllib.parse import urlsplit

from meshtui.sandbox.podnet import PodNetwork, UnknownNameError


class CallError(Exception):
    """There was no answer; the message says why."""


def get(network: PodNetwork, url: str, timeout_s: float = 3.0) -> tuple[int, bytes]:
    """GET a URL through the pod's network: status and body. Raises CallError."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 80
    source = network.source_address()
    connection = http.client.HTTPConnection(host, port, timeout=timeout_s)
    try:
        connection.sock = socket.create_connection(
            network.resolve(host, port), timeout=timeout_s, source_address=(source, 0) if source else None
        )
        connection.request("GET", parts.path or "/", headers={"Connection": "close"})
        response = connection.getresponse()
        return response.status, response.read()
    except TimeoutError as error:
        raise CallError("timed out") from error
    except ConnectionRefusedError as error:
        raise CallError("connection refused") from error
    except UnknownNameError as error:
        raise CallError(str(error)) from error
    except (OSError, http.client.HTTPException) as error:
        raise CallError(f"connection closed ({type(error).__name__})") from error
    finally:
        connection.close()
