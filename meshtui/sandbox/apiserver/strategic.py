"""Strategic merge patch: lists of objects are merged by key, as ``kubectl apply`` and ``kubectl set`` rely on.

The merge keys are those of the Kubernetes API reference ("patch merge key"); a list that is not named is atomic.
"""

from __future__ import annotations

from typing import Any

Obj = dict[str, Any]

_KEYS = {
    "containers": "name",
    "initContainers": "name",
    "ephemeralContainers": "name",
    "env": "name",
    "volumes": "name",
    "volumeMounts": "mountPath",
    "volumeDevices": "devicePath",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
    "topologySpreadConstraints": "topologyKey",
    "conditions": "type",
    "addresses": "type",
    "ownerReferences": "uid",
    "secrets": "name",
    "podIPs": "ip",
    "hostIPs": "ip",
    "resourceClaims": "name",
}
_PORT_KEYS = {
    "containers": "containerPort",
    "initContainers": "containerPort",
    "ephemeralContainers": "containerPort",
    "spec": "port",  # a Service's
}
_PRIMITIVE_SETS = frozenset({"finalizers"})
_DIRECTIVES = ("$patch", "$retainKeys", "$setElementOrder/", "$deleteFromPrimitiveList/")


def merge_key(field: str, parent: str) -> str | None:
    """The key that identifies the elements of a list, or None for an atomic list."""
    if field == "ports":
        return _PORT_KEYS.get(parent)
    return _KEYS.get(field)


def strategic_merge(target: Obj, patch: Obj, parent: str = "") -> Obj:
    """Apply a strategic merge patch to an object and return the result. ``target`` isn't changed."""
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    if patch.get("$patch") == "delete":
        return {}
    result = dict(target)
    if "$retainKeys" in patch:
        retained = set(patch["$retainKeys"])
        result = {key: value for key, value in result.items() if key in retained}
    for field, value in patch.items():
        if not field.startswith(_DIRECTIVES):
            _merge_field(result, field, value, parent, patch)
    _directives(result, patch, parent)
    return result


def _merge_field(result: Obj, field: str, value: Any, parent: str, patch: Obj) -> None:
    old = result.get(field)
    if value is None:
        result.pop(field, None)
    elif isinstance(value, dict):
        result[field] = strategic_merge(old, value, field) if isinstance(old, dict) else _plain(value)
    elif isinstance(value, list):
        result[field] = _merge_list(old if isinstance(old, list) else [], value, field, parent)
        order = patch.get(f"$setElementOrder/{field}")
        if order is not None:
            result[field] = _ordered(result[field], order, merge_key(field, parent))
    else:
        result[field] = value


def _directives(result: Obj, patch: Obj, parent: str) -> None:
    for directive, value in patch.items():
        name, _, field = directive.partition("/")
        if name == "$deleteFromPrimitiveList" and isinstance(result.get(field), list):
            result[field] = [item for item in result[field] if item not in value]
        elif name == "$setElementOrder" and field not in patch and isinstance(result.get(field), list):
            result[field] = _ordered(result[field], value, merge_key(field, parent))


def _merge_list(old: list[Any], new: list[Any], field: str, parent: str) -> list[Any]:
    if field in _PRIMITIVE_SETS:
        return [*old, *(item for item in new if item not in old)]
    if any(isinstance(item, dict) and item.get("$patch") == "replace" for item in new):
        return [item for item in new if "$patch" not in item]
    key = merge_key(field, parent)
    if not old or key is None or not all(isinstance(item, dict) and key in item for item in new):
        # An atomic list, or no old list: both of two elements with one key (port 53, UDP and TCP) stay.
        return [_plain(item) for item in new if not (isinstance(item, dict) and item.get("$patch") == "delete")]
    result = list(old)
    for item in new:
        index = next((i for i, was in enumerate(result) if was.get(key) == item[key]), None)
        if item.get("$patch") == "delete":
            if index is not None:
                del result[index]
        elif index is None:
            result.append(_plain(item))
        else:
            result[index] = strategic_merge(result[index], item, field)
    return result


def _plain(item: Any) -> Any:
    """A value without an old one to merge with: as written, without directives and nulls."""
    if isinstance(item, list):
        return [_plain(each) for each in item]
    if not isinstance(item, dict):
        return item
    return {field: _plain(value) for field, value in item.items() if value is not None and not field.startswith(_DIRECTIVES)}


def _ordered(items: list[Any], order: list[Any], key: str | None) -> list[Any]:
    """The named elements in the given order. Each other element stays behind the element that it followed."""
    names = [item.get(key) if key and isinstance(item, dict) else item for item in order]
    rank = {name: index for index, name in enumerate(names)}
    positions: list[tuple[int, int, Any]] = []
    last = -1
    for index, item in enumerate(items):
        name = item.get(key) if key and isinstance(item, dict) else item
        if name in rank:
            last = rank[name]
            positions.append((last, -1, item))
        else:
            positions.append((last, index, item))
    return [item for _, _, item in sorted(positions, key=lambda position: position[:2])]
