"""Scenarios as folders: ``healthy`` holds manifests, every other one says what it does differently.

``scenario.yaml`` of a folder:

- ``title``: one line.
- ``include``: other scenarios whose differences come first.
- ``remove``: objects that aren't there (kind, namespace, name).
- ``images``, ``service_accounts``: ``NAMESPACE/KIND/NAME: value`` for a workload's only container or its pods
  (null: the field is missing).
- ``faults``: what is wrong with the mesh itself (``meshtui.sandbox.meshfaults``).
- ``fix``: kubectl's arguments, line by line, that repair it; ``{healthy}`` is the folder of the right manifests.

``overlay.yaml`` beside it holds objects that replace those of the same kind, namespace and name.
"""

from __future__ import annotations

import copy
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict, Field

from meshtui.sandbox.meshfaults import Fault, NodeBehind, Planned
from meshtui.sandbox.ports import Obj

_BASE = "healthy"
_FOLDER = Path(__file__).parent
_SCENARIO = "scenario.yaml"
_OVERLAY = "overlay.yaml"

Key = tuple[str, str, str]
"""Kind, namespace (empty for cluster-scoped kinds) and name."""


class ScenarioError(ValueError):
    """There is no such scenario, or it names something that doesn't exist."""


class _ObjectName(BaseModel):
    """Kind, namespace and name of an object."""

    model_config = ConfigDict(extra="forbid")

    kind: str
    namespace: str = ""
    name: str

    @property
    def key(self) -> Key:
        """The key of the object."""
        return self.kind, self.namespace, self.name


class _Scenario(BaseModel):
    """The content of ``scenario.yaml``."""

    model_config = ConfigDict(extra="forbid")

    title: str
    include: list[str] = Field(default_factory=list)
    remove: list[_ObjectName] = Field(default_factory=list)
    images: dict[str, str] = Field(default_factory=dict)
    service_accounts: dict[str, str | None] = Field(default_factory=dict)
    faults: list[Fault] = Field(default_factory=list)
    fix: list[list[str]] = Field(default_factory=list)


def names() -> list[str]:
    """All scenarios, ``healthy`` first."""
    found = {entry.parent.name for entry in _FOLDER.glob(f"*/{_SCENARIO}")}
    return [_BASE, *sorted(found - {_BASE})]


def folder(name: str) -> Path:
    """The folder of a scenario. Raises ScenarioError."""
    _read(name)
    return _FOLDER / name


def title(name: str) -> str:
    """One line about a scenario; raises ScenarioError."""
    return _read(name).title


def load(name: str) -> list[Obj]:
    """A scenario's objects, namespaces first, as fresh copies; raises ScenarioError."""
    objects = {_key(obj): obj for obj in _base()}
    _apply(name, objects)
    return [copy.deepcopy(obj) for obj in objects.values()]


def faults(name: str) -> list[Planned]:
    """What is wrong with the mesh itself. Raises ScenarioError."""
    scenario = _read(name)
    found = [each for part in scenario.include for each in faults(part)]
    for fault in scenario.faults:
        older = _documents(_FOLDER / name / fault.older) if isinstance(fault, NodeBehind) else []
        found.append(Planned(fault=fault, older=tuple(older)))
    return found


def page(name: str) -> str:
    """The scenario's page in Markdown: the symptom, what to look at, the repair. Raises ScenarioError."""
    _read(name)
    text = (_FOLDER / name / "page.md").read_text("utf-8")
    lines = "\n".join("    kubectl " + " ".join(_quoted(word) for word in command) for command in fix(name))
    return text.replace("{fix}", lines)


def fix(name: str) -> list[list[str]]:
    """The commands that repair a scenario, each as arguments of kubectl. Raises ScenarioError."""
    scenario = _read(name)
    commands = [command for part in scenario.include for command in fix(part)]
    healthy = str(_FOLDER / _BASE)
    commands += [[word.replace("{healthy}", healthy) for word in command] for command in scenario.fix]
    # Two scenarios may have the same repair.
    return [command for index, command in enumerate(commands) if command not in commands[:index]]


def _quoted(word: str) -> str:
    return f"'{word}'" if " " in word else word


@cache
def _read(name: str) -> _Scenario:
    if name not in names():
        raise ScenarioError(f"no scenario {name!r}; there are {', '.join(names())}")
    content = yaml.safe_load((_FOLDER / name / _SCENARIO).read_text("utf-8"))
    return _Scenario.model_validate(content)


@cache
def _base() -> tuple[Obj, ...]:
    """The objects of ``healthy``, with namespaces and ServiceAccounts first."""
    first = {"Namespace": 0, "Node": 1, "ServiceAccount": 2, "ConfigMap": 3}
    last = {"StatefulSet": 8, "Deployment": 9}
    files = [path for path in sorted((_FOLDER / _BASE).glob("*.yaml")) if path.name != _SCENARIO]
    objects = [obj for path in files for obj in _documents(path)]
    order = first | last
    return tuple(sorted(objects, key=lambda obj: order.get(obj["kind"], 5)))


def _documents(path: Path) -> list[Obj]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    with path.open("rb") as stream:
        return [obj for obj in yaml.load_all(stream, Loader=loader) if obj]


def _key(obj: Obj) -> Key:
    metadata = obj["metadata"]
    return obj["kind"], metadata.get("namespace", ""), metadata["name"]


def _apply(name: str, objects: dict[Key, Obj]) -> None:
    """Apply a scenario's differences to ``objects``. Each must match an object, else the scenario is outdated."""
    scenario = _read(name)
    for part in scenario.include:
        _apply(part, objects)
    for target in scenario.remove:
        if objects.pop(target.key, None) is None:
            raise ScenarioError(f"scenario {name} removes {target.key}, which isn't there")
    overlay = _FOLDER / name / _OVERLAY
    for obj in _documents(overlay) if overlay.exists() else []:
        if _key(obj) not in objects:
            raise ScenarioError(f"scenario {name} replaces {_key(obj)}, which isn't there")
        objects[_key(obj)] = obj
    for reference, image in scenario.images.items():
        _edit_pods(name, objects, reference)["containers"][0]["image"] = image
    for reference, account in scenario.service_accounts.items():
        pods = _edit_pods(name, objects, reference)
        pods.pop("serviceAccountName", None)
        if account is not None:
            pods["serviceAccountName"] = account


def _edit_pods(scenario: str, objects: dict[Key, Obj], reference: str) -> dict[str, Any]:
    """Edit the pod spec of a workload, in a copy that replaces the shared object."""
    namespace, kind, name = reference.split("/")
    key = (kind, namespace, name)
    if key not in objects:
        raise ScenarioError(f"scenario {scenario} changes {reference}, which isn't there")
    objects[key] = copy.deepcopy(objects[key])
    spec: dict[str, Any] = objects[key]["spec"]["template"]["spec"]
    return spec
