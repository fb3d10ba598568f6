"""The roles in the guide are enough for what they promise, and a reader may change nothing."""

import re
from pathlib import Path

import pytest
import yaml

from meshtui.model.errors import ForbiddenError
from meshtui.probe.launch import check_access, needed
from meshtui.probe.plan import Batch, Plan
from meshtui.sandbox.apiserver.server import running_api
from meshtui.settings import Settings
from meshtui.sources.live import LiveSource
from meshtui.sources.writes import Access, Writes
from tests.fakes.live import following, synced
from tests.fakes.snapshots import pod

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "permissions.md"
PLAN = Plan(batches=(Batch("ecom", "ecom-service", "ecom/Deployment/ecom-service", {}, "", ambient=False, targets=()),))


def roles(*names):
    """Roles of the guide, by name, each bound to the user eve."""
    blocks = re.findall(r"```yaml\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    found = [obj for block in blocks for obj in yaml.safe_load_all(block) if obj["metadata"]["name"] in names]
    assert {obj["metadata"]["name"] for obj in found} == set(names)
    return [made for role in found for made in (role, _binding(role))]


def _binding(role):
    return {
        "apiVersion": role["apiVersion"],
        "kind": f"{role['kind']}Binding",
        "metadata": {**role["metadata"]},
        "subjects": [{"kind": "User", "name": "eve", "apiGroup": "rbac.authorization.k8s.io"}],
        "roleRef": {"kind": role["kind"], "name": role["metadata"]["name"], "apiGroup": "rbac.authorization.k8s.io"},
    }


async def allowed(api, ask):
    """What ``ask(writes)`` says as eve."""
    settings = Settings(kubeconfig=str(api.kubeconfig), impersonate="eve")
    source = LiveSource(settings)
    try:
        return await ask(Writes(await source.open(), settings))
    finally:
        await source.close()


async def test_a_looker_sees_every_kind():
    async with (
        running_api([pod("ecom/a"), *roles("meshtui-look")]) as api,
        following(api.kubeconfig, impersonate="eve") as followed,
    ):
        await followed.until(synced)


@pytest.mark.parametrize("missing", [str(access) for access in needed(PLAN) if access.verb != "list"])
async def test_a_looker_alone_can_do_nothing_that_a_probe_does(missing):
    async with running_api([pod("ecom/a"), *roles("meshtui-look")]) as api:
        access = next(a for a in needed(PLAN) if str(a) == missing)
        expected = (access.verb, access.resource, access.subresource) == ("get", "pods", "")
        assert (await allowed(api, lambda writes: writes.allowed(access)))[0] is expected


async def test_with_the_role_for_probes_a_probe_may_start_there_and_nowhere_else():
    async with running_api([pod("ecom/a"), *roles("meshtui-look", "meshtui-probe")]) as api:
        await allowed(api, lambda writes: check_access(PLAN, writes))
        elsewhere = Plan(batches=(Batch("inventory", "x", "x", {}, "", ambient=False, targets=()),))
        with pytest.raises(ForbiddenError, match=r"create jobs\.batch in inventory"):
            await allowed(api, lambda writes: check_access(elsewhere, writes))
        secrets = Access("list", "secrets", "", "ecom")
        assert (await allowed(api, lambda writes: writes.allowed(secrets)))[0] is False


async def test_the_guide_names_every_access_that_a_probe_needs():
    text = GUIDE.read_text()
    for access in needed(PLAN):
        assert f"`{access.verb}`" in text
        assert access.resource in text
