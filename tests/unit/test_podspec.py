"""The objects of a probe, and its script, run by a real shell and a real curl against real sockets."""

import contextlib
import itertools
import shutil
import socket
import subprocess
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.model.flow import HttpRequest
from meshtui.probe import podspec
from meshtui.probe.classify import classify, is_last_line, parse_attempt
from meshtui.probe.plan import make_plan
from meshtui.settings import Probe
from tests.fakes.snapshots import pod, snapshot_of

NOW = datetime(2024, 1, 1, tzinfo=UTC)
WORLD = snapshot_of([pod("shop/web", "10.0.1.1", account="web", node="n1"), pod("back/db", "10.0.2.1", [5432, 8080])])
BATCH = make_plan(Engine(WORLD), [parse_flow("shop/web", f"back/db:{p}") for p in (5432, 8080)], Probe()).batches[0]
MADE = podspec.pod("run1", 0, BATCH, "uid-of-the-job", Probe(deadline_s=60), NOW)
JOB = podspec.job("run1", "shop", Probe(deadline_s=60), NOW)


@pytest.mark.parametrize("spec", [MADE["spec"], JOB["spec"]["template"]["spec"]], ids=["pod", "job's template"])
def test_pod_security_restricted(spec):
    """kubernetes.io: Pod Security Standards, restricted."""
    assert not {"hostNetwork", "hostPID", "hostIPC", "volumes"} & spec.keys()
    security = spec["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] > 0
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    own = container["securityContext"]
    assert own["allowPrivilegeEscalation"] is False
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert own["readOnlyRootFilesystem"] is True
    assert "privileged" not in own
    assert container["resources"]["requests"].keys() == container["resources"]["limits"].keys() == {"cpu", "memory"}
    assert spec["automountServiceAccountToken"] is False


def test_a_probe_is_never_ready():
    assert MADE["spec"]["readinessGates"] == [{"conditionType": podspec.NEVER_READY}]


def test_a_probe_ends_by_itself():
    assert MADE["spec"]["activeDeadlineSeconds"] == 60
    assert MADE["spec"]["terminationGracePeriodSeconds"] == 0
    assert MADE["spec"]["restartPolicy"] == "Never"


def test_the_job_completes_at_once_and_outlives_the_pods():
    spec = JOB["spec"]
    assert (spec["completions"], spec["parallelism"]) == (0, 0)
    assert spec["ttlSecondsAfterFinished"] > MADE["spec"]["activeDeadlineSeconds"]


@pytest.mark.parametrize("controlled", [True, False])
def test_the_owner(controlled):
    made = podspec.pod("run1", 0, replace(BATCH, controlled=controlled), "u", Probe(), NOW)
    (owner,) = made["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Job", JOB["metadata"]["name"], "u")
    assert owner["controller"] is controlled
    assert owner["blockOwnerDeletion"] is False


@pytest.mark.parametrize("obj", [MADE, JOB], ids=["pod", "job"])
def test_what_clean_finds_it_by(obj):
    assert podspec.labels("run1").items() <= obj["metadata"]["labels"].items()
    assert datetime.fromisoformat(obj["metadata"]["annotations"][podspec.EXPIRES]) == NOW + timedelta(seconds=60)


def test_identity_and_node():
    assert MADE["spec"]["serviceAccountName"] == "web"
    terms = MADE["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms[0]["matchFields"][0]["values"] == ["n1"]
    assert {"operator": "Exists"} in MADE["spec"]["tolerations"]
    assert "nodeName" not in MADE["spec"], "the scheduler still minds resources"


def test_settings_reach_the_pod():
    chosen = Probe(image="registry.example/probe:1", pull_policy="Never", run_as_user=1000)
    made = podspec.pod("r", 3, BATCH, "u", chosen, NOW)
    (container,) = made["spec"]["containers"]
    assert (container["image"], container["imagePullPolicy"]) == ("registry.example/probe:1", "Never")
    assert made["spec"]["securityContext"]["runAsUser"] == 1000
    assert made["metadata"]["name"].endswith("-3")


# ---- the script, for real

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl on this machine: install it to run these")


@contextlib.contextmanager
def listening(behaviour):
    """A listener on a port of its own; ``behaviour`` gets each connection."""
    server = socket.create_server(("127.0.0.1", 0), backlog=16)
    ended = threading.Event()

    def serve():
        while not ended.is_set():
            with contextlib.suppress(OSError):
                connection, _ = server.accept()
                threading.Thread(target=behaviour, args=(connection, ended), daemon=True).start()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        ended.set()
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


def http(connection, ended):
    with connection:
        connection.recv(65536)
        connection.sendall(b'HTTP/1.1 403 "No"\r\nServer: a"b|c\\\r\nContent-Length: 3\r\n\r\nno\n')
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(65536):  # closing on what wasn't read would be a reset
            pass


def postgres(connection, ended):
    with connection:
        connection.sendall(b"N" if connection.recv(8) == b"\0\0\0\x08\x04\xd2\x16\x2f" else b"")


def closing(connection, ended):
    connection.close()


def h2c(connection, ended):
    """HTTP/2 without TLS: settings, and 404 (an entry of HPACK's static table) for the first stream."""
    with connection:
        seen = b""
        while b"\x01\x05\x00\x00\x00\x01" not in seen:  # HEADERS of stream 1, which end it
            part = connection.recv(65536)
            if not part:
                return
            seen += part
        headers = b"\x00\x00\x01\x01\x05\x00\x00\x00\x01\x8d"
        connection.sendall(b"\x00\x00\x00\x04\x00\x00\x00\x00\x00" + headers)
        connection.recv(65536)


@contextlib.contextmanager
def datagrams(answer):
    """A UDP socket that sends ``answer(question)`` back, where that gives anything."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(0.1)
        ended = threading.Event()

        def serve():
            while not ended.is_set():
                with contextlib.suppress(TimeoutError):
                    question, peer = server.recvfrom(4096)
                    if reply := answer(question):
                        server.sendto(reply, peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        try:
            yield server.getsockname()[1]
        finally:
            ended.set()
            thread.join(5)


QUESTION = b"\x0akubernetes\x07default\x03svc\x07cluster\x05local\x00\x00\x01\x00\x01"


def nxdomain(question):
    """The question back with "no such name", if it is one about an address (RFC 1035, section 4.1)."""
    whole = question[2:12] == b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" and question[12:] == QUESTION
    return question[:2] + b"\x81\x83" + question[4:] if whole else b""


def silent(connection, ended):
    ended.wait(30)
    connection.close()


def run(*targets, limit=2):
    """What the script prints for these targets: attempts by id."""
    text = podspec.script(targets, Probe(attempt_timeout_s=limit))
    done = subprocess.run(["/bin/sh", "-c", text], capture_output=True, text=True, timeout=60, check=True)
    lines = done.stdout.splitlines()
    assert is_last_line(lines[-1])
    attempts = [parse_attempt(line) for line in lines[:-1]]
    assert None not in attempts, lines
    return {t.id: classify([a for a in attempts if a.id == t.id], t.protocol) for t in targets}


_ids = itertools.count()


def target(protocol, port, **request):
    return replace(
        BATCH.targets[0], id=str(next(_ids)), protocol=protocol, address="127.0.0.1", port=port, request=HttpRequest(**request)
    )


@needs_curl
def test_the_script_tells_them_apart():
    with contextlib.ExitStack() as stack:
        ports = {b.__name__: stack.enter_context(listening(b)) for b in (http, postgres, closing, silent)}
        unused = socket.create_server(("127.0.0.1", 0))
        nobody = unused.getsockname()[1]
        unused.close()
        rows = [
            (target("http", ports["http"]), "http_403"),
            (target("postgres", ports["postgres"]), "connected"),
            (target("http", ports["closing"]), "closed"),
            (target("postgres", ports["closing"]), "closed"),
            (target("tcp", ports["closing"]), "closed"),
            (target("tcp", ports["silent"]), "connected"),
            (target("http", ports["silent"]), "timeout"),
            (target("http", nobody), "refused"),
            (target("tcp", nobody), "refused"),
        ]
        found = run(*(t for t, _ in rows))
        assert [found[t.id].outcome for t, _ in rows] == [outcome for _, outcome in rows]
        assert all(found[t.id].settled for t, _ in rows)
        status = found[rows[0][0].id].attempt
        assert (status.status, status.bytes_received) == (403, 3)


@needs_curl
def test_http2_where_the_port_says_so():
    with listening(h2c) as port, listening(http) as old:
        rows = [target("http2", port), target("http2", old)]
        found = run(*rows)
    assert found[rows[0].id].outcome == "http_404"
    assert found[rows[1].id].outcome in {"connected", "http_403"}, "who speaks another HTTP was reached all the same"


def test_a_dns_question():
    with datagrams(nxdomain) as answering, datagrams(lambda _: b"") as silent_one:
        rows = [target("dns", answering), target("dns", silent_one)]
        found = run(*rows, limit=1)
    assert [found[t.id].outcome for t in rows] == ["connected", "timeout"]


def test_a_dns_question_where_nobody_listens():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    nobody = target("dns", port)
    assert run(nobody, limit=1)[nobody.id].outcome == "refused"


def test_an_image_without_a_tool_for_dns_cannot_tell(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "cut", "tr", "sleep", "printf", "grep"):
        (tools / name).symlink_to(shutil.which(name))
    text = podspec.script((target("dns", 53),), Probe(attempt_timeout_s=1))
    done = subprocess.run(
        ["/bin/sh", "-c", text], capture_output=True, text=True, env={"PATH": str(tools)}, check=True, timeout=60
    )
    found = classify([parse_attempt(line) for line in done.stdout.splitlines()[:-1]], "dns")
    assert found.outcome == "unknown"
    assert "nslookup" in found.detail


NASTY = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)


@needs_curl
@settings(max_examples=15, deadline=None)
@given(NASTY, NASTY, st.sampled_from(["GET", "HEAD", "OPTIONS"]))
def test_nothing_in_a_request_reaches_the_shell(path, value, method):
    """A path or header from a flow file is one word for curl, whatever is in it."""
    nasty = HttpRequest(method=method, path=f"/{path}'$(touch x);`id`\"", headers=(("X-A", f"{value}';exit 3;'"),))
    text = podspec.script((replace(target("http", 1), request=nasty),), Probe(attempt_timeout_s=1))
    done = subprocess.run(["/bin/sh", "-n", "-c", text], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    harmless = text.replace("curl ", "printf '<%s>' ").replace("sleep", ":")
    said = subprocess.run(["/bin/sh", "-c", harmless], capture_output=True, check=True).stdout
    assert b'{"done":true}' in said
    assert b"uid=" not in said
