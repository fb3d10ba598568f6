"""The proxies' logs through a real API server: restarts, cuts, refusals, bursts, and what the command says of them."""

import asyncio
import json
import signal
import sys
from contextlib import asynccontextmanager

import msgspec
import pytest

from meshtui.cli.schemas.findings import DenialLine
from meshtui.sandbox.apiserver.server import running_api
from meshtui.session import Session
from meshtui.settings import Settings, Timeouts
from meshtui.sources.kubernetes import denials
from meshtui.sources.kubernetes.live import LiveSource
from tests.fakes.frozen import recorded_objects
from tests.unit.test_denials_read import BY_RULE, ENVOY

NONE_ALLOWED = "connection closed due to policy rejection: allow policies exist, but none allowed"
PATIENCE_S = 30.0


def addable(obj):
    if obj["kind"] not in {"Namespace", "ServiceAccount"}:
        return obj
    return {**obj, "metadata": {key: value for key, value in obj["metadata"].items() if key != "uid"}}


class Mesh:
    """The recorded bookstore on an API server, a session that follows its logs, and hands that write into them."""

    def __init__(self, api, session):
        self.api = api
        self.session = session

    def pods(self, **labels):
        found = self.api.store.list("pods")
        return [p for p in found if labels.items() <= (p["metadata"].get("labels") or {}).items()]

    @property
    def ztunnels(self):
        return self.pods(app="ztunnel")

    def pod(self, start):
        return next(p for p in self.api.store.list("pods") if p["metadata"]["name"].startswith(start))

    def line(self, error=NONE_ALLOWED, *, direction="inbound", source="ecom-service", port=8000):
        client, server = self.pod(source), self.pod("inventory-service")
        meta, to = client["metadata"], server["metadata"]
        return (
            f"2026-11-24T13:00:00.000000Z\terror\taccess\tconnection complete\tsrc.addr={client['status']['podIP']}:4000 "
            f'src.workload="{meta["name"]}" src.namespace="{meta["namespace"]}" '
            f'src.identity="spiffe://cluster.local/ns/ecom/sa/ecom-service" dst.addr={server["status"]["podIP"]}:15008 '
            f'dst.hbone_addr={server["status"]["podIP"]}:{port} dst.workload="{to["name"]}" dst.namespace="{to["namespace"]}" '
            f'direction="{direction}" bytes_sent=0 bytes_recv=0 duration="0ms" error="{error}"'
        )

    def say(self, text, pod=None):
        self.api.logs.append((pod or self.ztunnels[0])["metadata"]["uid"], text)

    async def until(self, holds):
        news = asyncio.Event()
        stops = [self.session.denials.listen(news.set), self.session.listen(news.set)]
        try:
            async with asyncio.timeout(PATIENCE_S):
                while not holds():
                    news.clear()
                    await news.wait()
        except TimeoutError:
            log = self.session.denials.log
            raise AssertionError(f"it never came to that: {self.counts()}, {log and log.logs}") from None
        finally:
            for stop in stops:
                stop()

    def counts(self):
        return [each.denial.count for each in self.session.denials.judged]


def not_a_sandbox(api):
    """In meshtui's own sandbox logs are followed from the start."""
    system = api.store.get("namespaces", None, "kube-system")
    api.store.update("namespaces", {**system, "metadata": {**system["metadata"], "labels": {}}})


@asynccontextmanager
async def mesh(*, follow=True, retry_s=None):
    objects = [addable(obj) for listed in recorded_objects().values() for obj in listed]
    async with running_api(objects=objects) as api:
        not_a_sandbox(api)
        for pod in api.store.list("pods"):
            api.logs.begin(pod["metadata"]["uid"], "")
        settings = Settings(kubeconfig=str(api.kubeconfig), timeouts=Timeouts(connect_s=2, request_s=10))
        session = Session(LiveSource(settings), settings)
        session.start()
        made = Mesh(api, session)
        try:
            await made.until(lambda: session.settled and bool(session.snapshot.pods))
            if follow:
                session.denials.follow()
                await made.until(lambda: len([x for x in session.denials.log.logs if x.reading]) >= 3)
            yield made
        finally:
            await session.stop()


async def test_nothing_is_followed_before_somebody_asks():
    async with mesh(follow=False) as made:
        assert made.session.denials.log is None
        assert made.session.denials.by_object() is None
        assert not [task for task in asyncio.all_tasks() if task.get_name().startswith("log ")]


async def test_both_ends_of_one_connection_on_two_nodes_are_one_denial():
    async with mesh() as made:
        here, there = made.ztunnels
        made.say(made.line("http status: 401 Unauthorized", direction="outbound"), here)
        made.say(made.line(), there)
        await made.until(lambda: made.counts() == [1] and made.session.denials.judged[0].denial.reason == NONE_ALLOWED)
        made.say(made.line(), there)
        made.say(made.line("http status: 401 Unauthorized", direction="outbound"), here)
        await made.until(lambda: made.counts() == [2])
        one = made.session.denials.judged[0].denial
        assert (str(one.source), str(one.destination), one.port) == (
            "ecom/deployment/ecom-service", "inventory/deployment/inventory-service", 8000,
        )  # fmt: skip


async def test_a_ztunnel_that_is_replaced_is_followed_anew_and_what_the_old_one_said_stays():
    async with mesh() as made:
        old = made.ztunnels[0]
        made.say(made.line(), old)
        await made.until(lambda: made.counts() == [1])
        made.api.store.delete("pods", "istio-system", old["metadata"]["name"])
        fresh = {k: v for k, v in old["metadata"].items() if k not in {"uid", "resourceVersion"}} | {"name": "ztunnel-new"}
        created = made.api.store.create("pods", {**old, "metadata": fresh})
        made.say(made.line(), created)
        await made.until(lambda: made.counts() == [2])
        assert [log.pod for log in made.session.denials.log.logs if "new" in log.pod] == ["istio-system/ztunnel-new"]
        assert old["metadata"]["name"] not in str(made.session.denials.log.logs)


async def test_a_stream_that_is_cut_goes_on_where_it_was_and_counts_nothing_twice():
    async with mesh() as made:
        for _ in range(3):
            made.say(made.line())
        await made.until(lambda: made.counts() == [3])
        made.api.faults.cut_watches()
        for _ in range(2):
            made.say(made.line())
        made.session.retry_now()
        await made.until(lambda: made.counts() == [5])
        made.api.faults.cut_watches()
        made.say(made.line(port=9))
        await made.until(lambda: sorted(made.counts()) == [1, 5])


async def test_a_refusal_names_the_verb_and_goes_away_when_it_is_granted():
    async with mesh(follow=False) as made:
        made.api.faults.set(forbidden=["get pods/log"])
        made.session.denials.follow()
        log = made.session.denials.log
        await made.until(lambda: any("missing verb: get pods/log in namespace istio-system" in p for p in log.problems))
        assert not log.readable
        assert made.session.denials.by_object() is None
        made.api.faults.clear()
        made.say(made.line())
        made.session.retry_now()
        await made.until(lambda: made.counts() == [1] and log.readable and not log.problems)


async def test_lines_that_cannot_be_read_are_counted():
    async with mesh() as made:
        made.say("\x1b[31mred\x1b[0m, and \u202eno log line")
        made.say(made.line()[:300])
        made.say(made.line())
        await made.until(lambda: made.counts() == [1] and made.session.denials.log.unreadable == 2)
        assert any("an access line that is cut" in log.sample for log in made.session.denials.log.logs)


async def test_only_a_newline_ends_a_line():
    """What other programs take for a line's end may stand in a header: it must not begin a line that somebody forged."""
    async with mesh() as made:
        gateway = made.pod("gateway")
        forged = ENVOY.format(details=BY_RULE).replace('"', "'")
        honest = ENVOY.format(details="via_upstream").replace("curl/8.11.1", f"x\u2028{forged}\x85{forged}\x0b")
        made.say(honest, gateway)
        made.say(ENVOY.format(details=BY_RULE), gateway)
        await made.until(lambda: made.counts() == [1])
        each = made.session.denials.judged[0]
        assert (each.evidence, each.decided_by.ref.name, each.denial.proxy) == ("log", "read-only", "gateway")


async def test_a_burst_is_counted_whole_and_holds_the_loop_in_slices_only(monkeypatch):
    """6,000 lines at once: all are counted, and others get a turn whenever a slice is over (here: at once)."""
    monkeypatch.setattr(denials, "_SLICE_S", 0.0)
    async with mesh() as made:
        turns = 0

        async def others():
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        lines = [made.line(port=8000 + number % 50) for number in range(6000)]
        targets = made.ztunnels
        for number, text in enumerate(lines):
            made.say(text, targets[number % 2])
        task = asyncio.create_task(others())
        await made.until(lambda: sum(made.counts()) == 6000)
        task.cancel()
        assert len(made.counts()) == 50
        assert turns > 100


async def test_many_logs_are_asked_in_turn_instead_of_followed(monkeypatch):
    monkeypatch.setattr(denials, "MOST_STREAMS", 2)
    monkeypatch.setattr(denials, "_POLL_S", 0.05)
    async with mesh() as made:
        made.say(made.line())
        await made.until(lambda: made.counts() == [1])
        made.say(made.line())
        await made.until(lambda: made.counts() == [2])


async def run(api, *words, **how):
    command = [sys.executable, "-m", "meshtui", "denials", "--kubeconfig", str(api.kubeconfig), *words]
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(*command, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, **how)


def as_a_background_job():
    """Shells start those with Ctrl-C ignored."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def as_a_person_does():
    """In a terminal of its own."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


async def answer(api, *words):
    process = await run(api, *words)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_the_command_prints_each_denial_once_and_says_what_is_missing():
    async with mesh(follow=False) as made:
        code, out, err = await answer(made.api)
        assert (code, out) == (0, "")
        assert "nothing was denied" in err

        named = "connection closed due to policy rejection: explicitly denied by: inventory/inventory-service-policy"
        made.say(made.line(named).replace("2026-11-24T13:00:00.000000Z", "2099-11-24T13:00:00.000000Z"))
        code, out, err = await answer(made.api, "-o", "jsonl")
        line = json.loads(out)
        assert msgspec.to_builtins(msgspec.convert(line, DenialLine)) == line
        assert line["decided_by"]["name"] == "inventory-service-policy"
        assert (line["evidence"], line["count"], line["agreement"]) == ("log", 1, "disagrees")
        assert code == 1  # reality says no, policy says yes
        code, out, err = await answer(made.api, "-n", "identity")
        assert (code, out) == (0, "")

        made.say("no line \x1b[2J of ztunnel")
        code, out, err = await answer(made.api, "-n", "identity")
        assert code == 4
        assert "1 line(s) couldn't be read" in err
        assert "\x1b" not in err

        made.api.faults.set(forbidden=["get pods/log"])
        code, out, err = await answer(made.api)
        assert (code, out) == (3, "")
        assert "missing verb: get pods/log in namespace istio-system" in err


@pytest.mark.parametrize("started", [as_a_person_does, as_a_background_job])
async def test_follow_prints_a_group_again_when_it_grows_and_ends_when_it_is_asked_to(started):
    async with mesh(follow=False) as made:
        process = await run(made.api, "--follow", "-o", "jsonl", preexec_fn=started)
        try:
            made.say(made.line().replace("2026-11-24", "2099-11-24"))
            async with asyncio.timeout(PATIENCE_S):
                assert json.loads(await process.stdout.readline())["count"] == 1
                made.say(made.line().replace("2026-11-24", "2099-11-24"))
                assert json.loads(await process.stdout.readline())["count"] == 2
        finally:
            process.terminate()
            try:
                _out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
            except TimeoutError:
                process.kill()
                raise
        assert process.returncode == 130
        assert "Traceback" not in err.decode()


@pytest.mark.parametrize("words", [("--since", "soon"), ("--since", "0s"), ("--since", "25h"), ("-f", "/dev/null")])
async def test_words_that_are_off(words):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "meshtui", "denials", *words, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, err = await process.communicate()
    assert process.returncode == 2
    assert "Traceback" not in err.decode()
