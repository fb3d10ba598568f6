"""The flags before a command are obeyed by real servers' own account: nothing is deleted, and nobody else is spoken to."""

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import yaml

from meshtui.model.own_probe import MANAGED_BY, RUN
from meshtui.probe.podspec import EXPIRES
from meshtui.sandbox.apiserver.server import running_api
from tests.fakes.auditproxy import audited
from tests.fakes.snapshots import namespace

JOB = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {
        "name": "meshtui-probe-0123abcd",
        "namespace": "shop",
        "labels": {MANAGED_BY: "meshtui", RUN: "0123abcd"},
        "annotations": {EXPIRES: (datetime.now(UTC) - timedelta(hours=1)).isoformat()},
    },
    "spec": {"suspend": True, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}}},
}
"""What a run that ended long ago left."""


async def meshtui(*words, home, kubeconfig):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("KUBE", "MESHTUI"))}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meshtui", *words),
        env=clean | {"HOME": str(home), "XDG_CONFIG_HOME": str(home), "KUBECONFIG": str(kubeconfig)},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


@pytest.mark.parametrize(
    "words",
    [("--read-only", "clean", "--all", "--yes"), ("clean", "--all", "--yes", "--read-only")],
    ids=["before", "after"],
)
async def test_read_only_deletes_nothing(tmp_path, words):
    async with running_api([namespace("shop"), JOB]) as api, audited(api.kubeconfig, tmp_path) as (proxy, kubeconfig):
        code, out, err = await meshtui(*words, home=tmp_path, kubeconfig=kubeconfig)
        assert (code, out) == (2, ""), err
        assert "read-only" in err
        assert len(api.store.list("jobs")) == 1
        assert [str(asked) for asked in proxy.asked if asked.method == "DELETE"] == []
        code, out, _ = await meshtui("clean", "--all", "--yes", home=tmp_path, kubeconfig=kubeconfig)
        assert code == 0, "the same without it does remove: the test sees deletions"
        assert api.store.list("jobs") == []


def both(folder, first, second):
    """One kubeconfig with two contexts: production, the current one, and staging."""
    merged = {"apiVersion": "v1", "kind": "Config", "current-context": "production", "clusters": [], "users": [], "contexts": []}
    for name, path in (("production", first), ("staging", second)):
        content = yaml.safe_load(Path(path).read_text())
        merged["clusters"].append({"name": name, "cluster": content["clusters"][0]["cluster"]})
        merged["users"].append({"name": name, "user": content["users"][0]["user"]})
        merged["contexts"].append({"name": name, "context": {"cluster": name, "user": name}})
    (folder / "both").write_text(yaml.safe_dump(merged))
    return folder / "both"


@pytest.mark.parametrize(
    "words",
    [("--context", "staging", "clean", "--all", "--yes"), ("clean", "--all", "--yes", "--context", "staging")],
    ids=["before", "after"],
)
async def test_a_context_is_the_only_cluster_that_is_spoken_to(tmp_path, words):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    async with (
        running_api([namespace("shop"), JOB]) as one,
        running_api([namespace("shop"), JOB]) as two,
        audited(one.kubeconfig, tmp_path / "a") as (production, first),
        audited(two.kubeconfig, tmp_path / "b") as (staging, second),
    ):
        code, _, err = await meshtui(*words, home=tmp_path, kubeconfig=both(tmp_path, first, second))
        assert code == 0, err
        assert production.asked == []
        assert staging.asked
        assert (len(one.store.list("jobs")), len(two.store.list("jobs"))) == (1, 0)


async def test_a_namespace_bounds_what_is_removed(tmp_path):
    other = {**JOB, "metadata": {**JOB["metadata"], "namespace": "other"}}
    async with running_api([namespace("shop"), namespace("other"), JOB, other]) as api:
        code, out, err = await meshtui("-n", "shop", "clean", "--all", "--yes", home=tmp_path, kubeconfig=api.kubeconfig)
        assert code == 0, err
        assert "shop/" in out
        assert [job["metadata"]["namespace"] for job in api.store.list("jobs")] == ["other"]
        code, _, err = await meshtui("clean", "--all", "--yes", "-n", "nope", home=tmp_path, kubeconfig=api.kubeconfig)
        assert code == 2
        assert "nope" in err
