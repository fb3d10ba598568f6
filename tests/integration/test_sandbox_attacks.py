"""Another user of the machine against a running sandbox of root: every step of a way in ends before it begins."""

import asyncio
import contextlib
import json
import os
import shutil
import socket
import stat
import struct
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from meshtui.sandbox.run import running_sandbox
from tests.fakes.bookstore import IN_ITS_LOOP, on

pytestmark = [
    pytest.mark.sandbox,
    pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can play another user"),
    on("open-databases"),
    IN_ITS_LOOP,
]

STRANGER = 65534
GUARD = 15999


async def as_stranger(*command, stdin=b""):
    """Another user's program: its exit code, and all that it said."""
    process = await asyncio.create_subprocess_exec(
        *command,
        env={"PATH": os.environ["PATH"], "HOME": "/"},
        cwd="/",
        user=STRANGER,
        group=STRANGER,
        extra_groups=[],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await asyncio.wait_for(process.communicate(stdin), 30)
    return process.returncode, output


def views(sandbox):
    for pod in sandbox.api.store.list("pods"):
        path = sandbox.kubelet.paths(pod["metadata"]["uid"]).network
        if path.exists():
            yield pod["metadata"]["name"], json.loads(path.read_bytes())


def listening() -> Iterator[tuple[str, int]]:
    """Every TCP address of 127.0.0.0/8 but 127.0.0.1 and the guards of blocks on which somebody listens."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        address, port = fields[1].split(":")
        host = socket.inet_ntoa(struct.pack("=I", int(address, 16)))
        if fields[3] == "0A" and host.startswith("127.") and host != "127.0.0.1" and int(port, 16) != GUARD:
            yield host, int(port, 16)


async def test_no_listener_of_a_pod_answers_a_stranger(bookstore):
    """PostgreSQL's own greeting (S or N) or any HTTP byte would be a way in."""
    own = {view["ip"].rpartition(".")[0].removeprefix("127.1") for _, view in views(bookstore)}
    places = [
        (host, port) for host, port in listening() if any(host.startswith(("127.1" + x + ".", "127.2" + x + ".")) for x in own)
    ]
    assert len(places) > 100
    turned_away = bookstore.dataplane.strangers

    async def ask(host, port):
        query = struct.pack("!ii", 8, 80877103) + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        return await as_stranger("curl", "-s", "-m", "3", "--data-binary", "@-", f"telnet://{host}:{port}", stdin=query)

    for start in range(0, len(places), 20):
        answers = await asyncio.gather(*(ask(*place) for place in places[start : start + 20]))
        assert {output for _, output in answers} == {b""}
    assert bookstore.dataplane.strangers >= turned_away + len(places)


async def test_strangers_leave_no_denial_in_the_logs(bookstore):
    def denials():
        pods = [
            pod for pod in bookstore.api.store.list("pods", "istio-system") if pod["metadata"]["labels"].get("app") == "ztunnel"
        ]
        readers = [bookstore.api.logs.reader(pod["metadata"]["uid"], "") for pod in pods]
        return [line for reader in readers if reader for line in reader.lines() if b"error=" in line]

    before = denials()
    for _, view in views(bookstore):
        for source in (view["ip"], "127.0.0.1"):
            for host, port in {tuple(route) for name, route in view["routes"].items() if "ecom-service" in name}:
                await as_stranger("curl", "-s", "-m", "2", "--interface", f"host!{source}", f"http://{host}:{port}/")
    assert denials() == before


def users_of_processes(mark):
    """Process id → user, of everything but ourselves whose command line or environment has a mark."""
    users = {}
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if entry.name != str(os.getpid()) and mark in (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes():
                users[entry.name] = entry.stat().st_uid
    return users


async def test_nothing_that_the_sandbox_started_runs_as_root(bookstore):
    users = users_of_processes(os.fsencode(bookstore.run_dir))
    assert len(users) > 5
    assert len(set(users.values())) == 1
    assert not set(users.values()) & {0, STRANGER}


async def test_a_pod_that_runs_what_its_author_wants_isnt_root_either(bookstore):
    spec = {"restartPolicy": "Never", "containers": [{"name": "main", "image": "localhost/tools:1", "command": ["id", "-u"]}]}
    metadata = {"name": "who", "namespace": "default"}
    pod = bookstore.api.add({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def said():
        reader = bookstore.api.logs.reader(pod["metadata"]["uid"], "main")
        return [line.split()[1] for line in reader.lines()] if reader else []

    async with asyncio.timeout(30):
        while not (lines := said()):  # noqa: ASYNC110 - files have no event
            await asyncio.sleep(0.05)
    bookstore.api.store.delete("pods", "default", "who")
    assert int(lines[0]) not in {0, STRANGER}


async def test_a_stranger_can_enter_no_folder_and_read_no_key(bookstore):
    run = bookstore.run_dir
    secrets = [run / "kubeconfig", *run.glob("pki/*"), *run.glob("e/ca/*"), *run.glob("p/*/net.json"), *run.glob("e/*.json")]
    assert len(secrets) > 20
    for path in [run, run / "pki", run / "e", run / "p", *secrets, *run.glob("p/*/s/5432"), *run.glob("e/w/*")]:
        code, output = await as_stranger("cat", str(path))
        assert code != 0
        assert b"Permission denied" in output, path
    assert {stat.S_IMODE(path.stat().st_mode) & 0o137 for path in secrets if path.suffix in {".key", ""}} <= {0}


async def test_the_data_folder_cant_be_raced_into_a_link(bookstore):
    """Whatever root makes or hands on stands in folders that nobody else can write to, up to the root."""
    user = next(iter(bookstore.run_dir.glob("p/*/s"))).stat().st_uid
    given = [path for path in bookstore.run_dir.rglob("*") if path.lstat().st_uid == user]
    tops = [path for path in given if path.parent.stat().st_uid != user]
    assert {path.name for path in tops} == {"s", "home", "pg", "w"}
    for top in tops:
        for folder in [top.parent, *top.parent.parents]:
            status = folder.stat()
            assert status.st_uid == 0
            assert not status.st_mode & 0o022 or status.st_mode & stat.S_ISVTX, folder
    target = tops[0]
    code, output = await as_stranger("sh", "-c", f"mv {target} {target}.old && ln -s /etc {target}")
    assert code != 0
    assert b"Permission denied" in output
    assert os.stat("/etc").st_uid == 0  # noqa: PTH116


async def test_a_link_that_a_pod_plants_is_not_followed(bookstore, tmp_path):
    """The pods' own user is no way to root either: a folder that is handed over anew never means another one."""
    from meshtui.sandbox.user import User, give_folder, write_for

    victim = tmp_path / "victim"
    victim.mkdir()
    (tmp_path / "link").symlink_to(victim)
    with pytest.raises(OSError, match=r"Not a directory|Too many levels"):
        give_folder(tmp_path / "link", User(STRANGER, STRANGER))
    assert victim.stat().st_uid == 0
    (tmp_path / ".file.new").symlink_to(victim / "made")
    write_for(tmp_path / "file", b"x", User(STRANGER, STRANGER))
    assert list(victim.iterdir()) == []


async def test_the_api_answers_nobody_without_a_certificate(bookstore):
    url = bookstore.api.url
    for path in ("/api/v1/secrets", "/api/v1/namespaces/ecom/pods", "/apis"):
        _, output = await as_stranger("curl", "-sk", "-m", "5", "-w", "%{http_code}", f"{url}{path}")
        assert output.endswith(b"401"), output
    code, _ = await as_stranger("curl", "-sk", "-m", "5", "-X", "DELETE", f"{url}/api/v1/namespaces/ecom")
    assert code == 0
    assert bookstore.api.store.get("namespaces", None, "ecom") is not None


async def test_the_gateways_port_is_for_who_started_the_sandbox(bookstore):
    code, output = await as_stranger("curl", "-s", "-m", "5", f"{bookstore.gateway_url}/")
    assert (code, output) in {(52, b""), (56, b"")}
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(bookstore.gateway_url, headers={"Host": "api.service.net"})).status_code == 200


async def test_even_a_pod_with_the_open_database_at_hand_needs_the_password(bookstore):
    """In this scenario no policy guards the databases: prometheus reaches them, and is refused by PostgreSQL."""
    psql = shutil.which("psql", path=str(_programs(bookstore)))
    (view,) = [view for name, view in views(bookstore) if name.startswith("prometheus")]
    host, port = view["routes"]["inventory-db.inventory:5432"]
    for user in ("postgres", "inventory"):
        process = await asyncio.create_subprocess_exec(
            *(psql, "-h", host, "-p", str(port), "-U", user, "-d", "inventory", "-w"),
            *("-c", "copy (select 1) to program 'touch /tmp/owned'"),
            stderr=asyncio.subprocess.PIPE,
        )
        _, errors = await process.communicate()
        assert process.returncode == 2
        assert b"rejects connection" in errors or b"no password supplied" in errors, errors
    assert not os.path.exists("/tmp/owned")  # noqa: PTH110, ASYNC240


def _programs(sandbox):
    from meshtui.sandbox.bookstore.pgdata import installed_binaries

    return installed_binaries()


async def test_two_sandboxes_at_once_hear_nothing_of_each_other(bookstore):
    """The second one of this process shares its user and block of addresses: the nearest that two can be."""
    async with running_sandbox("healthy") as other:
        assert await other.wait_ready() == []
        mine = {view["ip"] for _, view in views(bookstore)}
        theirs = {view["ip"] for _, view in views(other)}
        assert not mine & theirs
        assert bookstore.gateway_url != other.gateway_url
        assert not {r[1] for _, v in views(bookstore) for r in map(tuple, v["routes"].values()) if r[0] in theirs}
        pods = {pod["metadata"]["name"] for pod in other.api.store.list("pods") if not pod["metadata"]["name"].endswith("-0")}
        for pod in bookstore.api.store.list("pods", "istio-system"):
            reader = bookstore.api.logs.reader(pod["metadata"]["uid"], "")
            lines = b"".join(reader.lines()) if reader else b""
            assert not any(name.encode() in lines for name in pods)
            assert not any(ip.encode() + b":" in lines for ip in theirs)
        for pod in other.api.store.list("pods", "istio-system"):
            reader = other.api.logs.reader(pod["metadata"]["uid"], "")
            denied = [line for line in (reader.lines() if reader else []) if b"policy" in line or b"NetworkPolicy" in line]
            assert denied == []
