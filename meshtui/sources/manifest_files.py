"""The texts of an input: files, the manifests below folders, standard input, and with ``render`` the output of programs."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from meshtui.model.errors import ManifestError
from meshtui.model.reading import Skipped
from meshtui.sources.manifest_packages import KUSTOMIZATIONS, Package, Packages, chart_above, package_in

SUFFIXES = {".yaml", ".yml", ".json"}
"""Suffixes of files that are read from a folder, as in kubectl. A file of JSON lines has to be named explicitly."""


@dataclass(frozen=True, slots=True)
class Text:
    """One text with its name for messages. ``given``: it was named itself, so that it can't be skipped."""

    name: str
    content: bytes
    given: bool = False


class Input:
    """The texts of some files and folders, each file once; what isn't read is collected in ``skipped``.

    Kustomizations and charts below a folder aren't read as they are: with ``render`` their rendered objects are.
    """

    def __init__(self, paths: Sequence[str], *, render: bool = False) -> None:
        self._paths = tuple(dict.fromkeys(paths))
        self._render = render
        self._read: set[str] = set()
        self.skipped: list[Skipped] = []
        self.rendered: list[str] = []

    def texts(self) -> Iterator[Text]:
        """All texts. Raises ManifestError for a path that isn't there, and for a file that is given itself and can't be read."""
        for given in self._paths:
            path = Path(given)
            if given == "-":
                yield Text("-", sys.stdin.buffer.read(), given=True)
            elif not path.exists():
                raise ManifestError(f"{given}: no such file or folder")
            elif path.is_dir():
                yield from self._below(path)
            else:
                yield from self._file(path, given=True)

    def skip(self, file: str, reason: str) -> None:
        """Note that a file can't be parsed. A template of a chart is one that a program has to render first."""
        chart = chart_above(Path(file))
        self.skipped.append(Skipped(file, reason, chart.command if chart else ""))

    def _file(self, path: Path, *, given: bool = False) -> Iterator[Text]:
        real = os.path.realpath(path)
        if real in self._read:
            return
        self._read.add(real)
        try:
            content = path.read_bytes()
        except OSError as error:
            if given:
                raise ManifestError(f"{path}: {error.strerror}") from error
            self.skipped.append(Skipped(str(path), str(error.strerror)))
            return
        yield Text(str(path), content, given=given)

    def _below(self, top: Path) -> Iterator[Text]:
        """The files below a folder, then its packages."""
        folder = _Folder(top, self.skipped)
        parts = folder.packages.referenced
        for file in folder.files:
            if os.path.realpath(file) not in parts:
                yield from self._file(file)
        yield from self._packages(folder.packages)

    def _packages(self, packages: Packages) -> Iterator[Text]:
        counted: set[Package] = set()
        for top in packages.tops():
            parts = packages.parts(top) - counted
            counted |= parts
            yield from self._package(replace(top, files=sum(part.files for part in parts)), packages.rivals(top))
        for package in packages.circles():
            self._leave_out(package, "a kustomization that includes itself")

    def _package(self, package: Package, rivals: Sequence[Package]) -> Iterator[Text]:
        if package.component:
            self._leave_out(package, "a component that no kustomization here includes")
        elif rivals:
            others = ", ".join(str(other.folder) for other in rivals)
            reason = f"{package.what} that shares a base with {others}: give one of them"
            self.skipped.append(Skipped(str(package.folder), reason, package.command, package.files))
        elif package.fetches:
            reason = f"{package.what} that fetches Helm charts into its folder, so it isn't run here"
            self.skipped.append(Skipped(str(package.folder), reason, package.command, package.files))
        elif not self._render:
            self.skipped.append(Skipped(str(package.folder), package.what, package.command, package.files))
        else:
            yield from self._output(package)

    def _output(self, package: Package) -> Iterator[Text]:
        from meshtui.sources.manifest_render import RenderError, rendered

        try:
            content = rendered(package.words)
        except RenderError as error:
            self.skipped.append(Skipped(str(package.folder), f"{package.what}: {error}", package.command, package.files))
            return
        self.rendered.append(package.command)
        yield Text(package.command, content, given=True)

    def _leave_out(self, package: Package, reason: str) -> None:
        self.skipped.append(Skipped(str(package.folder), reason, "", package.files))


class _Folder:
    """What is below a folder: ``files`` outside of packages, and ``packages``. A folder that can't be listed is skipped.

    If the folder is a package itself, all that is below it belongs to that package.
    """

    def __init__(self, top: Path, skipped: list[Skipped]) -> None:
        self.files: list[Path] = []
        self._skipped = skipped
        self._counts: dict[Path, int] = {}
        self._found: dict[Path, Package] = {}
        self._inside: dict[Path, Package] = {}
        self._around: dict[Path, Package | None] = {top: None}
        for folder, below, names in os.walk(top, onerror=self._refused):
            below.sort()
            self._look(Path(folder), names, single=top in self._found)
            for name in below:
                self._around[Path(folder, name)] = self._around[Path(folder)]
        found = [replace(package, files=self._counts.get(package.folder, 0)) for package in self._found.values()]
        by_folder = {package.folder: package for package in found}
        inside = {folder: by_folder[around.folder] for folder, around in self._inside.items()}
        self.packages = Packages(found, inside)
        self.files.sort()

    def _look(self, folder: Path, names: Sequence[str], *, single: bool) -> None:
        around = self._around[folder]
        package = None if single else package_in(folder, names)
        if package is not None:
            self._found[folder] = package
            if around is not None:
                self._inside[folder] = around
            self._around[folder] = around = package
        manifests = [folder / name for name in names if Path(name).suffix in SUFFIXES or name in KUSTOMIZATIONS]
        if around is not None:
            self._counts[around.folder] = self._counts.get(around.folder, 0) + len(manifests)
        else:
            self.files += [file for file in manifests if file.suffix in SUFFIXES and file.is_file()]

    def _refused(self, error: OSError) -> None:
        self._skipped.append(Skipped(str(error.filename), str(error.strerror)))
