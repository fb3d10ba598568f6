"""Folders and objects that hold others only after a program has rendered them: kustomizations, Helm charts, Templates.

A patch, an overlay or a template isn't an object: judged as one, it gives wrong verdicts.
"""

from __future__ import annotations

import os
import re
import shlex
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from meshtui.model.errors import ManifestError
from meshtui.model.ids import ObjectRef
from meshtui.model.reading import Skipped

KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
"""The names of a kustomization's file (kustomize: konfig.RecognizedKustomizationFileNames)."""
CHART = "Chart.yaml"
_OTHER_GROUP = "kustomize.toolkit.fluxcd.io"
"""Flux has objects of kind Kustomization, which are often in a file of that name."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_REFERENCES = ("resources", "bases", "components")
_CHART_FIELDS = frozenset({"helmCharts", "helmChartInflationGenerator", "helmGlobals"})


TEMPLATE = ("template.openshift.io", "Template")
"""The group and kind of OpenShift's Templates."""


def unprocessed(ref: ObjectRef, file: str) -> Skipped:
    """A Template, which isn't read, even without parameters.

    Processing adds labels to its objects, and takes away the namespaces that are written in them: they are created in the
    project where it is applied (openshift/library-go pkg/template/templateprocessing/template.go, Process and stripNamespace).
    """
    command = "" if file == "-" else shlex.join(("oc", "process", "--local", "-f", file))
    return Skipped(file, f"an OpenShift {ref}, whose objects aren't read", command)


@dataclass(frozen=True, slots=True)
class Package:
    """A kustomization or a chart: its folder, the content of its file, and how many manifests its folder has.

    ``files`` counts those below it, except those of packages inside it.
    """

    folder: Path
    chart: bool
    content: Mapping[str, Any] = field(hash=False)
    files: int = 0

    @property
    def words(self) -> tuple[str, ...]:
        """The program that renders it, and its arguments."""
        folder = str(self.folder)
        folder = f"./{folder}" if folder.startswith("-") else folder
        if self.chart:
            return "helm", "template", self._release, folder
        return ("kubectl", "kustomize", *(["--enable-helm"] if self.fetches else []), folder)

    @property
    def fetches(self) -> bool:
        """Whether kustomize would fetch Helm charts for it, and write them into the folder."""
        return not self.chart and bool(_CHART_FIELDS & self.content.keys())

    @property
    def _release(self) -> str:
        """The name of a chart's release: the chart's, unless a program could take it for a flag."""
        names = (str(self.content.get("name")), self.folder.resolve().name)
        return next((name for name in names if self.content and _NAME.fullmatch(name)), "release")

    @property
    def command(self) -> str:
        """The same as a line for a shell."""
        return shlex.join(self.words)

    @property
    def what(self) -> str:
        """What it is, in words."""
        return "a Helm chart" if self.chart else "a kustomization"

    @property
    def component(self) -> bool:
        """Whether it is a part that other kustomizations include (kind: Component)."""
        return not self.chart and self.content.get("kind") == "Component"

    def references(self) -> Iterator[str]:
        """What a kustomization includes: absolute paths, and the addresses of remote bases as they are written."""
        for name in _REFERENCES:
            entries = self.content.get(name)
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, str):
                    yield _reference(self.folder, entry)


def _reference(folder: Path, entry: str) -> str:
    """An entry of a kustomization: the absolute path of what is there, else as it is written."""
    try:
        path = folder / entry
        return os.path.realpath(path) if path.exists() else entry
    except (OSError, ValueError):  # an inline object, for example, is no path
        return entry


def package_in(folder: Path, names: Iterable[str]) -> Package | None:
    """The package that a folder with files of these names is, or None."""
    present = set(names)
    if CHART in present:
        return Package(folder, chart=True, content=_content(folder / CHART))
    for name in KUSTOMIZATIONS:
        if name in present:
            content = _content(folder / name)
            if not str(content.get("apiVersion") or "").startswith(_OTHER_GROUP):
                return Package(folder, chart=False, content=content)
    return None


def chart_above(file: Path) -> Package | None:
    """The chart whose template a file is, or None."""
    for folder in file.parents:
        if (folder / CHART).is_file():
            return package_in(folder, [CHART])
    return None


def _content(file: Path) -> Mapping[str, Any]:
    """A package's own file as plain data; empty if it can't be read: the program that renders it says why."""
    from meshtui.sources.manifest_yaml import yaml_documents

    try:
        found = yaml_documents(str(file), file.read_bytes()) if file.is_file() else []
    except (ManifestError, OSError):
        return {}
    return found[0] if found and isinstance(found[0], dict) else {}


@dataclass(frozen=True)
class Packages:
    """All packages below one folder. ``inside`` has the package in whose folder a package is, if it is in one."""

    found: Sequence[Package]
    inside: Mapping[Path, Package]

    @cached_property
    def _by_path(self) -> Mapping[str, Package]:
        return {os.path.realpath(package.folder): package for package in self.found}

    @cached_property
    def _included(self) -> Mapping[Path, tuple[str, ...]]:
        return {package.folder: tuple(package.references()) for package in self.found if not package.chart}

    @cached_property
    def referenced(self) -> frozenset[str]:
        """Absolute paths of all files and folders that a kustomization includes."""
        return frozenset(path for several in self._included.values() for path in several)

    def tops(self) -> tuple[Package, ...]:
        """The packages that no other one includes: kustomizations, and charts that aren't part of another package."""
        return tuple(package for package in self.found if self._is_top(package))

    def _is_top(self, package: Package) -> bool:
        if not package.chart:
            return os.path.realpath(package.folder) not in self.referenced
        around = self.inside.get(package.folder)
        return around is None or not (around.chart or _CHART_FIELDS & around.content.keys())

    def parts(self, top: Package) -> frozenset[Package]:
        """A package and all packages that belong to it: included ones, and subcharts."""
        found: set[Package] = set()
        waiting = [top]
        while waiting:
            package = waiting.pop()
            if package in found:
                continue
            found.add(package)
            waiting += [self._by_path[path] for path in self._included.get(package.folder, ()) if path in self._by_path]
            inner = (each for each in self.found if each.chart and self.inside.get(each.folder) == package)
            waiting += [chart for chart in inner if not self._is_top(chart)]
        return frozenset(found)

    def rivals(self, top: Package) -> tuple[Package, ...]:
        """The other top kustomizations with a base in common: their objects would be defined twice."""
        sharing = {other for base in self._bases[top] for other in self._made_of[base]}
        return tuple(other for other in self._bases if other in sharing and other != top)

    @cached_property
    def _made_of(self) -> dict[str, list[Package]]:
        """The top kustomizations that are made of each base."""
        found: dict[str, list[Package]] = defaultdict(list)
        for top, bases in self._bases.items():
            for base in bases:
                found[base].append(top)
        return found

    @cached_property
    def _bases(self) -> dict[Package, frozenset[str]]:
        """Everything that each top kustomization is made of, apart from components, which are meant to be shared."""
        return {top: self._bases_of(top) for top in self.tops()}

    def _bases_of(self, top: Package) -> frozenset[str]:
        found: set[str] = set()
        for part in self.parts(top):
            if not part.chart and not part.component:
                found |= {path for path in self._included[part.folder] if not self._is_component(path)}
        return frozenset(found)

    def _is_component(self, path: str) -> bool:
        package = self._by_path.get(path)
        return package is not None and package.component

    def circles(self) -> tuple[Package, ...]:
        """The packages that belong to no top one: kustomizations that include each other."""
        reached = {part for top in self.tops() for part in self.parts(top)}
        return tuple(package for package in self.found if package not in reached)
