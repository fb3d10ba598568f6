"""The roles in the guide are enough for what they promise, and a reader may change nothing."""

from pathlib import Path

import pytest
import yaml

from meshtui.kinds import KINDS
from meshtui.model.errors import ForbiddenError
from meshtui.probe.launch import check_access, needed
from meshtui.probe.plan import Batch, Plan
from meshtui.sandbox.apiserver.server import running_api
from meshtui.settings import Settings
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.sources.kubernetes.mesh_rights import Rights, rights
from meshtui.sources.kubernetes.writes import Access, Writes
from tests.fakes.live import following, synced
from tests.fakes.snapshots import pod

GUIDE = Path(__file__).parents[2] / "docs" / "guide" / "permissions.md"
ROLES = GUIDE.parent / "roles"
OPERATORS = "meshtui-operators"
PLAN = Plan(batches=(Batch("ecom", "ecom-service", "ecom/Deployment/ecom-service", {}, "", ambient=False, targets=()),))


def roles(*names):
    """The guide's files as they are, each by its name without ending."""
    return [obj for name in names for obj in yaml.safe_load_all((ROLES / f"{name}.yaml").read_text())]


async def allowed(api, ask):
    """What ``ask(writes)`` says as eve, who is one of the operators."""
    settings = Settings(kubeconfig=str(api.kubeconfig), impersonate="eve", impersonate_groups=(OPERATORS,))
    source = LiveSource(settings)
    try:
        return await ask(Writes(await source.open(), settings))
    finally:
        await source.close()


async def test_a_looker_sees_every_kind():
    async with (
        running_api([pod("ecom/a"), *roles("look")]) as api,
        following(api.kubeconfig, impersonate="eve", impersonate_groups=(OPERATORS,)) as followed,
    ):
        await followed.until(synced)


@pytest.mark.parametrize("missing", [str(access) for access in needed(PLAN) if access.verb != "list"])
async def test_a_looker_alone_can_do_nothing_that_a_probe_does(missing):
    async with running_api([pod("ecom/a"), *roles("look")]) as api:
        access = next(a for a in needed(PLAN) if str(a) == missing)
        expected = (access.verb, access.resource, access.subresource) == ("get", "pods", "")
        assert (await allowed(api, lambda writes: writes.allowed(access)))[0] is expected


async def test_with_the_role_for_probes_a_probe_may_start_there_and_nowhere_else():
    async with running_api([pod("ecom/a"), *roles("look", "probe")]) as api:
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


async def rights_with(*names):
    """What a look at the mesh's own state may do, as one of the operators with these roles."""
    async with running_api([pod("istio-system/a"), *roles(*names)]) as server:
        source = LiveSource(Settings(kubeconfig=str(server.kubeconfig), impersonate="eve", impersonate_groups=(OPERATORS,)))
        try:
            return await rights(await source.open(), ["istio-system"], ["istio-system"])
        finally:
            await source.close()


async def test_the_role_for_the_mesh_is_enough_to_look_at_its_own_state():
    found = await rights_with("look", "mesh")
    assert found == Rights(frozenset({"istio-system"}), frozenset({"istio-system"}), ())


async def test_a_looker_alone_forwards_no_port_and_each_verb_is_named_here_and_in_the_guide():
    found = await rights_with("look")
    assert (found.forward, found.proxy) == (frozenset(), frozenset())
    verbs, resources = set(), set()
    for words in found.missing:
        named = words.partition("missing verb: ")[2].removesuffix(" in namespace istio-system")
        *some, last = named.replace(",", "").split()
        verbs |= {*some}
        resources.add(last)
    assert resources == {"pods/portforward", "pods/proxy"}
    assert verbs >= {"get"}
    for row in GUIDE.read_text().splitlines():
        resources -= {each for each in resources if each in row and "`get`" in row and "optional" in row}
    assert resources == set()


FIXED = ("networkpolicies.networking.k8s.io", "authorizationpolicies.security.istio.io", "serviceaccounts", "deployments.apps")


@pytest.mark.parametrize("resource", FIXED)
async def test_with_the_role_for_fixes_a_fix_may_be_applied_there_and_nowhere_else(resource):
    name, _, group = resource.partition(".")
    verbs = {"serviceaccounts": ("get", "create", "delete"), "deployments": ("get", "update", "patch")}
    async with running_api([pod("ecom/a"), *roles("look", "fix")]) as api:
        for verb in verbs.get(name, ("get", "create", "update", "patch", "delete")):
            here, there = Access(verb, name, group, "ecom"), Access(verb, name, group, "inventory")
            assert (await allowed(api, lambda writes, asked=here: writes.allowed(asked)))[0] is True
            assert (await allowed(api, lambda writes, asked=there: writes.allowed(asked)))[0] is (verb == "get")


async def test_no_role_reads_secrets_or_lets_anybody_do_anything_to_every_kind():
    for path in ROLES.glob("*.yaml"):
        for obj in yaml.safe_load_all(path.read_text()):
            for rule in obj.get("rules", ()):
                assert "*" not in {*rule["verbs"], *rule["resources"], *rule["apiGroups"]}, path.name
                assert "secrets" not in rule["resources"], path.name


def test_the_role_for_looking_lists_every_kind_that_is_read():
    rules = [rule for obj in roles("look") for rule in obj.get("rules", ()) if obj["kind"] == "ClusterRole"]
    granted = {(group, resource) for rule in rules for group in rule["apiGroups"] for resource in rule["resources"]}
    assert granted == {(kind.group, kind.plural) for kind in KINDS.values()}
