"""The CronJob of docs/guide/verify.md on a real node: accepted as it stands, run, with exactly the rights that it needs."""

import asyncio
import copy
import json
import re
import sys
from pathlib import Path

import httpx
import pytest
import yaml

import meshtui
from meshtui.kinds import KINDS
from meshtui.model.snapshot import KindStatus
from meshtui.settings import Settings, Timeouts
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.connection import connect
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.sources.kubernetes.writes import Access, Writes
from tests.e2e.conftest import IMAGE, path_of, wait_until

PROJECT, SITE = Path(meshtui.__file__).parents[1], Path(httpx.__file__).parents[1]
TEXT = (PROJECT / "docs" / "guide" / "verify.md").read_text("utf-8")
BLOCKS = [list(yaml.safe_load_all(block)) for block in re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)]
READING, PROBING = (documents for documents in BLOCKS if "kind" in documents[0])
HOME, NAME = "meshtui", "meshtui-verify"
ACCOUNT = f"/api/v1/namespaces/{HOME}/serviceaccounts/{NAME}"
FORBIDDEN = [
    *(Access(verb, "pods") for verb in ("get", "watch", "create", "delete", "patch", "deletecollection")),
    *(Access(verb, "secrets") for verb in ("get", "list", "watch")),
    *(Access("list", "configmaps", "", namespace) for namespace in ("ecom", HOME, "")),
    Access("get", "pods", "", "ecom", "log"),
    Access("get", "configmaps", "", "istio-system"),
    Access("create", "jobs", "batch", "ecom"),
    Access("create", "serviceaccounts", "", HOME, "token"),
    Access("impersonate", "users"),
    Access("update", "clusterroles", "rbac.authorization.k8s.io"),
]


def only(kind, objects=READING):
    (found,) = (obj for obj in objects if obj["kind"] == kind)
    return copy.deepcopy(found)


@pytest.fixture
def applied(node):
    """The guide's first manifest, as it stands."""
    node.apply(READING)
    yield
    node.delete([*PROBING, *(obj for obj in READING if obj["kind"].startswith(("ClusterRole", "Role")))])
    node.delete([only("Namespace")])
    path = path_of(only("Namespace"))
    wait_until(
        lambda: [o for o in node.get("/api/v1/namespaces")["items"] if path.endswith(f"/{o['metadata']['name']}")], _none, 60
    )


def _none(found):
    return found == []


@pytest.fixture
def account(node, applied, tmp_path):
    """A kubeconfig with a token of the CronJob's ServiceAccount."""
    spec = {"spec": {"expirationSeconds": 3600}}
    token = wait_until(lambda: _token(node, spec), bool)
    config = yaml.safe_load(Path(node.kubeconfig).read_text())
    config["users"] = [{"name": user["name"], "user": {"token": token}} for user in config["users"]]
    file = tmp_path / "kubeconfig"
    file.write_text(yaml.safe_dump(config))
    return str(file)


def _token(node, spec):
    return node.send("POST", f"{ACCOUNT}/token", spec)["status"]["token"]


@pytest.fixture
def expectations(tmp_path):
    """The guide's file, on disk."""
    file = tmp_path / "flows.yaml"
    file.write_text(only("ConfigMap")["data"]["flows.yaml"])
    return str(file)


def snapshot(kubeconfig):
    """What meshtui can read as somebody."""

    async def read():
        source = LiveSource(Settings(kubeconfig=kubeconfig, timeouts=Timeouts(request_s=20)))
        try:
            return await source.snapshot()
        finally:
            await source.close()

    return asyncio.run(read())


def hidden(kubeconfig):
    """The kinds that somebody may not list."""
    states = snapshot(kubeconfig).kinds
    return {name for name, state in states.items() if state.status not in {KindStatus.SYNCED, KindStatus.NOT_INSTALLED}}


def without(role, group, resource, verb):
    """The same role without one verb on one resource."""
    rules = []
    for rule in role["rules"]:
        if group not in rule["apiGroups"] or resource not in rule["resources"]:
            rules.append(rule)
            continue
        others = [other for other in rule["resources"] if other != resource]
        verbs = [other for other in rule["verbs"] if other != verb]
        rules += [{**rule, "resources": others}] if others else []
        rules += [{**rule, "resources": [resource], "verbs": verbs}] if verbs else []
    return {**role, "rules": rules}


def granted(role):
    """Every (group, resource, verb) of a role."""
    return [
        (g, r, verb) for rule in role["rules"] for g in rule["apiGroups"] for r in rule["resources"] for verb in rule["verbs"]
    ]


def test_the_guides_manifest_is_accepted_and_its_pod_passes_restricted(node, applied):
    template = only("CronJob")["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"generateName": "dry-"}, "spec": template}
    pods = f"/api/v1/namespaces/{HOME}/pods"
    made = node.send("POST", pods, pod, dryRun="All")
    assert made["spec"]["serviceAccountName"] == NAME
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(Exception, match="restricted"):  # so the namespace does judge
        node.send("POST", pods, pod, dryRun="All")


def test_its_account_can_verify_and_may_do_nothing_else(node, account, expectations):
    done = node.meshtui("verify", expectations, "-o", "json", "--kubeconfig", account)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["passed"] == 7

    async def ask():
        settings = Settings(kubeconfig=account)
        api = Api(connect(settings), settings.timeouts)
        try:
            return [str(access) for access in FORBIDDEN if (await Writes(api, settings).allowed(access))[0]]
        finally:
            await api.close()

    assert asyncio.run(ask()) == []


def test_each_right_that_is_taken_away_is_missed(node, account, expectations):
    role = only("ClusterRole")
    kinds = {(kind.group, kind.plural): name for name, kind in KINDS.items()}
    wait_until(lambda: hidden(account), lambda names: names == set())
    installed = {name for name, state in snapshot(account).kinds.items() if state.status is KindStatus.SYNCED}
    here = [right for right in granted(role) if kinds[right[:2]] in installed]  # discovery says that the others aren't there
    assert {kinds[right[:2]] for right in here} == installed
    for group, resource, verb in here:
        node.apply([without(role, group, resource, verb)])
        missed = {kinds[group, resource]}
        wait_until(lambda: hidden(account), lambda names, missed=missed: names == missed)
    said = node.meshtui("verify", expectations, "--kubeconfig", account).stderr
    assert next(iter(missed)) in said  # people are told
    node.apply([role])
    wait_until(lambda: hidden(account), lambda names: names == set())
    assert snapshot(account).mesh.found
    node.delete([only("RoleBinding")])
    wait_until(lambda: snapshot(account).mesh.found, lambda found: not found)


def test_the_probes_role_is_just_enough(node, account, tmp_path, clean_slate):
    file = tmp_path / "probed.yaml"
    file.write_text(
        "apiVersion: meshtui/v1\nflows:\n"
        "  - {from: ecom/deploy/ecom-service, to: 'inventory/svc/inventory-service:8000', expect: allow}\n"
    )
    words = ("verify", str(file), "--probe", "--yes", "-o", "json", "--probe-image", IMAGE, "--kubeconfig", account)
    refused = node.meshtui(*words)
    assert (refused.returncode, refused.stdout) == (3, "")
    node.apply(PROBING)
    wait_until(lambda: node.meshtui(*words), lambda done: done.returncode == 0, 60)
    role = only("ClusterRole", PROBING)
    for group, resource, verb in granted(role):
        node.apply([without(role, group, resource, verb)])
        plain = resource.partition("/")[0]
        wait_until(lambda: _refusal(node, words), lambda said, words=(verb, plain): all(word in said for word in words), 60)
        node.apply([role])
    assert node.leftovers() == []


def _refusal(node, words):
    done = node.meshtui(*words)
    return done.stderr if done.returncode == 3 else ""


def in_cluster(args=None):
    """A Job like the CronJob's, on the node's own image: meshtui and what it needs come from this machine's folders."""
    spec = only("CronJob")["spec"]["jobTemplate"]["spec"]
    pod = spec["template"]["spec"]
    container = pod["containers"][0]
    container |= {"image": IMAGE, "imagePullPolicy": "Never", "args": args or container["args"]}
    container["env"] = [{"name": "PYTHONPATH", "value": "/project:/site"}, {"name": "PYTHONDONTWRITEBYTECODE", "value": "1"}]
    for name, folder in (("project", PROJECT), ("site", SITE)):
        container["volumeMounts"].append({"name": name, "mountPath": f"/{name}", "readOnly": True})
        pod["volumes"].append({"name": name, "hostPath": {"path": str(folder), "type": "Directory"}})
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"generateName": "verify-", "namespace": HOME}, "spec": spec}


def ended(node, job):
    """How a Job ended (Complete or Failed), its container's exit code, and what it printed."""
    path = f"/apis/batch/v1/namespaces/{HOME}/jobs"
    name = node.send("POST", path, job)["metadata"]["name"]

    def conditions():
        found = node.get(f"{path}/{name}")["status"].get("conditions", ())
        return [c["type"] for c in found if c["status"] == "True" and c["type"] in {"Complete", "Failed"}]

    (how,) = wait_until(conditions, bool, 120)
    (pod,) = node.get(f"/api/v1/namespaces/{HOME}/pods", labelSelector=f"job-name={name}")["items"]
    code = pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"]

    async def log(api):
        return (await api.get(f"/api/v1/namespaces/{HOME}/pods/{pod['metadata']['name']}/log")).decode()

    return how, code, node.do(log)


def test_it_runs_in_the_cluster_and_its_job_fails_when_an_expectation_does(node, applied):
    if sys.version_info[:2] != (3, 11):
        pytest.skip("the node's image has Python 3.11, and this machine's packages are for another")
    # Folders of the node are what the restricted profile forbids; the guide's own pod has none.
    relaxed = {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "privileged"}}}
    node.send("PATCH", path_of(only("Namespace")), relaxed)
    how, code, said = ended(node, in_cluster())
    assert (how, code) == ("Complete", 0), said
    lines = said.splitlines()
    assert lines[:2] == ["TAP version 14", "1..7"]
    assert all(line.startswith("ok ") for line in lines[2:]), said
    wrong = only("ConfigMap")
    wrong["data"]["flows.yaml"] = wrong["data"]["flows.yaml"].replace("expect: allow", "expect: deny")
    node.apply([wrong])
    how, code, said = ended(node, in_cluster(["verify", "/expectations/flows.yaml", "-o", "json"]))
    assert (how, code) == ("Failed", 1), said
    assert json.loads(said)["failed"] == 1


def test_where_nobody_enforces_a_policy_reality_points_to_its_layer(node, tmp_path, clean_slate):
    file = tmp_path / "probed.yaml"
    file.write_text(
        "apiVersion: meshtui/v1\nflows:\n"
        "  - {from: observability/deploy/prometheus, to: 'inventory/svc/inventory-db:5432', expect: deny}\n"
    )
    done = node.meshtui("verify", str(file), "--probe", "--yes", "-o", "json", "--probe-image", IMAGE)
    (result,) = json.loads(done.stdout)["results"]
    assert (done.returncode, result["predicted"], result["observed"], result["agrees"]) == (1, "deny", "connected", False)
    assert "points to ingress_policy not being enforced there; predicted: denied by NetworkPolicy" in result["reason"]
