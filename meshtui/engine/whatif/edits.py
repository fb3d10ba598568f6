"""A Snapshot after edits of NetworkPolicies and AuthorizationPolicies: new ones, and rules added to or replaced in others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

from meshtui.engine.whatif.overlay import overlaid
from meshtui.kinds.decoding import decode_plain
from meshtui.kinds.foreign import CNI_KINDS
from meshtui.kinds.registry import KINDS
from meshtui.model.finding import Edit, Operation
from meshtui.model.ids import ObjectRef, Uid
from meshtui.model.policy import AuthorizationPolicy, ForeignPolicy, NetworkPolicy
from meshtui.model.snapshot import Snapshot

_Policy = AuthorizationPolicy | NetworkPolicy | ForeignPolicy
_T = TypeVar("_T")
_FIELDS = {"NetworkPolicy": "network_policies", "AuthorizationPolicy": "authorization_policies"}
_VERSIONS = {"NetworkPolicy": "networking.k8s.io/v1", "AuthorizationPolicy": "security.istio.io/v1"}


def with_edits(snapshot: Snapshot, edits: Iterable[Edit], blanks: Mapping[str, str] | None = None) -> Snapshot:
    """``snapshot`` after the edits, in their order. ``blanks`` are texts to fill in for placeholders.

    Edits are of NetworkPolicies and AuthorizationPolicies; their operations add or replace whole rules. Policies of CNIs' own
    kinds can be created. Raises ValueError for any other edit, and for an object that isn't there.
    """
    for edit in edits:
        policy = _edited(snapshot, _filled(edit, blanks or {}))
        new = Snapshot(**cast("Any", {KINDS[edit.ref.kind].field: {Uid(str(edit.ref)): policy}}))
        snapshot = overlaid(snapshot, new)
    return snapshot


def _filled(edit: Edit, blanks: Mapping[str, str]) -> Edit:
    def fill(value: Any) -> Any:
        text = json.dumps(value)
        for blank, with_what in blanks.items():
            text = text.replace(blank, with_what)
        return json.loads(text)

    if not blanks:
        return edit
    operations = tuple(replace(operation, value=fill(operation.value)) for operation in edit.operations)
    return Edit(edit.ref, operations, None if edit.create is None else fill(edit.create))


def _edited(snapshot: Snapshot, edit: Edit) -> _Policy:
    creates = edit.create is not None and edit.ref.kind in CNI_KINDS
    if edit.ref.kind not in _FIELDS and not creates:
        raise ValueError(f"edits of {edit.ref.kind} objects aren't computed here")
    if edit.create is not None:
        return _decoded(edit.create, edit.ref)
    policies: Mapping[Uid, _Policy] = getattr(snapshot, _FIELDS[edit.ref.kind])
    policy = next((p for p in policies.values() if p.meta.ref == edit.ref), None)
    if policy is None:
        raise ValueError(f"there is no {edit.ref}")
    for operation in edit.operations:
        policy = _after(policy, operation, edit.ref)
    return policy


def _decoded(manifest: Mapping[str, Any], ref: ObjectRef) -> _Policy:
    return cast("_Policy", decode_plain(KINDS[ref.kind], manifest))


def _after(policy: _Policy, operation: Operation, ref: ObjectRef) -> _Policy:
    """One operation: ``add`` a rule at the end, ``add`` the whole section, or ``replace`` one rule."""
    match operation.path:
        case ("spec", "ingress" | "egress" | "rules" as section):
            rules = operation.value
        case ("spec", "ingress" | "egress" | "rules" as section, "-" | int()):
            rules = [operation.value]
        case _:
            raise ValueError(f"{ref}: {operation.op} at {operation.path} isn't computed here")
    metadata = {"name": ref.name, "namespace": ref.namespace}
    stub = {"apiVersion": _VERSIONS[ref.kind], "kind": ref.kind, "metadata": metadata, "spec": {section: rules}}
    written = getattr(_decoded(stub, ref), section)
    if len(operation.path) > 2:
        written = _placed(getattr(policy, section) or (), written[0], operation.path[2])
    changed: dict[str, Any] = {section: written}
    return replace(policy, **changed)


def _placed(rules: tuple[_T, ...], rule: _T, place: str | int) -> tuple[_T, ...]:
    if not isinstance(place, int):
        return (*rules, rule)
    return (*rules[:place], rule, *rules[place + 1 :])
