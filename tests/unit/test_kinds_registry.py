"""Every mapping of a Snapshot is in the registry of kinds: none is forgotten by an overlay, a diff, or the pairs."""

from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import get_origin, get_type_hints

import pytest

import meshtui.kinds
from meshtui.engine.explain.causes import differences
from meshtui.engine.explain.denials import policies_of
from meshtui.engine.matrix.touched import Rules, delta
from meshtui.engine.whatif.overlay import differing, overlaid
from meshtui.kinds import KINDS, decode_plain
from meshtui.kinds.kind import Overlay, Pairs, Role
from meshtui.kinds.registry import FIELDS, MODELLED_POLICIES, POLICY_KINDS, fields_of
from meshtui.model.change import CREATED, EDITED
from meshtui.model.snapshot import Snapshot

APART = {"cni_config", "own_probes", "kinds", "enrolments"}
"""Mappings that hold no objects by kind: own pods, how each kind is known, the CNIs' ConfigMaps, what is known of captures."""
HINTS = get_type_hints(Snapshot)
MAPPINGS = {f.name for f in fields(Snapshot) if get_origin(HINTS[f.name]) is Mapping} - APART


def one(kind, labels=None):
    """The smallest object of a kind, as from a manifest."""
    metadata = {"name": "x", **({"namespace": "a"} if kind.namespaced else {}), "labels": labels or {}}
    return decode_plain(
        kind, {"apiVersion": f"{kind.group}/{kind.versions[0]}", "kind": kind.name, "metadata": metadata}, "f.yaml"
    )


def holding(kind, labels=None):
    made = one(kind, labels)
    return Snapshot(**{kind.field: {made.meta.uid: made}}), made


def test_every_mapping_of_a_snapshot_has_its_kinds():
    assert set(FIELDS) == MAPPINGS
    assert {kind.field for kind in KINDS.values()} == MAPPINGS


def test_every_module_of_kinds_is_found():
    names = {path.stem for path in Path(meshtui.kinds.__file__).parent.glob("*.py")}
    shared = {"__init__", "kind", "registry", "wire", "convert", "decoding", "mesh_config", "scalars", "unread"}
    shared |= {"installation"}
    modules = {getattr(kind.convert, "func", kind.convert).__module__.rpartition(".")[2] for kind in KINDS.values()}
    assert modules == names - shared


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_an_overlay_takes_every_kind(kind):
    new, made = holding(kind, {"said": "by the manifest"})
    after = overlaid(Snapshot(), new)
    assert made.meta.ref in {each.meta.ref for each in getattr(after, kind.field).values()}
    if kind.name != "EndpointSlice":  # its Service's selector says the same, and is shown
        assert (made.meta.ref, CREATED) in differing(Snapshot(), after)
        edited, _ = holding(kind, {"said": "again"})
        assert (made.meta.ref, EDITED) in differing(after, overlaid(after, edited))


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
def test_a_change_reaches_the_pairs_as_the_kind_says(kind):
    """What comes or goes is noticed, or the kind says that pairs don't depend on it."""
    there, _ = holding(kind)
    found = delta(Snapshot(), Rules.of(Snapshot()), there, same_own=True)
    noticed = {
        Pairs.UNAFFECTED: not (found.everything or found.network or found.authorization or found.peer or found.come),
        Pairs.EVERYBODY: found.everything,
        Pairs.COMPARED: bool(found.network | found.authorization | found.peer),
        Pairs.MEMBERS: bool(found.come or found.relabelled),
        Pairs.NODES: not found.everything,  # without an admin policy
    }
    assert noticed[kind.pairs]


def test_a_node_concerns_everybody_beside_an_admin_policy():
    admin = one(KINDS["AdminNetworkPolicy"])
    before = Snapshot(admin_policies={admin.meta.uid: admin})
    node = one(KINDS["Node"], {"zone": "b"})
    assert delta(before, Rules.of(before), replace(before, nodes={node.meta.uid: node}), same_own=True).everything


@pytest.mark.parametrize("kind", [k for k in KINDS.values() if k.role is not Role.OTHER], ids=lambda kind: kind.name)
def test_what_verdicts_rest_on_can_be_a_cause(kind):
    there, made = holding(kind)
    assert [cause.ref for cause in differences(Snapshot(), there)] == [made.meta.ref]


def test_roles():
    assert set(MODELLED_POLICIES) == {
        "network_policies", "admin_policies", "authorization_policies", "peer_authentications", "request_authentications",
    }  # fmt: skip
    assert {"NetworkPolicy", "AuthorizationPolicy", "CiliumNetworkPolicy", "EnvoyFilter"} <= POLICY_KINDS
    assert not {"Service", "Pod", "Namespace"} & POLICY_KINDS
    assert set(fields_of(Overlay.COMPUTED)) == {"namespaces", "pods", "controllers"}
    for name in MODELLED_POLICIES:
        there, made = holding(FIELDS[name][0])
        assert list(policies_of(there)) == [made]
