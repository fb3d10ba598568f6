"""A live source on a real API server: what it publishes, and a relay that makes the network fail."""

import asyncio
import contextlib
import time

import yaml

from meshtui.model.snapshot import KindStatus
from meshtui.settings import Settings, Timeouts
from meshtui.sources.kubernetes.live import LiveSource

PATIENCE_S = 20.0


class Followed:
    """A running LiveSource and everything that it published."""

    def __init__(self, source):
        self.source = source
        self.snapshots = []
        self._news = asyncio.Event()

    def publish(self, snapshot):
        self.snapshots.append(snapshot)
        self._news.set()

    @property
    def last(self):
        return self.snapshots[-1]

    async def until(self, good, seconds=PATIENCE_S):
        """The first snapshot from now on (the current one included) that is good; fails with how the kinds stand."""
        deadline = time.monotonic() + seconds
        while not (self.snapshots and good(self.last)):
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), max(0.01, deadline - time.monotonic()))
            except TimeoutError:
                kinds = {n: (s.status.value, s.message) for n, s in self.last.kinds.items()} if self.snapshots else "no snapshot"
                raise AssertionError(f"not within {seconds:.0f} s: {kinds}") from None
        return self.last

    async def until_retried(self, good, seconds=40.0):
        """The same, with r pressed once a second: what waits for its next try doesn't wait long."""

        async def press():
            while True:
                self.source.retry_now()
                await asyncio.sleep(1)

        task = asyncio.create_task(press())
        try:
            return await self.until(good, seconds)
        finally:
            task.cancel()


@contextlib.asynccontextmanager
async def following(kubeconfig, **settings):
    """Follow a cluster; the source must end when it is cancelled, and leave no task behind."""
    timeouts = settings.pop("timeouts", Timeouts(connect_s=2, request_s=10))
    source = LiveSource(Settings(kubeconfig=str(kubeconfig), timeouts=timeouts, **settings))
    followed = Followed(source)
    before = asyncio.all_tasks()
    task = asyncio.create_task(source.run(followed.publish))
    try:
        yield followed
        assert not task.done(), task.exception()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    left = [t for t in asyncio.all_tasks() - before - {task} if t.get_name().startswith(("watch ", "mesh", "sandbox"))]
    assert left == []


def status(snapshot, kind="Pod"):
    return snapshot.kind_state(kind).status


def synced(snapshot, *, but=()):
    """Whether every installed kind is in step, save some."""
    fine = {KindStatus.SYNCED, KindStatus.NOT_INSTALLED}
    return bool(snapshot.kinds) and all(s.status in fine for name, s in snapshot.kinds.items() if name not in but)


class Relay:
    """A TCP relay to one port: ``down`` refuses and breaks everything, ``up`` listens again on the same port."""

    def __init__(self, target):
        self._target = target
        self._server = None
        self._writers = set()
        self.port = 0

    async def up(self):
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def down(self):
        self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader, writer):
        self._writers.add(writer)
        try:
            upstream = await asyncio.open_connection("127.0.0.1", self._target)
            self._writers.add(upstream[1])
            await asyncio.gather(self._pump(reader, upstream[1]), self._pump(upstream[0], writer))
        except OSError:
            writer.transport.abort()

    async def _pump(self, reader, writer):
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.transport.abort()


@contextlib.asynccontextmanager
async def relayed(api, folder):
    """A relay before an API server, and a kubeconfig that goes through it."""
    relay = Relay(int(api.url.rpartition(":")[2]))
    await relay.up()
    kubeconfig = edited(api.kubeconfig, folder / "relayed", server=f"https://127.0.0.1:{relay.port}")
    try:
        yield relay, kubeconfig
    finally:
        await relay.down()


def edited(kubeconfig, path, *, server=None, user=None, **cluster):
    """A copy of a kubeconfig with another server, user or cluster fields."""
    config = yaml.safe_load(kubeconfig.read_text())
    config["clusters"][0]["cluster"] |= cluster | ({"server": server} if server else {})
    if user is not None:
        config["users"][0]["user"] = user
    path.write_text(yaml.safe_dump(config))
    return path
