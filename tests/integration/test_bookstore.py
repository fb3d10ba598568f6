"""The bookstore's real services and databases, joined by plain relays where the sandbox has its data plane."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from meshtui.sandbox.images import images_for
from meshtui.sandbox.kubelet.environment import make_folders
from meshtui.sandbox.ports import PodPaths
from meshtui.sandbox.runtime import Runtime
from meshtui.sandbox.user import as_user, write_for

BOOK = "00000000-0000-0000-0000-000000000001"
pytestmark = [pytest.mark.sandbox]


def eventually(condition: Callable[[], Any], within_s: float = 20.0) -> Any:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, httpx.HTTPError):
            if value := condition():
                return value
        time.sleep(0.05)
    raise AssertionError("not within the deadline")


class Relay:
    """Stands for the data plane: a TCP port that goes to a Unix socket, or that closes, or that never answers."""

    def __init__(self, target: Path) -> None:
        self.target, self.mode = target, "open"
        self._held: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.mode == "silent":
                    self._held.append(client)
                elif self.mode == "closed":
                    client.close()
                else:
                    self._join(client)

    def _join(self, client: socket.socket) -> None:
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(str(self.target))
        except OSError:
            client.close()
            return
        for one, other in ((client, server), (server, client)):
            threading.Thread(target=self._pump, args=(one, other), daemon=True).start()

    @staticmethod
    def _pump(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        for end in (one, other):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        for end in (self._listener, *self._held):
            end.close()


PASSWORD = {"POSTGRES_PASSWORD": "a word"}
PGPASSWORD = {"PGPASSWORD": "a word"}


class Town:
    """Pods as processes, each with a root folder and the same view of the network."""

    NAMES: ClassVar[dict[str, tuple[str, int, str, dict[str, str]]]] = {
        "ecom-db": ("ecom-db.ecom", 5432, "bookstore/postgres:18", {"POSTGRES_DB": "ecom", **PASSWORD}),
        "inventory-db": ("inventory-db.inventory", 5432, "bookstore/postgres:18", {"POSTGRES_DB": "inventory", **PASSWORD}),
        "keycloak-db": ("keycloak-db.identity", 5432, "bookstore/postgres:18", {"POSTGRES_DB": "keycloak", **PASSWORD}),
        "keycloak": ("keycloak.identity", 8080, "bookstore/keycloak:1.0", {}),
        "inventory": ("inventory-service.inventory", 8000, "bookstore/inventory-service:1.0", {}),
        "ecom": ("ecom-service.ecom", 8080, "bookstore/ecom-service:1.1", {}),
        "ui": ("ui-service.ecom", 3000, "bookstore/ui-service:1.0", {}),
        "prometheus": ("prometheus.observability", 9090, "bookstore/prometheus:1.0", {}),
    }

    def __init__(self, root: Path, machine: Runtime) -> None:
        self.root, self.machine = root, machine
        if machine.user is not None:
            os.chown(root, -1, machine.user.gid)
            root.chmod(0o710)
        self.relays = {name: Relay(root / name / "s" / str(row[1])) for name, row in self.NAMES.items()}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, image: str | None = None) -> None:
        _, _, default, env = self.NAMES[name]
        found = images_for(self.machine)(image or default)
        assert found is not None
        assert found.command is not None
        pod = self.root / name
        make_folders(PodPaths(pod), self.machine.user)
        routes = {f"{row[0]}:{row[1]}": ["127.0.0.1", self.relays[key].port] for key, row in self.NAMES.items()}
        view = json.dumps({"ip": "127.0.0.1", "namespace": "x", "routes": routes})
        write_for(pod / "net.json", view.encode(), self.machine.user)
        with (self.root / f"{name}.log").open("ab") as log:
            env = {"PATH": os.environ["PATH"], **PGPASSWORD, **found.env, **env, "MESHTUI_POD_ROOT": str(pod)}
            user = as_user(self.machine.user)
            self.processes[name] = subprocess.Popen(found.command, env=env, stdout=log, stderr=log, cwd="/", **user)

    def stop(self, name: str, number: int = signal.SIGTERM) -> int:
        process = self.processes.pop(name)
        process.send_signal(number)
        return process.wait(15)

    def client(self, name: str) -> httpx.Client:
        path = str(self.root / name / "s" / str(self.NAMES[name][1]))
        return httpx.Client(transport=httpx.HTTPTransport(uds=path), base_url="http://api.service.net", timeout=15)

    def log(self, name: str) -> str:
        return (self.root / f"{name}.log").read_text()

    def wait(self, name: str, path: str) -> None:
        with self.client(name) as client:
            eventually(lambda: client.get(path).status_code == 200)

    def token(self) -> dict[str, str]:
        form = {"grant_type": "password", "client_id": "bookstore-web", "username": "reader", "password": "reader"}
        with self.client("keycloak") as client:
            answer = client.post("/realms/bookstore/protocol/openid-connect/token", data=form)
        return {"Authorization": f"Bearer {answer.json()['access_token']}"}

    def stock(self, book: str = BOOK) -> dict[str, Any]:
        with self.client("inventory") as client:
            return client.get(f"/inven/stock/{book}").json()

    def buy(self, quantity: int = 1, *, first_book: bool = False) -> httpx.Response:
        headers = self.token()
        with self.client("ecom") as client:
            books = client.get("/ecom/books").json()
            book = books[0]["book_id"] if first_book else BOOK
            client.delete("/ecom/cart", headers=headers)
            added = client.post("/ecom/cart", json={"book_id": book, "quantity": quantity}, headers=headers)
            assert added.status_code == 200, added.text
            return client.post("/ecom/checkout", headers={**headers, "X-Request-Id": "trace-me"})

    def restart_ecom(self, image: str) -> None:
        self.stop("ecom")
        self.start("ecom", image)
        self.wait("ecom", "/ecom/health")

    def close(self) -> None:
        for name in list(self.processes):
            self.stop(name)
        for relay in self.relays.values():
            relay.close()


@pytest.fixture(scope="module")
def town(machine: Runtime) -> Iterator[Town]:
    # pytest's own temporary folders have names too long for a socket's path.
    with tempfile.TemporaryDirectory(prefix="bks") as folder:
        it = Town(Path(folder), machine)
        try:
            for name in it.NAMES:
                it.start(name)
            it.wait("keycloak", "/health")
            it.wait("inventory", "/inven/health")
            it.wait("ecom", "/ecom/health")
            yield it
        finally:
            it.close()


def test_a_checkout_reserves_stock_and_writes_the_order_with_its_event(town: Town) -> None:
    before = town.stock()
    answer = town.buy(2)
    assert answer.status_code == 201, answer.text
    body = answer.json()
    assert answer.headers["x-request-id"] == "trace-me"
    assert body["order_id"]
    assert body["event_id"]
    (call,) = body["reserve_calls"]
    assert (call["book_id"], call["quantity"], call["status"]) == (BOOK, 2, 200)
    assert town.stock()["reserved"] == before["reserved"] + 2 == call["reserved"]
    assert "request_id=trace-me" in town.log("inventory")


def test_a_checkout_without_a_good_token_is_refused(town: Town) -> None:
    with town.client("ecom") as client:
        assert client.post("/ecom/checkout").status_code == 401
        assert client.post("/ecom/checkout", headers={"Authorization": "Bearer x.y.z"}).status_code == 401
        header = town.token()["Authorization"]
        forged = header[:-8] + ("AAAAAAAA" if not header.endswith("AAAAAAAA") else "BBBBBBBB")
        assert client.post("/ecom/checkout", headers={"Authorization": forged}).status_code == 401


def test_more_than_there_is_leaves_the_stock_alone(town: Town) -> None:
    with town.client("inventory") as client:
        last = "00000000-0000-0000-0000-000000000005"
        answer = client.post("/inven/stock/reserve", json={"book_id": last, "quantity": 99})
        assert answer.status_code == 409
        assert town.stock(last)["reserved"] == 0
        unknown = client.post("/inven/stock/reserve", json={"book_id": BOOK.replace("1", "f"), "quantity": 1})
        assert unknown.status_code == 404


@pytest.mark.parametrize(
    ("mode", "status", "cause"), [("closed", 502, "closed"), ("silent", 504, "timeout")], ids=["closed", "timeout"]
)
def test_a_reserve_call_without_an_answer_says_how_it_failed(town: Town, mode: str, status: int, cause: str) -> None:
    before = town.stock()
    town.relays["inventory"].mode = mode
    try:
        answer = town.buy()
    finally:
        town.relays["inventory"].mode = "open"
    assert answer.status_code == status, answer.text
    detail = answer.json()["detail"]
    assert (detail["error"], detail["cause"]) == ("reserve_failed", cause)
    assert detail["url"].endswith("/inven/stock/reserve")
    assert town.stock() == before


@pytest.mark.parametrize(
    ("image", "status", "cause"),
    [("bookstore/ecom-service:1.1-rc1", 422, "http_404"), ("bookstore/ecom-service:1.1-h2c", 502, "http_400")],
    ids=["uuid-mismatch", "h2c"],
)
def test_builds_with_a_gap_fail_for_its_reason_and_the_right_build_repairs_it(
    town: Town, image: str, status: int, cause: str
) -> None:
    town.stop("ecom")  # or the right build fills the empty database before it is replaced
    town.stop("ecom-db")
    town.start("ecom-db")
    town.start("ecom", image)
    town.wait("ecom", "/ecom/health")
    answer = town.buy(first_book=True)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]["cause"] == cause
    if cause == "http_400":
        assert answer.json()["detail"]["reason"] == "Invalid HTTP request received."
    town.restart_ecom("bookstore/ecom-service:1.1")
    assert town.buy(first_book=True).status_code == 201


def test_the_build_without_a_reserve_call_sells_and_moves_no_stock(town: Town) -> None:
    town.restart_ecom("bookstore/ecom-service:1.0")
    before = town.stock()
    answer = town.buy()
    town.restart_ecom("bookstore/ecom-service:1.1")
    assert answer.status_code == 201
    assert answer.json()["reserve_calls"] == []
    assert town.stock() == before


def test_services_survive_a_database_that_comes_back_empty(town: Town) -> None:
    for name in ("inventory-db", "keycloak-db"):
        town.stop(name, signal.SIGKILL)
        town.start(name)
    eventually(lambda: town.stock().get("reserved") == 0)
    town.wait("keycloak", "/health")
    eventually(lambda: town.buy().status_code == 201)
    assert town.stock()["reserved"] == 1


def test_a_stopped_database_ends_quickly_and_leaves_no_server(town: Town) -> None:
    pid = int((town.root / "inventory-db" / "pg" / "data" / "postmaster.pid").read_text().split()[0])
    assert town.stop("inventory-db") == 0
    assert not (town.root / "inventory-db" / "s" / "5432").is_symlink()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    town.start("inventory-db")
    town.wait("inventory", "/inven/health")


def test_prometheus_scrapes_and_the_page_shows_the_books(town: Town) -> None:
    def healths() -> bool:
        with town.client("prometheus") as client:
            targets = client.get("/api/v1/targets").json()["data"]["activeTargets"]
        return [target["health"] for target in targets] == ["up", "up"]

    assert eventually(healths)
    with town.client("ui") as client:
        assert "The Ambient Sea" in client.get("/").text


def test_the_issuer_describes_itself_and_refuses_a_wrong_password(town: Town) -> None:
    with town.client("keycloak") as client:
        about = client.get("/realms/bookstore/.well-known/openid-configuration").json()
        assert about["issuer"].endswith("/realms/bookstore")
        url = "/realms/bookstore/protocol/openid-connect/token"
        wrong = {"grant_type": "password", "username": "reader", "password": "wrong"}
        assert client.post(url, data=wrong).status_code == 401
        service = {
            "grant_type": "client_credentials",
            "client_id": "bookstore-service",
            "client_secret": "bookstore-service-secret",
        }
        assert client.post(url, data=service).status_code == 200
        assert client.post(url, data={**service, "client_secret": "-"}).status_code == 401
