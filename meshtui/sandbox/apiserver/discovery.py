"""Discovery: lists of groups, versions and resources, in the legacy and the aggregated format."""

from __future__ import annotations

from typing import Any

from meshtui.sandbox.apiserver.faults import Faults
from meshtui.sandbox.apiserver.kinds import Kind, group_version, groups
from meshtui.sandbox.apiserver.reviews import REVIEWS

AGGREGATED = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]

Json = dict[str, Any]


def visible(faults: Faults) -> dict[str, dict[str, list[Kind]]]:
    """The served kinds by group and version, without those that a fault hides."""
    result: dict[str, dict[str, list[Kind]]] = {}
    for group, versions in groups().items():
        for version, kinds in versions.items():
            shown = [kind for kind in kinds if not faults.is_hidden(kind.plural)]
            if shown:
                result.setdefault(group, {})[version] = shown
    return result


def _reviews(group: str) -> list[tuple[str, str]]:
    return [(plural, kind) for (of, plural), kind in REVIEWS.items() if of == group]


def all_groups(faults: Faults) -> dict[str, list[str]]:
    """Every named group → its versions."""
    found = {group: list(versions) for group, versions in visible(faults).items() if group}
    for group, _ in REVIEWS:
        found.setdefault(group, ["v1"])
    return found


def api_versions(address: str) -> Json:
    """The answer at ``/api``."""
    addresses = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": addresses}


def _group(name: str, versions: list[str]) -> Json:
    rows = [{"groupVersion": f"{name}/{version}", "version": version} for version in versions]
    return {"name": name, "versions": rows, "preferredVersion": rows[0]}


def group_list(faults: Faults) -> Json:
    """The answer at ``/apis``."""
    found = [_group(name, versions) for name, versions in all_groups(faults).items()]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def one_group(name: str, faults: Faults) -> Json | None:
    """The answer at ``/apis/GROUP``."""
    versions = all_groups(faults).get(name)
    return {"kind": "APIGroup", "apiVersion": "v1"} | _group(name, versions) if versions else None


def resource_list(group: str, version: str, faults: Faults) -> Json | None:
    """The answer at ``/api/v1`` and ``/apis/GROUP/VERSION``."""
    kinds = visible(faults).get(group, {}).get(version, [])
    rows = [row for kind in kinds for row in _rows(kind)]
    if version == "v1":
        rows += [
            {"name": plural, "singularName": kind.lower(), "namespaced": False, "kind": kind, "verbs": ["create"]}
            for plural, kind in _reviews(group)
        ]
    if not rows:
        return None
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": group_version(group, version),
        "resources": rows,
    }


def _rows(kind: Kind) -> list[Json]:
    base = {"singularName": "", "namespaced": kind.namespaced, "kind": kind.kind}
    row: Json = base | {"name": kind.plural, "singularName": kind.singular, "verbs": VERBS}
    if kind.short:
        row["shortNames"] = list(kind.short)
    if kind.categories:
        row["categories"] = list(kind.categories)
    return [row, *(base | {"name": f"{kind.plural}/{name}"} | extra for name, extra in _subresources(kind))]


def _subresources(kind: Kind) -> list[tuple[str, Json]]:
    found: list[tuple[str, Json]] = []
    if kind.status:
        found.append(("status", {"verbs": ["get", "patch", "update"]}))
    if kind.scale:
        scale = {"group": "autoscaling", "version": "v1", "kind": "Scale", "verbs": ["get", "patch", "update"]}
        found.append(("scale", scale))
    if kind.plural == "pods":
        found.append(("log", {"verbs": ["get"]}))
        found.append(("portforward", {"kind": "PodPortForwardOptions", "verbs": ["create", "get"]}))
        found.append(("proxy", {"kind": "PodProxyOptions", "verbs": ["create", "delete", "get", "patch", "update"]}))
        found.append(("eviction", {"group": "policy", "version": "v1", "kind": "Eviction", "verbs": ["create"]}))
    if kind.plural == "serviceaccounts":
        token = {"group": "authentication.k8s.io", "version": "v1", "kind": "TokenRequest", "verbs": ["create"]}
        found.append(("token", token))
    return found


def aggregated(core: bool, faults: Faults) -> Json:
    """The answer at ``/api`` (core) or ``/apis`` in the aggregated format."""
    shown = visible(faults)
    names = [""] if core else list(all_groups(faults))
    items = []
    for name in names:
        versions = [_version(name, version, kinds) for version, kinds in shown.get(name, {"v1": []}).items()]
        metadata: Json = {"name": name, "creationTimestamp": None} if name else {"creationTimestamp": None}
        items.append({"metadata": metadata, "versions": versions})
    return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _version(group: str, version: str, kinds: list[Kind]) -> Json:
    resources: list[Json] = []
    for kind in kinds:
        row: Json = {
            "resource": kind.plural,
            "responseKind": {"group": group, "version": version, "kind": kind.kind},
            "scope": "Namespaced" if kind.namespaced else "Cluster",
            "singularResource": kind.singular,
            "verbs": VERBS,
        }
        if kind.short:
            row["shortNames"] = list(kind.short)
        if kind.categories:
            row["categories"] = list(kind.categories)
        subresources = [_subresource(name, extra, row["responseKind"]) for name, extra in _subresources(kind)]
        if subresources:
            row["subresources"] = subresources
        resources.append(row)
    if version == "v1":
        resources += [_review(group, plural, kind) for plural, kind in _reviews(group)]
    return {"version": version, "freshness": "Current", "resources": resources}


def _subresource(name: str, extra: Json, own: Json) -> Json:
    response = {field: extra[field] for field in ("group", "version", "kind") if field in extra} or own
    return {"subresource": name, "responseKind": response, "verbs": extra["verbs"]}


def _review(group: str, plural: str, kind: str) -> Json:
    return {
        "resource": plural,
        "responseKind": {"group": group, "version": "v1", "kind": kind},
        "scope": "Cluster",
        "singularResource": kind.lower(),
        "verbs": ["create"],
    }
