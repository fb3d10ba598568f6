"""docs/guide/roles on a real node: applied as they are they are enough, and each verb that is taken away is missed by name.

Every variant has a name and a group of its own, so that many can be tried at the same time.
"""

import asyncio
import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from meshtui.engine.path.references import parse_flow
from meshtui.kinds import KINDS
from meshtui.model.errors import ForbiddenError, MeshtuiError
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import KindStatus
from meshtui.probe.cleanup import find_leftovers
from meshtui.probe.launch import check_access
from meshtui.probe.plan import make_plan
from meshtui.session import Session
from meshtui.settings import Settings, Timeouts
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.connection import connect
from meshtui.sources.kubernetes.live import LiveSource
from meshtui.sources.kubernetes.writes import Access, Writes
from tests.fakes.live import Followed

ROLES = Path(__file__).parents[2] / "docs" / "guide" / "roles"
OPERATORS = "meshtui-operators"
AT_ONCE = 3
"""How many clusters are read at the same time: each makes a connection for each of some 70 kinds."""
BY_PLURAL = {(kind.group, kind.plural): kind for kind in KINDS.values()}


@dataclass(frozen=True)
class Variant:
    """A role file without one verb on one resource."""

    number: int
    role: str
    group: str
    resource: str
    verb: str

    @property
    def operators(self):
        return f"{OPERATORS}-{self.role}-{self.number}"

    def __str__(self):
        return f"{self.role} without {self.verb} {self.resource}{'.' + self.group if self.group else ''}"


def documents(name):
    return list(yaml.safe_load_all((ROLES / f"{name}.yaml").read_text()))


def variants(name) -> Iterator[Variant]:
    rules = [rule for obj in documents(name) for rule in obj.get("rules", ())]
    grants = [(g, r, v) for rule in rules for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]]
    yield from (Variant(number, name, *grant) for number, grant in enumerate(dict.fromkeys(grants)))


def without(variant):
    """The file's objects without that verb, for the variant's own group."""
    for obj in copy.deepcopy(documents(variant.role)):
        obj["metadata"]["name"] += f"-{variant.number}"
        if "rules" in obj:
            obj["rules"] = [part for rule in obj["rules"] for part in _reduced(rule, variant)]
        else:
            obj["roleRef"]["name"] += f"-{variant.number}"
            obj["subjects"][0]["name"] = variant.operators
        yield obj


def _reduced(rule, variant):
    for resource in rule["resources"]:
        taken = resource == variant.resource and variant.group in rule["apiGroups"]
        verbs = [verb for verb in rule["verbs"] if not (taken and verb == variant.verb)]
        if verbs:
            yield {**rule, "resources": [resource], "verbs": verbs}


@pytest.fixture(scope="module")
def applied(node):
    """The files as they are, and every variant of them."""
    objects = [obj for name in ("look", "logs", "probe", "fix", "clean") for obj in documents(name)]
    objects += [obj for name in ("look", "probe", "clean") for variant in variants(name) for obj in without(variant)]
    node.apply(objects, at_once=8)
    yield
    node.delete(objects, at_once=8)


def settings(node, *groups, **more):
    chosen = {"timeouts": Timeouts(connect_s=30, request_s=60), **more}  # a test says nothing about the speed of this machine
    return Settings(kubeconfig=node.kubeconfig, impersonate="eve", impersonate_groups=groups, **chosen)


async def together(work, each):
    """Run ``work`` on each, some at a time; what went wrong, by variant."""
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(item):
        async with slots, asyncio.timeout(180):
            return await work(item)

    said = await asyncio.gather(*(one(item) for item in each))
    return {str(item): words for item, words in zip(each, said, strict=True) if words}


async def seen(chosen):
    source = LiveSource(chosen)
    try:
        return await source.snapshot(), source.api
    finally:
        await source.close()


def states(snapshot):
    return {name: state.status for name, state in snapshot.kinds.items()}


async def test_who_has_the_role_for_looking_sees_everything(node, applied):
    snapshot, _ = await seen(settings(node, OPERATORS))
    assert set(states(snapshot).values()) <= {KindStatus.SYNCED, KindStatus.NOT_INSTALLED}
    assert snapshot.mesh.found


async def test_each_kind_that_may_not_be_listed_is_named_and_the_others_are_read(node, applied):
    full = states((await seen(settings(node, OPERATORS)))[0])

    async def work(variant):
        snapshot, _ = await seen(settings(node, variant.operators))
        if variant.resource == "configmaps":
            named = "configmaps" in snapshot.mesh.unread and not snapshot.mesh.found
            return "" if named else f"the mesh's configuration: {snapshot.mesh}"
        kind = BY_PLURAL[variant.group, variant.resource]
        state = snapshot.kind_state(kind.name)
        if full[kind.name] is KindStatus.NOT_INSTALLED:
            return "" if state.status is KindStatus.NOT_INSTALLED else str(state)
        named = state.status is KindStatus.FORBIDDEN and state.verb == "list" and kind.plural in state.message
        others = {name: status for name, status in states(snapshot).items() if name != kind.name and status is not full[name]}
        return "" if named and not others else f"{state}, others {others}"

    wrong = await together(work, [v for v in variants("look") if v.verb == "list"])
    assert wrong == {}


async def test_each_kind_that_may_not_be_watched_is_named(node, applied):
    full = states((await seen(settings(node, OPERATORS)))[0])
    installed = {kind for kind, status in full.items() if status is not KindStatus.NOT_INSTALLED}

    async def work(variant):
        kind = BY_PLURAL[variant.group, variant.resource]
        if kind.name not in installed:
            return ""
        source = LiveSource(settings(node, variant.operators))
        followed = Followed(source)
        task = asyncio.create_task(source.run(followed.publish))
        try:
            found = await followed.until(lambda s: s.kind_state(kind.name).status is KindStatus.FORBIDDEN, 40)
            state = found.kind_state(kind.name)
            return "" if "watch" in state.message and kind.plural in state.message else str(state)
        except AssertionError as error:
            return str(error)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    wrong = await together(work, [v for v in variants("look") if v.verb == "watch"])
    assert wrong == {}


ON_THE_NODE = (
    ObjectRef("Namespace", "", "ecom"),
    ObjectRef("Service", "ecom", "ecom-service"),
    ObjectRef("ServiceAccount", "ecom", "ecom-service"),
    ObjectRef("Deployment", "ecom", "ecom-service"),
    ObjectRef("StatefulSet", "ecom", "ecom-db"),
    ObjectRef("NetworkPolicy", "ecom", "ecom-netpol"),
    ObjectRef("AuthorizationPolicy", "ecom", "ecom-service-policy"),
)
MAY_GET = {(KINDS[ref.kind].group, KINDS[ref.kind].plural): ref for ref in ON_THE_NODE}


async def test_an_object_whose_yaml_may_not_be_read_says_so(node, applied):
    async def work(variant):
        ref = MAY_GET[variant.group, variant.resource]
        source = LiveSource(settings(node, variant.operators))
        try:
            await source.manifest(ref)
        except ForbiddenError as error:
            return "" if "get" in str(error) and variant.resource in str(error) else str(error)
        finally:
            await source.close()
        return "it was read"

    tried = [v for v in variants("look") if v.verb == "get" and (v.group, v.resource) in MAY_GET]
    assert len(tried) == len(MAY_GET)
    wrong = await together(work, tried)
    assert wrong == {}


async def plan_of(chosen):
    source = LiveSource(chosen)
    session = Session(source, chosen)
    session.publish(await source.snapshot())
    flow = parse_flow("ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000")
    return source, make_plan(session.engine, [flow], chosen.probe)


async def test_a_probe_names_each_verb_that_it_misses_before_anything_is_made(node, applied):
    async def work(variant):
        chosen = settings(node, variant.operators, f"{OPERATORS}-look-only")
        _, plan = await plan_of(settings(node, OPERATORS))
        api = Api(connect(chosen), chosen.timeouts)
        try:
            await check_access(plan, Writes(api, chosen))
        except ForbiddenError as error:
            return "" if f"{variant.verb} {variant.resource}" in str(error) else str(error)
        finally:
            await api.close()
        return "it would have started"

    binding = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "meshtui-look-only"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "meshtui-look"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": f"{OPERATORS}-look-only"}],
    }
    await asyncio.to_thread(node.apply, [binding])
    try:
        # look.yaml has get on pods: that one is only missed by who has the probe's role alone
        tried = [v for v in variants("probe") if (v.verb, v.resource) != ("get", "pods")]
        assert await together(work, tried) == {}
    finally:
        await asyncio.to_thread(node.delete, [binding])
    source, plan = await plan_of(settings(node, OPERATORS))
    await source.close()
    api = Api(connect(settings(node, OPERATORS)), Timeouts())
    try:
        await check_access(plan, Writes(api, settings(node, OPERATORS)))
    finally:
        await api.close()


async def test_clean_names_each_verb_that_it_misses(node, applied):
    async def work(variant):
        chosen = settings(node, variant.operators)
        api = Api(connect(chosen), chosen.timeouts)
        try:
            if variant.verb == "list":
                try:
                    await find_leftovers(api)
                except MeshtuiError as error:
                    return "" if "list" in str(error) and variant.resource in str(error) else str(error)
                return "it was listed"
            access = Access(variant.verb, variant.resource, variant.group, "ecom")
            return "" if not (await Writes(api, chosen).allowed(access))[0] else "it may be deleted"
        finally:
            await api.close()

    assert await together(work, list(variants("clean"))) == {}
