"""Values for completion: from kubeconfig, manifests, or the cluster, with a short timeout."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from meshtui.cli.shell import patience_s

if TYPE_CHECKING:
    from meshtui.model.snapshot import Snapshot

_MOST = 500
"""Maximum number of objects of a kind that are requested."""
_WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet")


def contexts_of(kubeconfig: str) -> list[str]:
    """The names of the kubeconfig's contexts (with ``$KUBECONFIG`` merged)."""
    import yaml

    paths = kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    found: list[str] = []
    for path in filter(None, paths.split(os.pathsep)):
        file = Path(path).expanduser()
        if file.is_file():
            content = yaml.load(file.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 (it is safe)
            found += [str(context["name"]) for context in content.get("contexts") or ()]
    return list(dict.fromkeys(found))


def namespaces_of(given: Mapping[str, Any]) -> list[str]:
    """All namespaces."""
    return sorted(namespace.name for namespace in _read(given, ["Namespace"]).namespaces.values())


def workloads_of(given: Mapping[str, Any]) -> list[str]:
    """All workloads, as NS/KIND/NAME; with ``-n`` those of one namespace."""
    snapshot = _read(given, [*_WORKLOADS, "Pod"])
    return sorted(f"{ref.namespace}/{ref.kind.lower()}/{ref.name}" for ref in snapshot.workloads if _in(given, ref.namespace))


def services_of(given: Mapping[str, Any]) -> list[str]:
    """All Services with each of their ports, as NS/svc/NAME:PORT."""
    found = sorted(_read(given, ["Service"]).services.values(), key=lambda service: str(service.meta.ref))
    return [
        f"{service.meta.namespace}/svc/{service.meta.name}:{port.number}"
        for service in found
        if _in(given, service.meta.namespace)
        for port in service.ports
    ]


def hosts_of(given: Mapping[str, Any]) -> list[str]:
    """The hosts of all ServiceEntries, without wildcards, with each of their ports; none where the kind can't be listed."""
    with contextlib.suppress(Exception):  # Istio may not be installed: then the other values are still offered
        entries = _read(given, ["ServiceEntry"]).service_entries.values()
        return sorted({f"{h}:{p.number}" for entry in entries for h in entry.hosts if "*" not in h for p in entry.ports})
    return []


def scenario_names() -> list[str]:
    """The sandbox's scenarios: the folders with a description."""
    import meshtui.sandbox

    folder = Path(next(iter(meshtui.sandbox.__path__))) / "scenarios"
    return sorted(place.parent.name for place in folder.glob("*/scenario.yaml"))


def rule_ids() -> list[str]:
    """The ids of all rules: the names of their pages."""
    import meshtui

    package = Path(next(iter(meshtui.__path__)))
    pages = (*package.glob("findings/pages/MT*.md"), *package.glob("journeys/*/pages/MT*.md"))
    return sorted(page.stem for page in pages)


def journey_names() -> list[str]:
    """The names of the files that hold journeys: those that come with meshtui, and those beside the settings."""
    import meshtui
    from meshtui.settings import config_file

    package = Path(next(iter(meshtui.__path__)))
    files = (*package.glob("journeys/*/*.toml"), *(config_file().parent / "journeys").glob("*.toml"))
    return sorted({file.stem for file in files})


def _in(given: Mapping[str, Any], namespace: str) -> bool:
    return given.get("namespace") in {None, namespace}


def _read(given: Mapping[str, Any], kinds: Iterable[str]) -> Snapshot:
    """A Snapshot of manifests, or of some kinds of a cluster."""
    from meshtui.cli.given import settings_from

    settings = settings_from(given)
    if settings.filenames:
        from meshtui.sources.manifests import load_manifests

        return load_manifests([path for path in settings.filenames if path != "-"])  # a program is never run to complete a word
    import asyncio

    return asyncio.run(asyncio.wait_for(_list(settings, list(kinds)), patience_s()))


async def _list(settings: Any, kinds: list[str]) -> Snapshot:
    import asyncio

    from meshtui.kinds import KINDS
    from meshtui.model.snapshot import Snapshot
    from meshtui.sources.kubernetes.listing import read_first
    from meshtui.sources.kubernetes.live import LiveSource

    source = LiveSource(settings)
    try:
        api = await source.open()
        lists = await asyncio.gather(*(read_first(api, KINDS[name], _MOST) for name in kinds))
    finally:
        await source.close()
    fields: dict[str, Any] = {}
    for name, objects in zip(kinds, lists, strict=True):
        for found in objects:
            fields.setdefault(KINDS[name].field, {})[found.meta.uid] = found
    return Snapshot(**fields)
