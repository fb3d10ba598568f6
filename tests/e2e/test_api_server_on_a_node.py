"""A real API server that restarts, forgets, is busy or slow, and lets not everybody do everything."""

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from textual.widgets import Static

from meshtui.app import MeshtuiApp
from meshtui.model.snapshot import KindStatus
from meshtui.session import Session
from meshtui.settings import Timeouts
from meshtui.sources.kubernetes.live import LiveSource
from tests.e2e.conftest import NET, PROBE, wait_until
from tests.fakes.auditproxy import audited
from tests.fakes.live import edited, following, status, synced
from tests.fakes.screens import table_of

ECOM, INVENTORY = "ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000"
SERVICE = "/api/v1/namespaces/ecom/services/ui-service"
PATIENCE_S = 60.0


@pytest.fixture
def api_server(node):
    """The node's own kube-apiserver, to be stopped and started."""
    folder = Path(node.kubeconfig).parent
    if not ((folder / "pids").is_file() and os.geteuid() == 0 and Path(NET).exists()):
        pytest.skip(f"this needs root and the processes of the node in {folder}")
    server = ApiServerProcess(folder)
    yield server
    if not server.runs():
        server.start()
    wait_until(lambda: _answers(node), lambda answers: answers, 60)


def _answers(node):
    try:
        node.get("/api/v1/nodes")
    except Exception as error:  # noqa: BLE001  (whatever stands in the way, it is no answer)
        return str(error) == ""
    return True


class ApiServerProcess:
    """kube-apiserver as the node's ``pids`` file lists it."""

    def __init__(self, folder):
        self._folder = folder
        lines = [line.split() for line in (folder / "pids").read_text().splitlines()]
        self._pid = next(int(pid) for pid, name in reversed(lines) if name == "kube-apiserver")
        self._command = Path(f"/proc/{self._pid}/cmdline").read_bytes().decode().split("\0")[:-1]
        self._process = None

    def runs(self):
        if self._process is not None:
            return self._process.poll() is None
        return Path(f"/proc/{self._pid}").exists()

    def kill(self):
        os.kill(self._pid, signal.SIGKILL)
        wait_until(self.runs, lambda runs: not runs, 20)

    def start(self):
        with (self._folder / "logs" / "kube-apiserver").open("ab") as log:
            self._process = subprocess.Popen(
                ["nsenter", f"--net={NET}", *self._command],
                cwd=self._folder / "pki",
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._pid = self._process.pid
        with (self._folder / "pids").open("a") as pids:
            pids.write(f"{self._pid} kube-apiserver\n")

    def issue(self, name, subject, extension, folder):
        """A certificate of the cluster's CA and its key, as files in a folder."""
        pki = self._folder / "pki"
        words = ["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", subject]
        subprocess.run([*words, "-keyout", f"{name}.key", "-out", f"{name}.csr"], cwd=folder, check=True, capture_output=True)
        (folder / f"{name}.ext").write_text(extension)
        words = ["openssl", "x509", "-req", "-in", f"{name}.csr", "-CA", str(pki / "ca.crt"), "-CAkey", str(pki / "ca.key")]
        more = ["-CAserial", f"{name}.srl", "-CAcreateserial", "-days", "1", "-extfile", f"{name}.ext", "-out", f"{name}.crt"]
        subprocess.run([*words, *more], cwd=folder, check=True, capture_output=True)


async def until(pilot, holds):
    end = asyncio.get_running_loop().time() + PATIENCE_S
    while not holds():
        assert asyncio.get_running_loop().time() < end, header(pilot)
        await pilot.pause(0.05)


def header(pilot):
    return str(pilot.app.screen.query_one("#status", Static).render())


async def test_a_restart_in_mid_watch_is_said_and_the_cursor_stays(node, api_server):
    """With another server certificate after it, as when certificates are renewed."""
    settings = node.settings.model_copy(update={"timeouts": Timeouts(connect_s=2, request_s=10)})
    app = MeshtuiApp(Session(LiveSource(settings), settings))
    async with app.run_test(size=(160, 40)) as pilot:
        await until(pilot, lambda: app.session.settled and len(table_of(app.screen).rows) > 5)
        table = table_of(app.screen)
        uid = next(w.uid for ref, w in app.session.snapshot.workloads.items() if ref.name == "keycloak")
        assert table.select(uid)
        rows = len(table.rows)
        api_server.kill()
        await until(pilot, lambda: "stale since" in header(pilot))
        assert (table.uid, len(table.rows)) == (uid, rows), "what was known stays"
        names = "subjectAltName=IP:127.0.0.1,IP:10.96.0.1,IP:10.250.0.1,DNS:kubernetes.default.svc,DNS:localhost"
        pki = Path(node.kubeconfig).parent / "pki"
        api_server.issue("server", "/CN=kube-apiserver", names, pki)
        api_server.start()
        await pilot.press("r")
        await until(pilot, lambda: "live" in header(pilot))
        assert (table.uid, len(table.rows)) == (uid, rows)


async def test_a_history_that_is_gone_is_listed_anew_without_a_gap(node, tmp_path):
    async with audited(node.kubeconfig, tmp_path) as (proxy, kubeconfig), following(kubeconfig) as followed:
        first = await followed.until(synced)
        seen, before = len(followed.snapshots), len(proxy.asked)
        proxy.rewind = "1"  # the real server then says 410 itself
        proxy.cut()

        def pods_again():
            later = [a for a in proxy.asked[before:] if a.path == "/api/v1/pods"]
            return any("watch" in a.query for a in later) and any("watch" not in a.query for a in later)

        await followed.until(lambda _: pods_again())
        proxy.rewind = ""
        await followed.until(synced)
        later = followed.snapshots[seen:]
        assert all(len(s.pods) >= len(first.pods) for s in later)
        assert all(status(s) is KindStatus.SYNCED for s in later)


async def test_cut_watches_go_on_where_they_were(node, tmp_path):
    async with audited(node.kubeconfig, tmp_path) as (proxy, kubeconfig), following(kubeconfig) as followed:
        await followed.until(synced)
        before = len(proxy.asked)
        proxy.cut()
        api = await followed.source.open()
        stamp = str(len(proxy.asked))
        body = {"metadata": {"labels": {"cut": stamp}}}
        await api.request("PATCH", SERVICE, json=body, content_type="application/merge-patch+json")
        await followed.until(lambda s: any(x.meta.labels.get("cut") == stamp for x in s.services.values()))
        later = [a for a in proxy.asked[before:] if a.path == "/api/v1/services"]
        assert later
        assert all("watch" in a.query for a in later), "it resumes, without a new list"


async def meshtui(node, kubeconfig, *words, **environment):
    process = await asyncio.create_subprocess_exec(
        *node.command(*words),
        env=node.environment(KUBECONFIG=str(kubeconfig), **environment),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def test_a_busy_server_is_asked_again_when_it_says_so(node, tmp_path):
    async with audited(node.kubeconfig, tmp_path) as (proxy, kubeconfig):
        proxy.throttle(3, 1, "/pods")
        code, out, err = await meshtui(node, kubeconfig, "explain", ECOM, INVENTORY)
        assert (code, err) == (0, "")
        assert "allow" in out
        assert [a.status for a in proxy.asked if a.path == "/api/v1/pods"][:4] == [429, 429, 429, 200]


async def test_a_slow_server_is_one_line_with_the_way_out(node, tmp_path):
    async with audited(node.kubeconfig, tmp_path) as (proxy, kubeconfig):
        proxy.delay_s = 30
        code, out, err = await meshtui(node, kubeconfig, "explain", ECOM, INVENTORY, "--request-timeout", "1")
        assert (code, out) == (3, "")
        assert err.count("\n") == 1, err
        assert "doesn't answer in time" in err
        assert "--request-timeout" in err


async def test_looking_and_explaining_only_read(node, tmp_path):
    flows = tmp_path / "flows.jsonl"
    ends = {"from": {"workload": "ecom/Deployment/ecom-service"}, "to": {"service": "inventory/inventory-db", "port": 5432}}
    flows.write_text(json.dumps({"id": "1", **ends}) + "\n")
    async with audited(node.kubeconfig, tmp_path) as (proxy, kubeconfig):
        for words in (
            ("explain", ECOM, INVENTORY),
            ("matrix",),
            ("predict", "--flows", str(flows)),
            ("probe", ECOM, INVENTORY, "--plan"),
            ("clean", "--dry-run", "--all"),
            ("probe", ECOM, INVENTORY, *PROBE, "--read-only"),
        ):
            code, _, err = await meshtui(node, kubeconfig, *words)
            assert code == (2 if "--read-only" in words else 0), (words, err)
        assert proxy.writes == []
        code, _, err = await meshtui(node, kubeconfig, "probe", ECOM, INVENTORY, *PROBE)
        assert code == 0, err
        made = [str(asked) for asked in proxy.writes if "selfsubjectaccessreviews" not in asked.path]
        verbs = [line.split("/probe-")[0].split(" ")[0] for line in made]
        assert verbs == ["POST", "POST", "DELETE", "DELETE"], made
        assert all("/namespaces/ecom/" in line for line in made)


ROLES = yaml.safe_load("""
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRole
  metadata: {name: e2e-reader}
  rules:
    - {apiGroups: ["", apps, batch, discovery.k8s.io, networking.k8s.io, policy], resources: ["*"], verbs: [get, list, watch]}
    - {apiGroups: [security.istio.io, gateway.networking.k8s.io], resources: ["*"], verbs: [get, list, watch]}
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRole
  metadata: {name: e2e-blind-reader}
  rules:
    - {apiGroups: [""], resources: [pods, services, serviceaccounts], verbs: [get, list, watch]}
    - {apiGroups: [apps, batch, discovery.k8s.io, networking.k8s.io, policy], resources: ["*"], verbs: [get, list, watch]}
    - {apiGroups: [security.istio.io, gateway.networking.k8s.io], resources: ["*"], verbs: [get, list, watch]}
- apiVersion: rbac.authorization.k8s.io/v1
  kind: ClusterRoleBinding
  metadata: {name: e2e-readers}
  subjects: [{kind: Group, name: e2e-readers, apiGroup: rbac.authorization.k8s.io}]
  roleRef: {kind: ClusterRole, name: e2e-reader, apiGroup: rbac.authorization.k8s.io}
""")


def bound(namespace, user="e2e-dev", role="e2e-reader"):
    """What lets a user read one namespace."""
    return {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "RoleBinding",
        "metadata": {"name": user, "namespace": namespace},
        "subjects": [{"kind": "User", "name": user, "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"kind": "ClusterRole", "name": role, "apiGroup": "rbac.authorization.k8s.io"},
    }


@pytest.fixture
def roles(node):
    blind = [bound(name, "e2e-blind", "e2e-blind-reader") for name in ("ecom", "inventory")]
    objects = [*ROLES, bound("ecom"), bound("inventory"), *blind]
    node.apply(objects)
    yield
    node.delete(objects)


def test_a_reader_by_group_may_look_but_a_probe_says_which_verb_is_missing(node, roles, clean_slate):
    us = ("--as", "eve", "--as-group", "e2e-readers")
    looked = node.meshtui("explain", ECOM, INVENTORY, *us)
    assert (looked.returncode, looked.stderr) == (0, "")
    assert "allow" in looked.stdout
    alone = node.meshtui("explain", ECOM, INVENTORY, "--as", "eve")
    assert alone.returncode == 3
    assert 'User "eve" cannot list' in alone.stderr
    probed = node.meshtui("probe", ECOM, INVENTORY, *PROBE, *us)
    assert (probed.returncode, probed.stdout) == (3, "")
    assert "create jobs.batch in ecom" in probed.stderr
    assert node.leftovers() == []


def test_who_may_read_two_namespaces_only_sees_those(node, roles):
    us, both = ("--as", "e2e-dev", "-n", "ecom"), {"MESHTUI_NAMESPACES": '["inventory"]'}
    alone = node.meshtui("explain", ECOM, INVENTORY, *us)
    assert alone.returncode == 2
    assert "inventory" in alone.stderr
    done = node.meshtui("explain", ECOM, INVENTORY, *us, "-o", "json", **both)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"] == "allow", "both Namespaces may be got, though none may be listed"
    assert node.meshtui("explain", ECOM, INVENTORY, "--as", "e2e-dev").returncode == 3


def test_without_the_labels_of_namespaces_neither_a_yes_nor_a_no_is_certain(node, roles):
    us, both = ("--as", "e2e-blind", "-n", "ecom"), {"MESHTUI_NAMESPACES": '["inventory"]'}
    done = node.meshtui("explain", ECOM, INVENTORY, *us, "-o", "json", **both)
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    reasons = " ".join(step["reason"] for step in answer["steps"] if step["result"] == "unknown")
    assert answer["verdict"] == "unknown"
    assert "Namespace objects can't be seen (forbidden" in reasons
    assert "NetworkPolicy objects can't be seen" not in reasons, (
        "those of both namespaces are known; the admin kinds aren't installed"
    )


async def test_a_client_certificate_is_renewed_while_the_program_runs(node, api_server, tmp_path):
    use = "extendedKeyUsage=clientAuth"
    api_server.issue("client", "/CN=nobody", use, tmp_path)
    user = {"client-certificate": "client.crt", "client-key": "client.key"}
    kubeconfig = edited(Path(node.kubeconfig), tmp_path / "kubeconfig", user=user)
    async with following(kubeconfig) as followed:
        await followed.until(lambda s: status(s) is KindStatus.FORBIDDEN)
        api_server.issue("client", "/O=system:masters/CN=admin", use, tmp_path)
        await followed.until_retried(synced)


async def test_a_token_that_the_server_no_longer_takes_is_asked_for_again(node, tmp_path):
    """A ServiceAccount's own token, from an exec plugin; the account goes, and with it the token."""
    accounts = [
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": n, "namespace": "ecom"}} for n in ("one", "two")
    ]
    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "e2e-accounts"},
        "subjects": [{"kind": "ServiceAccount", "name": a["metadata"]["name"], "namespace": "ecom"} for a in accounts],
        "roleRef": {"kind": "ClusterRole", "name": "cluster-admin", "apiGroup": "rbac.authorization.k8s.io"},
    }
    await asyncio.to_thread(node.apply, [*accounts, binding])
    tokens = {}
    for name in ("one", "two"):
        path = f"/api/v1/namespaces/ecom/serviceaccounts/{name}/token"
        made = await asyncio.to_thread(node.send, "POST", path, {"spec": {"expirationSeconds": 600}})
        tokens[name] = made["status"]["token"]
    token = tmp_path / "token"
    token.write_text(tokens["one"])
    plugin = tmp_path / "plugin"
    plugin.write_text(
        f"#!{sys.executable}\nimport json, pathlib, sys\ntoken = pathlib.Path({str(token)!r})\n"
        "token.exists() or sys.exit('no session: run corp-login')\n"
        'print(json.dumps({"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",'
        ' "status": {"token": token.read_text()}}))\n'
    )
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    user = {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", "interactiveMode": "Never"}}
    kubeconfig = edited(Path(node.kubeconfig), tmp_path / "kubeconfig", user=user)
    timeouts = Timeouts(connect_s=2, request_s=10, watch_s=2)  # an open watch never shows its token again
    try:
        async with following(kubeconfig, timeouts=timeouts) as followed:
            await followed.until(synced)
            token.unlink()
            await asyncio.to_thread(node.delete, accounts[:1])

            def expired(snapshot):
                return status(snapshot) is KindStatus.EXPIRED and "run corp-login" in snapshot.kind_state("Pod").message

            await followed.until_retried(expired, PATIENCE_S)
            token.write_text(tokens["two"])
            await followed.until_retried(synced, PATIENCE_S)
    finally:
        await asyncio.to_thread(node.delete, [*accounts, binding])
