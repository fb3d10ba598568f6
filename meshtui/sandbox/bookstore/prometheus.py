"""prometheus: a scraper outside the mesh, which requests in plaintext every few seconds, and logs the results."""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from meshtui.sandbox.bookstore.plain_http import CallError, get
from meshtui.sandbox.bookstore.web import App, Instrumented, Message, Receive, Scope, Send, log
from meshtui.sandbox.podnet import PodNetwork, serve

PORT = 9090
_TARGETS = "ecom-service.ecom:8080,inventory-service.inventory:8000"
_INTERVAL_S = 5.0


@dataclass(slots=True)
class Target:
    """One address to scrape, and the result of the last scrape."""

    address: str
    health: str = "unknown"
    last_error: str = ""
    last_scrape: str = ""
    duration_s: float = 0.0

    def scrape(self, network: PodNetwork) -> None:
        """Scrape once. A change of health is logged."""
        began, before = time.monotonic(), self.health
        try:
            status, _ = get(network, f"http://{self.address}/metrics")
            self.last_error = "" if status == 200 else f"server returned HTTP status {status}"
        except CallError as error:
            self.last_error = str(error)
        self.health = "down" if self.last_error else "up"
        self.duration_s = time.monotonic() - began
        self.last_scrape = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        if self.health != before:
            log(f"target {self.address} is {self.health}", error=self.last_error or None)

    def public(self) -> dict[str, Any]:
        """As /api/v1/targets shows it."""
        return {
            "scrapeUrl": f"http://{self.address}/metrics",
            "labels": {"instance": self.address, "job": self.address.split(".", 1)[0]},
            "health": self.health,
            "lastError": self.last_error,
            "lastScrape": self.last_scrape,
            "lastScrapeDuration": round(self.duration_s, 4),
        }


@dataclass(slots=True)
class Scraper:
    """Scrapes its targets, one after the other, for ever."""

    network: PodNetwork
    targets: list[Target]
    interval_s: float = _INTERVAL_S
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        """The scraping thread."""
        while not self.stop.is_set():
            for target in self.targets:
                target.scrape(self.network)
            self.stop.wait(self.interval_s)


def create_app(scraper: Scraper) -> App:
    """The two pages: ready, and the targets."""

    async def app(scope: Scope, _receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] in {"/-/ready", "/-/healthy"}:
            await _answer(send, 200, b"text/plain", b"Prometheus Server is Ready.\n")
        elif scope["path"] == "/api/v1/targets":
            active = [target.public() for target in scraper.targets]
            body = json.dumps({"status": "success", "data": {"activeTargets": active, "droppedTargets": []}})
            await _answer(send, 200, b"application/json", body.encode())
        else:
            await _answer(send, 404, b"text/plain", b"404 page not found\n")

    return Instrumented(app, "prometheus")


async def _answer(send: Send, status: int, kind: bytes, body: bytes) -> None:
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    start: Message = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": body})


def main() -> None:
    """Run the container."""
    network = PodNetwork.of_this_process()
    addresses = os.environ.get("SCRAPE_TARGETS", _TARGETS).split(",")
    scraper = Scraper(network, [Target(address.strip()) for address in addresses])
    threading.Thread(target=scraper.run, name="scraper", daemon=True).start()
    serve(create_app(scraper), PORT, network)


if __name__ == "__main__":
    main()
