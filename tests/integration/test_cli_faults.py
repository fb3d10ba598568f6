"""Bad input and faults on the command line: one line on stderr, the right exit code, never a traceback."""

import asyncio
import base64
import os
import sys

import pytest

from meshtui.sandbox.apiserver.server import running_api
from meshtui.sandbox.pki import Pki
from tests.fakes.live import edited, relayed
from tests.fakes.snapshots import pod

COMMANDS = [
    ("explain", "shop/a", "shop/b:80"),
    ("clean", "--dry-run"),
]
names = {"ids": lambda row: row[0]}


async def meshtui(*words, home, stdin=b"", **environment):
    """One command line in a process of its own: exit code, stdout, stderr."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "MESHTUI"))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshtui", *words),
        env=clean | {"HOME": str(home), "XDG_CONFIG_HOME": str(home)} | environment,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate(stdin)
    return process.returncode, out.decode(), err.decode()


def one_line(answer, code, *says):
    """A failure as it should be."""
    returned, out, err = answer
    assert returned == code, (out, err)
    assert out == ""
    assert err.startswith("meshtui: ")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    for word in says:
        assert word in err


@pytest.mark.parametrize("words", COMMANDS, **names)
async def test_no_kubeconfig(tmp_path, words):
    one_line(await meshtui(*words, home=tmp_path), 2, "no kubeconfig", "--kubeconfig", "meshtui demo")


@pytest.mark.parametrize("words", COMMANDS, **names)
async def test_an_unknown_context(tmp_path, words):
    async with running_api() as api:
        answer = await meshtui(*words, "--context", "prod", home=tmp_path, KUBECONFIG=str(api.kubeconfig))
    one_line(answer, 2, "no context 'prod'", "meshtui-sandbox")


@pytest.mark.parametrize("words", COMMANDS, **names)
async def test_a_server_that_is_not_there(tmp_path, words):
    async with running_api() as api, relayed(api, tmp_path) as (relay, kubeconfig):
        await relay.down()
        answer = await meshtui(*words, home=tmp_path, KUBECONFIG=str(kubeconfig))
    one_line(answer, 3, f"127.0.0.1:{relay.port}", "can't be reached")


@pytest.mark.parametrize("words", COMMANDS, **names)
async def test_a_certificate_that_does_not_match(tmp_path, words):
    async with running_api() as api:
        other = base64.b64encode(Pki.create(tmp_path / "pki").ca_certificate.read_bytes()).decode()
        kubeconfig = edited(api.kubeconfig, tmp_path / "k", **{"certificate-authority-data": other})
        answer = await meshtui(*words, home=tmp_path, KUBECONFIG=str(kubeconfig))
    one_line(answer, 3, "certificate doesn't match")


@pytest.mark.parametrize("words", COMMANDS, **names)
async def test_a_session_that_is_over(tmp_path, words):
    async with running_api() as api:
        api.faults.set(unauthorized_after_s=0)
        answer = await meshtui(*words, home=tmp_path, KUBECONFIG=str(api.kubeconfig))
    one_line(answer, 3, "credentials", "log in again")


@pytest.mark.parametrize("words", COMMANDS, **names)
async def test_pods_are_forbidden(tmp_path, words):
    async with running_api([pod("shop/a"), pod("shop/b")]) as api:
        api.faults.set(forbidden=["list pods"])
        answer = await meshtui(*words, home=tmp_path, KUBECONFIG=str(api.kubeconfig))
    one_line(answer, 3, "pods", "list")


async def test_a_forbidden_kind_alone_is_an_unknown_verdict_not_a_failure(tmp_path):
    async with running_api([pod("shop/a", "10.0.0.1"), pod("shop/b", "10.0.0.2", [80])]) as api:
        api.faults.set(forbidden=["list networkpolicies"])
        code, out, err = await meshtui("explain", "shop/a", "shop/b:80", home=tmp_path, KUBECONFIG=str(api.kubeconfig))
    assert (code, err) == (0, "")
    assert "unknown" in out
    assert "networkpolicies" in out


@pytest.mark.parametrize("command", ["explain", "matrix"])
async def test_a_broken_manifest_is_named_with_its_line(tmp_path, command):
    file = tmp_path / "x.yaml"
    file.write_text("kind: Pod\nmetadata: {name: [\n")
    words = {"explain": ("shop/a", "shop/b:80"), "matrix": ()}[command]
    one_line(await meshtui(command, *words, "-f", str(file), home=tmp_path), 2, f"{file}:3: ")


async def test_a_folder_that_is_not_there(tmp_path):
    one_line(await meshtui("explain", "shop/a", "shop/b:80", "-f", "/gone", home=tmp_path), 2, "/gone")


USAGE = [
    ("a source that isn't there", ("explain", "shop/gone", "shop/b:80"), "shop/gone"),
    ("a reference that names nothing", ("explain", "what?", "shop/b:80"), "what?"),
    ("a source with a port", ("explain", "shop/a:80", "shop/b:80"), "no port"),
    ("a probe without a yes", ("probe", "shop/a", "shop/b:80"), "--yes"),
    ("a probe in read-only mode", ("probe", "shop/a", "shop/b:80", "--yes", "--read-only"), "read-only"),
]


@pytest.mark.parametrize("row", USAGE, **names)
async def test_usage(tmp_path, row):
    _, words, says = row
    async with running_api([pod("shop/a", "10.0.0.1"), pod("shop/b", "10.0.0.2", [80])]) as api:
        returned, out, err = await meshtui(*words, home=tmp_path, KUBECONFIG=str(api.kubeconfig))
        assert api.store.list("jobs") == []
    assert (returned, out) == (2, "")
    assert says in err
    assert "Traceback" not in err


async def test_probing_manifests(tmp_path):
    file = tmp_path / "x.json"
    file.write_text("[]")
    returned, _, err = await meshtui("probe", "shop/a", "shop/b:80", "--yes", "-f", str(file), home=tmp_path)
    assert returned == 2
    assert err.count("\n") == 1
    assert "Traceback" not in err


async def test_a_setting_that_is_wrong(tmp_path):
    one_line(await meshtui("clean", home=tmp_path, MESHTUI_PROBE__DEADLINE_S="soon"), 2, "probe.deadline_s")


async def test_without_a_terminal_the_terminal_program_says_so(tmp_path):
    one_line(await meshtui(home=tmp_path), 2, "not a terminal")
