"""The table of images: what containers of the sandbox may run on this machine."""

from __future__ import annotations

import re
import sys
from dataclasses import replace

from meshtui.sandbox.ports import Image, Images
from meshtui.sandbox.runtime import Runtime

PROBE_IMAGE = "docker.io/curlimages/curl:8.16.0"
"""meshtui's default probe image."""


def _service(module: str, **env: str) -> Image:
    command = (sys.executable, "-m", f"meshtui.sandbox.bookstore.{module}")
    return Image(command=command, env={"PYTHONUNBUFFERED": "1", **env})


def _ecom(*, reserve: bool = True, changesets: int = 5, http: str = "1.1") -> Image:
    """A variant of ecom-service: whether it reserves stock, which changesets it has, and how it calls inventory."""
    return _service(
        "ecom",
        BOOKSTORE_RESERVE="yes" if reserve else "no",
        BOOKSTORE_CHANGESETS=str(changesets),
        BOOKSTORE_HTTP=http,
    )


_IDLE = Image(command=None, env={}, idle=True)
_TOOLS = Image(command=None, env={})

_IMAGES: dict[str, Image] = {
    "bookstore/ecom-service:1.1": _ecom(),
    "bookstore/ecom-service:1.1-h2c": _ecom(http="h2c"),
    "bookstore/ecom-service:1.1-rc1": _ecom(changesets=4),
    "bookstore/ecom-service:1.0": _ecom(reserve=False),
    "bookstore/ecom-service:0.9": _ecom(reserve=False, changesets=4),
    "bookstore/inventory-service:1.0": _service("inventory"),
    "bookstore/ui-service:1.0": _service("ui"),
    "bookstore/keycloak:1.0": _service("keycloak"),
    "bookstore/prometheus:1.0": _service("prometheus"),
    "bookstore/postgres:18": _service("postgres"),
    "localhost/tools:1": _TOOLS,
}

_IDLE_NAMES = frozenset({"istio/pilot", "istio/ztunnel", "istio/proxyv2"})
_REGISTRY = re.compile(r"^(?:docker\.io/|index\.docker\.io/)(?:library/)?")
_REFERENCE = re.compile(r"^(?P<repository>[a-z0-9._/-]+?)(?::(?P<tag>[\w][\w.-]{0,127}))?(?:@sha256:[0-9a-f]{64})?$")


def lookup(name: str) -> Image | None:
    """The image with a name, or None: then nothing runs, and the pod has ErrImagePull."""
    plain = _REGISTRY.sub("", name)
    if plain in _IMAGES:
        return _IMAGES[plain]
    reference = _REFERENCE.match(plain)
    if reference is None:
        return None
    if reference["repository"] == "curlimages/curl":
        return _TOOLS
    return _IDLE if reference["repository"] in _IDLE_NAMES else None


def images_for(runtime: Runtime, **env: str) -> Images:
    """The table for pods that run from ``runtime``; ``env`` is added to the environment of our own services."""

    def find(name: str) -> Image | None:
        image = lookup(name)
        if image is None or image.command is None:
            return image
        _, *arguments = image.command
        return replace(image, command=(runtime.python, *arguments), env={**image.env, **runtime.env, **env})

    return find
