"""Only the sandbox's own processes come in: a stranger on the same machine gets nothing, and leaves no trace in the logs."""

import asyncio
import contextlib
import json
import os
import socket
import stat

import pytest

from meshtui.sandbox import addresses
from meshtui.sandbox.dataplane.doors import Doors
from meshtui.sandbox.dataplane.peers import Holder, holder_of

ECOM, INVENTORY, PROMETHEUS = "ecom/ecom-service", "inventory/inventory-service", "observability/prometheus"
STRANGER = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: only root can start a program of another user")


async def as_stranger(*arguments):
    """Another user's curl: its exit code and what it got."""
    process = await asyncio.create_subprocess_exec(
        *("curl", "-s", "-m", "5", *arguments),
        env={"PATH": os.environ["PATH"]},
        cwd="/",
        user=STRANGER,
        group=STRANGER,
        extra_groups=[],
        stdout=asyncio.subprocess.PIPE,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


def routes(cluster, ref):
    return json.loads((cluster.root(ref) / "net.json").read_text())["routes"]


@needs_root
@pytest.mark.parametrize("bound", [True, False])
async def test_a_stranger_cant_speak_with_a_pods_identity(cluster, bound):
    host, port = routes(cluster, ECOM)["inventory-service.inventory:8000"]
    interface = ("--interface", f"host!{cluster.ip(ECOM)}") if bound else ()
    code, said = await as_stranger(*interface, f"http://{host}:{port}/")
    assert (code, said) in {(52, ""), (56, "")}
    assert (await cluster.curl(ECOM, "http://inventory-service.inventory:8000/")).outcome == "connected"
    await cluster.reached(INVENTORY, 1)
    assert cluster.connections[INVENTORY] == 1
    assert cluster.plane.strangers == 1


@needs_root
async def test_a_stranger_at_a_pods_own_address_is_not_even_a_plaintext_peer(cluster):
    own = {"from": [{"source": {"principals": ["cluster.local/ns/nobody/sa/at-all"]}}]}
    selector = {"matchLabels": {"app": "inventory-service"}}
    await cluster.apply("AuthorizationPolicy", "closed", "inventory", {"selector": selector, "rules": [own]})
    for source in ((), ("--interface", f"host!{cluster.ip(PROMETHEUS)}"), ("--interface", f"host!{cluster.ip(ECOM)}")):
        code, said = await as_stranger(*source, f"http://{cluster.ip(INVENTORY)}:8000/")
        assert (code, said) in {(52, ""), (56, "")}
    code, _ = await as_stranger("-k", f"https://{cluster.ip(INVENTORY)}:15008/")
    assert code != 0
    # What a pod of the sandbox is refused is logged, after the strangers came; of them nothing is.
    await cluster.curl(PROMETHEUS, "http://inventory-service.inventory:8000/")
    await cluster.logged("istio-system/ztunnel-b", "policy rejection", "prometheus")
    assert len([line for _, line in cluster.logs.lines if "policy rejection" in line]) == 1
    assert cluster.connections[INVENTORY] == 0


async def test_envoy_listens_on_nothing_but_closed_unix_sockets(cluster):
    folder = cluster.run_dir / "e" / "w"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    sockets = [path for path in folder.iterdir() if path.is_socket()]
    assert len(sockets) > 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in sockets} == {0o600}
    listeners = await cluster.plane.envoy_listeners()
    assert listeners
    assert all(address.startswith("/") for address in listeners)


async def test_nobody_is_sent_to_an_address_that_another_program_has(cluster):
    """A second sandbox, or anybody, that listens where a pod should be is never taken for that pod."""
    heard = []

    async def listen_in(reader, writer):
        heard.append(await reader.read(100))
        writer.close()

    ports = [{"containerPort": 7777}]
    spec = {"serviceAccountName": "late", "nodeName": "sandbox-b", "containers": [{"name": "main", "image": "x", "ports": ports}]}
    meta = {"name": "late", "namespace": "inventory"}
    pod = cluster.store.create("pods", {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec})
    ip = addresses.allocate_pod_address(pod["metadata"]["uid"])
    status = {"phase": "Running", "podIP": ip, "conditions": [{"type": "Ready", "status": "True"}]}
    async with await asyncio.start_server(listen_in, ip, 7777), await asyncio.start_server(listen_in, ip, 15008):
        cluster.pods["inventory/late"] = cluster.store.update("pods", {**pod, "status": status})
        await cluster.settled()
        assert (await cluster.curl(PROMETHEUS, f"http://{ip}:7777/")).outcome == "refused"
        assert (await cluster.curl(ECOM, f"http://{ip}:7777/")).outcome == "closed"
    assert heard == []


async def test_the_pods_of_another_sandbox_are_strangers_too(tmp_path):
    """Two sandboxes of one user: the user's id is the same, so the client's address decides."""
    doors = Doors(tmp_path, frozenset({os.geteuid()}), lambda peer: not addresses.is_foreign(peer[0]))
    said = []

    async def application(reader, writer):
        said.append(await reader.readline())
        writer.write(b"hello")
        writer.close()

    server = await asyncio.start_unix_server(application, str(doors.pipe("listener")))
    ours = addresses.claim_block()
    place = doors.reserve("door", f"127.2.{ours}.9")
    await doors.publish({"door": "listener"})
    try:
        for source, answer in ((f"127.1.{ours}.9", b"hello"), (f"127.1.{(ours + 1) % 250}.9", b"")):
            reader, writer = await asyncio.open_connection(*place, local_addr=(source, 0))
            assert await reader.read() == answer
            writer.close()
        assert [line.split()[2] for line in said] == [f"127.1.{ours}.9".encode()]
    finally:
        await doors.close()
        server.close()


@pytest.mark.parametrize("holder", [None, Holder(os.geteuid() + 1, 7)])
async def test_whoever_the_kernel_doesnt_vouch_for_is_turned_away(tmp_path, holder):
    doors = Doors(tmp_path, frozenset({os.geteuid()}), ask=lambda peer, ours: holder)
    reached = []
    server = await asyncio.start_unix_server(lambda r, w: reached.append(1), str(doors.pipe("listener")))
    place = doors.reserve("door", "127.0.0.1")
    await doors.publish({"door": "listener"})
    try:
        reader, writer = await asyncio.open_connection(*place)
        with contextlib.suppress(ConnectionResetError):
            assert await reader.read() == b""
        writer.close()
        assert (reached, doors.turned_away) == ([], 1)
    finally:
        await doors.close()
        server.close()


@pytest.mark.parametrize("option", [socket.SO_REUSEADDR, socket.SO_REUSEPORT])
async def test_nobody_can_join_a_door_at_its_address_before_it_opens(tmp_path, option):
    doors = Doors(tmp_path, frozenset({os.geteuid()}))
    place = doors.reserve("door", "127.0.0.1")
    with socket.socket() as stranger:
        stranger.setsockopt(socket.SOL_SOCKET, option, 1)
        with pytest.raises(OSError, match="in use"):
            stranger.bind(place)
    await doors.close()


def test_the_kernel_names_the_holder_of_a_connection_and_nobody_once_it_is_closed():
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        accepted, peer = server.accept()
        found = holder_of(peer, server.getsockname())
        assert found is not None
        assert found.uid == os.geteuid()
        client.close()
        assert holder_of(peer, server.getsockname()) is None
        accepted.close()
