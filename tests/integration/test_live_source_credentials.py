"""Credentials that change while the program runs: plugins, certificates; and kubeconfigs as kubectl reads them."""

import contextlib
import os
import ssl
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
import yaml

from meshtui.model.errors import ConfigError
from meshtui.model.snapshot import KindStatus
from meshtui.sandbox.apiserver.auth import User
from meshtui.sandbox.apiserver.server import running_api
from meshtui.sandbox.pki import Pki
from meshtui.settings import Settings
from meshtui.sources.kubernetes.connection import connect
from tests.fakes.live import edited, following, status, synced
from tests.fakes.snapshots import pod
from tests.fakes.terminal import Terminal

ADMIN = User("token-admin", ("system:masters",))
REPO = Path(__file__).parents[2]


def plugin(folder, body, name="plugin", **spec):
    """A program of its own that is asked for a credential: it counts its runs, then does what ``body`` says."""
    path = folder / name
    path.write_text(
        f"#!{sys.executable}\nimport json, os, pathlib, sys\nhere = pathlib.Path({str(folder)!r})\n"
        "def give(**status):\n"
        '    print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": status}))\n'
        "(here / 'runs').open('a').write('x')\n"
        f"{body}\n"
    )
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": str(path), "interactiveMode": "IfAvailable"}
    return {"exec": command | spec}


def runs(folder):
    return len((folder / "runs").read_text())


def ends_in(**span):
    return (datetime.now(UTC) + timedelta(**span)).strftime("%Y-%m-%dT%H:%M:%SZ")


@pytest.mark.parametrize(("left", "again"), [({"minutes": 7}, False), ({"minutes": 4}, True)], ids=["7 minutes", "4 minutes"])
async def test_a_token_is_kept_until_five_minutes_before_it_expires(tmp_path, left, again):
    user = plugin(tmp_path, f"give(token='fresh', expirationTimestamp={ends_in(**left)!r})")
    async with running_api([pod("shop/web")], tokens={"fresh": ADMIN}) as api:
        async with following(edited(api.kubeconfig, tmp_path / "k", user=user)) as followed:
            await followed.until(synced)
        assert (runs(tmp_path) > 1) is again


async def test_what_a_failing_plugin_said_is_shown_with_how_to_log_in_and_without_its_secrets(tmp_path):
    said = "token=s3cr3t-of-yesterday expired; eyJhbGciOi.eyJzdWIiOi.c2ln is no longer good"
    user = plugin(tmp_path, f"sys.exit({said!r})", name="aws")
    async with running_api() as api, following(edited(api.kubeconfig, tmp_path / "k", user=user)) as followed:
        snapshot = await followed.until(lambda s: status(s) is KindStatus.EXPIRED)
        message = snapshot.kind_state("Pod").message
        assert "exec plugin aws" in message
        assert "expired" in message
        assert "aws sso login" in message
        assert "s3cr3t" not in message
        assert "eyJ" not in message


async def test_what_a_plugin_prints_is_never_shown(tmp_path):
    user = plugin(tmp_path, "print('s3cr3t')")
    async with running_api() as api, following(edited(api.kubeconfig, tmp_path / "k", user=user)) as followed:
        snapshot = await followed.until(lambda s: status(s) is KindStatus.EXPIRED)
        assert "s3cr3t" not in snapshot.kind_state("Pod").message


async def test_how_to_install_a_plugin_that_is_missing_is_said_in_the_kubeconfigs_words(tmp_path):
    command = {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin-here", "installHint": "apt install it"}
    async with running_api() as api, following(edited(api.kubeconfig, tmp_path / "k", user={"exec": command})) as followed:
        snapshot = await followed.until(lambda s: status(s) is KindStatus.EXPIRED)
        assert "apt install it" in snapshot.kind_state("Pod").message


async def test_a_plugin_never_gets_the_terminal_and_its_words_are_not_lost(tmp_path):
    body = "import re\nassert not sys.stdin.isatty()\nassert '\"interactive\": false' in os.environ['KUBERNETES_EXEC_INFO']\n"
    user = plugin(tmp_path, body + "sys.exit('no session: run corp-login')")
    async with running_api() as api:
        kubeconfig = edited(api.kubeconfig, tmp_path / "k", user=user)
        command = [sys.executable, "-m", "meshtui", "explain", "a/b", "c/d:1", "--kubeconfig", str(kubeconfig)]
        with Terminal(command, cwd=REPO, home=tmp_path) as terminal:
            terminal.wait_for("no session: run corp-login")
            assert terminal.wait() == 3
            assert b"Traceback" not in terminal.output


async def test_a_plugins_certificate_is_used_and_renewed(tmp_path):
    async with running_api([pod("shop/web")]) as api:
        for user, groups in (("nobody", []), ("admin", ["system:masters"])):
            certificate, key = api.pki.client(user, groups)
            (tmp_path / f"{user}.crt").write_bytes(certificate)
            (tmp_path / f"{user}.key").write_bytes(key)
        (tmp_path / "who").write_text("nobody")
        body = (
            "who = (here / 'who').read_text()\n"
            "give(clientCertificateData=(here / f'{who}.crt').read_text(), clientKeyData=(here / f'{who}.key').read_text())"
        )
        async with following(edited(api.kubeconfig, tmp_path / "k", user=plugin(tmp_path, body))) as followed:
            await followed.until(lambda s: status(s) is KindStatus.FORBIDDEN)
            (tmp_path / "who").write_text("admin")
            api.faults.set(unauthorized_after_s=0)
            await followed.until_retried(lambda s: status(s) is KindStatus.EXPIRED)
            api.faults.clear()
            await followed.until_retried(synced)


async def test_a_certificate_that_is_renewed_on_disk_is_used(tmp_path):
    async with running_api([pod("shop/web")]) as api:
        write_client(api.pki, tmp_path, "nobody", [])
        user = {"client-certificate": "client.crt", "client-key": "client.key"}
        async with following(edited(api.kubeconfig, tmp_path / "k", user=user)) as followed:
            await followed.until(lambda s: status(s) is KindStatus.FORBIDDEN)
            write_client(api.pki, tmp_path, "admin", ["system:masters"])
            await followed.until_retried(synced)


def write_client(pki, folder, user, groups):
    certificate, key = pki.client(user, groups)
    for name, data in (("client.crt", certificate), ("client.key", key)):
        (folder / f"{name}.new").write_bytes(data)
        (folder / f"{name}.new").replace(folder / name)


async def test_another_certificate_authority_is_taken_from_the_kubeconfig(tmp_path):
    async with running_api([pod("shop/web")]) as api:
        (tmp_path / "ca.crt").write_bytes(Pki.create(tmp_path / "pki").ca_certificate.read_bytes())
        kubeconfig = edited(api.kubeconfig, tmp_path / "k")
        config = yaml.safe_load(kubeconfig.read_text())
        del config["clusters"][0]["cluster"]["certificate-authority-data"]
        config["clusters"][0]["cluster"]["certificate-authority"] = "ca.crt"
        kubeconfig.write_text(yaml.safe_dump(config))
        async with following(kubeconfig) as followed:
            await followed.until(lambda s: "certificate doesn't match" in s.kind_state("Pod").message)
            (tmp_path / "ca.crt").write_bytes(api.pki.ca_certificate.read_bytes())
            await followed.until_retried(synced)


# ---- kubeconfigs as kubectl reads them


def written(path, server, context="x", **cluster):
    """A kubeconfig with one context."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": context,
        "clusters": [{"name": f"c-{context}", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": context, "context": {"cluster": f"c-{context}", "user": "u"}}],
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump(content))
    return path


def test_the_first_files_current_context_wins(tmp_path, monkeypatch):
    one, two = written(tmp_path / "1", "http://one", "one"), written(tmp_path / "2", "http://two", "two")
    monkeypatch.setenv("KUBECONFIG", f"{one}{os.pathsep}{two}")
    assert connect(Settings()).context == "one"
    assert connect(Settings(context="two")).server == "http://two"


def test_files_are_looked_for_beside_the_kubeconfig_that_names_them(tmp_path):
    """With ``..`` taken by its words, and a link's own folder, not its target's: as kubectl does."""
    pki = Pki.create(tmp_path / "pki")
    path = written(tmp_path / "real" / "k", "https://127.0.0.1:1", **{"certificate-authority": "../pki/ca.crt"})
    link = tmp_path / "linked" / "deep" / "k"
    link.parent.mkdir(parents=True)
    link.symlink_to(path)
    assert connect(Settings(kubeconfig=str(path))).server == "https://127.0.0.1:1"
    assert connect(Settings(kubeconfig=str(path.parent / ".." / "real" / "k"))).server == "https://127.0.0.1:1"
    with pytest.raises(ConfigError, match=r"linked/pki/ca\.crt"):
        connect(Settings(kubeconfig=str(link)))
    (tmp_path / "linked" / "pki").symlink_to(pki.directory)
    assert connect(Settings(kubeconfig=str(link))).server == "https://127.0.0.1:1"


def test_a_folder_is_no_kubeconfig(tmp_path):
    with pytest.raises(ConfigError, match="Is a directory"):
        connect(Settings(kubeconfig=str(tmp_path)))


def test_a_link_to_nothing_does_not_exist(tmp_path):
    (tmp_path / "k").symlink_to(tmp_path / "gone")
    with pytest.raises(ConfigError, match="does not exist"):
        connect(Settings(kubeconfig=str(tmp_path / "k")))


@contextlib.contextmanager
def as_nobody():
    """What this process may do to files is what an ordinary user may."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("locked", ["k", "."], ids=["the file", "its folder"])
def test_a_kubeconfig_that_may_not_be_read_says_so(tmp_path, locked):
    folder = tmp_path / "f"
    path = written(folder / "k", "http://one")
    connect(Settings(kubeconfig=str(path)))
    (folder / locked).chmod(0)
    try:
        with as_nobody(), pytest.raises(ConfigError, match=r"(?i)permission denied"):
            connect(Settings(kubeconfig=str(path)))
    finally:
        (folder / locked).chmod(0o700)


def test_others_may_read_it_and_kubectl_does_not_mind(tmp_path):
    path = written(tmp_path / "k", "http://one")
    path.chmod(0o666)
    assert connect(Settings(kubeconfig=str(path))).server == "http://one"


def test_a_broken_kubeconfig_is_named_with_its_line_and_its_secrets_are_not_quoted(tmp_path):
    path = tmp_path / "k"
    path.write_text("users:\n- name: u\n  user: {token: s3cr3t: here}\n")
    with pytest.raises(ConfigError) as caught:
        connect(Settings(kubeconfig=str(path)))
    assert "line 3" in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("in_memory", [True, False])
async def test_nothing_of_a_kubeconfigs_keys_stays_on_disk(tmp_path, monkeypatch, in_memory):
    """Whoever kills the program leaves no private key behind: not in the temporary folder, nor anywhere else."""
    if not in_memory:
        monkeypatch.delattr("os.memfd_create", raising=False)
    elif not hasattr(os, "memfd_create"):
        pytest.skip("needs Linux")
    seen = []
    loaded = ssl.SSLContext.load_cert_chain

    def load(self, certfile, *args, **kwargs):
        seen.append(certfile)
        return loaded(self, certfile, *args, **kwargs)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", load)
    async with running_api() as api:
        temporary = tmp_path / "temporary"
        temporary.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(temporary))
        connection = connect(Settings(kubeconfig=str(api.kubeconfig)))
        assert seen[-1].startswith("/proc/self/fd/") == in_memory
        assert list(temporary.iterdir()) == []
        async with httpx.AsyncClient(verify=connection.tls, base_url=connection.server, trust_env=False) as client:
            answer = await client.get("/api/v1/namespaces")
        assert answer.status_code == 200


def test_the_files_of_a_user_lie_beside_the_file_that_has_the_user(tmp_path):
    """Of several kubeconfigs, as in client-go: a path is relative to the file in which it stands."""
    pki = Pki.create(tmp_path / "pki")
    for name in ("clusters", "users"):
        (tmp_path / name).mkdir()
    (tmp_path / "users" / "own").symlink_to(pki.directory)
    (tmp_path / "clusters" / "its").symlink_to(pki.directory)
    clusters, users = tmp_path / "clusters" / "k", tmp_path / "users" / "k"
    cluster = {"server": "https://127.0.0.1:1", "certificate-authority": "its/ca.crt"}
    context = {"name": "x", "context": {"cluster": "c", "user": "u"}}
    clusters.write_text(
        yaml.safe_dump({"clusters": [{"name": "c", "cluster": cluster}], "contexts": [context], "current-context": "x"})
    )
    user = {"client-certificate": "own/server.crt", "client-key": "own/server.key"}
    users.write_text(yaml.safe_dump({"users": [{"name": "u", "user": user}]}))
    assert connect(Settings(kubeconfig=f"{clusters}{os.pathsep}{users}")).server == "https://127.0.0.1:1"
