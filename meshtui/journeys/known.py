"""The known journeys: those of meshtui, and the operator's own next to the configuration file."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from meshtui import journeys
from meshtui.journeys.lines import line_at, lines_of
from meshtui.journeys.load import Problem, content, parsed
from meshtui.journeys.model import Journey, Scalar
from meshtui.model.errors import ConfigError
from meshtui.settings import Settings, config_file

SHIPPED = "meshtui"
"""The origin of journeys that are part of meshtui."""


@dataclass(frozen=True, slots=True)
class Known:
    """One journey. ``origin`` is its file, or SHIPPED; ``given`` are the variables set from the settings."""

    journey: Journey
    origin: str
    given: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Catalogue:
    """All journeys by name, and the problems of invalid files."""

    journeys: Sequence[Known] = ()
    problems: Sequence[Problem] = ()

    def named(self, name: str) -> Known | None:
        """The journey with a name, or None."""
        return next((known for known in self.journeys if known.journey.name == name), None)

    def why_not(self, name: str) -> Problem | None:
        """The problem of the file with a name, or of a file with a journey of this name; None if there is none."""
        return next((each for each in self.problems if Path(each.file).stem == name or f"{name!r}" in each.says), None)


def folder() -> Path:
    """The folder of the operator's journeys: ``journeys`` next to the configuration file."""
    return config_file().parent / "journeys"


def catalogue(settings: Settings) -> Catalogue:
    """All journeys. An invalid file, or one with the name of another journey, is a problem; the others are loaded."""
    found = {known.journey.name: known for known in _shipped(settings)}
    problems: list[Problem] = []
    for file in _files():
        try:
            text = content(file)
        except ConfigError as error:
            problems.append(Problem(str(file), 1, "", error.message.removeprefix(f"{file}: ")))
            continue
        journey = parsed(str(file), text)
        if not isinstance(journey, Journey):
            problems += journey
        elif journey.name in found:
            line = line_at(lines_of(text.decode()), ("name",))
            origin = found[journey.name].origin
            hint = f"it is also the name of {'one that comes with meshtui' if origin == SHIPPED else origin}"
            problems.append(Problem(str(file), line, "name", f"{journey.name!r} is there twice", hint))
        else:
            found[journey.name] = Known(journey, str(file))
    return Catalogue(sorted(found.values(), key=lambda known: known.journey.name), problems)


def of_file(file: Path) -> Known:
    """The journey in a file in any folder. Raises ConfigError."""
    journey = parsed(str(file), content(file))
    if isinstance(journey, Journey):
        return Known(journey, str(file))
    raise journey[0].error


def _files() -> list[Path]:
    """The files of the folder, sorted by name. Raises ConfigError if the folder exists and can't be read."""
    place = folder()
    try:
        return sorted(file for file in place.iterdir() if file.suffix == ".toml")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(f"{place}: {error.strerror or error}") from error


def _shipped(settings: Settings) -> list[Known]:
    """The journeys of the sub-packages: each TOML file, with variables from the settings by the package's module ``values``."""
    found = []
    for info in pkgutil.iter_modules(journeys.__path__):
        if not info.ispkg:
            continue
        package = f"{journeys.__name__}.{info.name}"
        files = [file for file in resources.files(package).iterdir() if file.name.endswith(".toml")]
        given = importlib.import_module(f"{package}.values").values(settings) if files else {}
        for file in sorted(files, key=lambda file: file.name):
            journey = parsed(file.name, file.read_bytes())
            if not isinstance(journey, Journey):
                raise journey[0].error
            found.append(Known(journey, SHIPPED, given))
    return found
