"""What a Snapshot takes over from the one before it is what it would have worked out itself. On random changes."""

import random
from dataclasses import replace

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshtui.model.carry import carry
from meshtui.model.ids import Uid
from meshtui.model.membership import AMBIENT_REDIRECTION
from meshtui.model.meta import Meta
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Controller, MeshMode, Namespace, OwnerRef, Pod

SPACES = ["a", "b", "c"]
KINDS = ["Deployment", "ReplicaSet", "StatefulSet", "Job", "CronJob"]


class World:
    """Objects that come, go and change, each under a UID of its own."""

    def __init__(self, seed):
        self.rng, self.serial = random.Random(seed), 0
        self.fields = {
            "namespaces": {Uid(name): Namespace(Meta("Namespace", "", name, Uid(name))) for name in SPACES},
            "controllers": {},
            "pods": {},
        }
        for _ in range(self.rng.randint(0, 12)):
            self.step()

    def snapshot(self):
        return Snapshot(**self.fields, live=True)

    def meta(self, kind, prefix):
        self.serial += 1
        name = f"{prefix}{self.rng.randint(0, 4)}"
        return Meta(kind, self.rng.choice(SPACES), name, Uid(f"u{self.serial}"), labels=self.labels(name))

    def labels(self, name):
        return {"pod-template-hash": name[-1]} if self.rng.random() < 0.5 else {}

    def owners(self, kinds):
        if self.rng.random() < 0.3:
            return ()
        kind = self.rng.choice(kinds)
        return (OwnerRef(kind, f"{kind.lower()}-{self.rng.randint(0, 4)}", Uid(""), controller=True),)

    def made(self, field):
        if field == "pods":
            return Pod(self.meta("Pod", "pod-"), owners=self.owners(KINDS), ready=self.rng.random() < 0.5)
        kind = self.rng.choice(KINDS)
        owners = self.owners(["Deployment", "CronJob"]) if kind in {"ReplicaSet", "Job"} else ()
        return Controller(self.meta(kind, f"{kind.lower()}-"), replicas=self.rng.randint(0, 3), owners=owners)

    def changed(self, field, old):
        if field == "pods":
            captured = {} if old.meta.annotations else {AMBIENT_REDIRECTION: "enabled"}
            return replace(
                old,
                meta=replace(old.meta, annotations=captured),
                ready=not old.ready,
                owners=self.owners(KINDS) if self.rng.random() < 0.2 else old.owners,
            )
        if self.rng.random() < 0.6:
            return replace(old, replicas=old.replicas + 1)
        return replace(old, owners=self.owners(["Deployment", "CronJob"]))

    def step(self):
        """One change, as a watch would bring it: the mapping of a kind is new when one of its objects is."""
        if self.rng.random() < 0.1:
            uid = self.rng.choice(SPACES)
            labels = {} if self.fields["namespaces"][uid].labels else {"istio.io/dataplane-mode": "ambient"}
            space = self.fields["namespaces"][uid]
            self.fields["namespaces"] = {
                **self.fields["namespaces"],
                uid: replace(space, meta=replace(space.meta, labels=labels)),
            }
            return
        field = self.rng.choice(["pods", "pods", "pods", "controllers"])
        there = dict(self.fields[field])
        chance = self.rng.random()
        if there and chance < 0.35:
            uid = self.rng.choice(list(there))
            there[uid] = self.changed(field, there[uid])
        elif there and chance < 0.55:
            del there[self.rng.choice(list(there))]
        else:
            new = self.made(field)
            if new.meta.ref not in {old.meta.ref for old in there.values()}:  # names are unique within a kind and namespace
                there[new.meta.uid] = new
        self.fields[field] = there


@given(st.integers(0, 2**40))
@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
def test_what_is_taken_over_is_what_would_be_worked_out(seed):
    world = World(seed)
    before = world.snapshot()
    for _ in range(8):
        for _ in range(world.rng.randint(0, 4)):
            world.step()
        after, fresh = carry(before, world.snapshot()), world.snapshot()
        assert list(after.workloads.items()) == list(fresh.workloads.items())
        by_name = {name: set(map(id, pods)) for name, pods in after.pods_by_namespace.items()}
        assert by_name == {name: set(map(id, pods)) for name, pods in fresh.pods_by_namespace.items()}
        assert dict(after.namespace_by_name) == dict(fresh.namespace_by_name)
        assert dict(after.pod_by_key) == dict(fresh.pod_by_key)
        assert dict(after.pod_by_ip) == dict(fresh.pod_by_ip)
        assert dict(after.controllers_by_ref) == dict(fresh.controllers_by_ref)
        assert dict(after.tops) == dict(fresh.tops)
        assert [after.mesh_mode(pod) for pod in after.pods.values()] == [fresh.mesh_mode(pod) for pod in fresh.pods.values()]
        assert set(after.pods) == set(after.mesh_modes), "what is gone is forgotten"
        moved = replace(after, pods={})
        assert not moved.workloads.keys() - moved.tops.keys(), "a copy with other objects takes nothing over"
        before = after


def test_what_did_not_change_stays_the_same_object():
    world = World(3)
    while len(world.fields["pods"]) < 8:
        world.step()
    before = world.snapshot()
    whole = before.workloads, before.pods_by_namespace
    uid, pod = next(iter(world.fields["pods"].items()))
    world.fields["pods"] = {**world.fields["pods"], uid: replace(pod, ready=not pod.ready)}
    after = carry(before, world.snapshot())
    differ = [ref for ref, workload in after.workloads.items() if whole[0][ref] is not workload]
    assert differ == [after.owner_of(pod)]
    assert [name for name, pods in after.pods_by_namespace.items() if whole[1][name] is not pods] == [pod.namespace]


def test_these_changes_are_about_every_mode():
    """Else the property above would say nothing about what a namespace's label or a capture changes."""
    said = set()
    for seed in range(40):
        world = World(seed)
        for _ in range(20):
            world.step()
        snapshot = world.snapshot()
        said |= {snapshot.mesh_mode(pod) for pod in snapshot.pods.values()}
    assert said == {MeshMode.AMBIENT, MeshMode.WANTED, MeshMode.NONE}
