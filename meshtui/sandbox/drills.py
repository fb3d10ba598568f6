"""Drills as data: symptom, questions, keys, and the conditions for found and fixed.

``drill.yaml`` beside a scenario is a ``Drill``; ``tour/tour.yaml`` is the ``Tour`` of the healthy bookstore. A condition holds
when all of its fields hold; ``Condition`` has all possible fields.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, model_validator

from meshtui.sandbox.scenarios.catalogue import ScenarioError

TOUR = "tour"
_FOLDER = Path(__file__).parent / "scenarios"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class FlowIs(_Part):
    """A flow (with references as on the command line), and the expected result."""

    source: str = Field(alias="from")
    to: str
    is_: Literal["allow", "deny", "agrees", "disagrees", "reached", "blocked"] = Field(alias="is")


class Condition(_Part):
    """A condition on the state of the program. At least one field is set; all that are set have to hold."""

    screen: tuple[str, ...] = ()
    """The top screen is one of these: main, checkout, denials, why …"""
    pane: str = ""
    """The main screen is the top screen and shows this pane: namespaces, workloads, findings …"""
    shows: str = ""
    """The top screen contains this text."""
    finding: tuple[str, ...] = ()
    """Each of these is found: a rule, or a rule and an object's name."""
    no_finding: tuple[str, ...] = ()
    """None of these is found."""
    verdict: FlowIs | None = None
    """The verdict of a flow is allow or deny."""
    observed: FlowIs | None = None
    """A current probe agrees or disagrees with the prediction, or reached its destination or was blocked."""
    checkout: str = ""
    """The last purchase was ``ok``, ``failed``, or its reserve call failed for a cause: closed, timeout, no_call, http_404 …"""
    any: tuple[Condition, ...] = ()
    """One of these holds."""

    @model_validator(mode="after")
    def _says_something(self) -> Condition:
        if not self.model_fields_set:
            raise ValueError("a condition that names nothing always holds")
        return self


class Step(_Part):
    """A question, the keys that answer it, and hints, from vague to specific. The last step has no ``done``."""

    question: str
    keys: str
    hints: tuple[str, ...] = ()
    done: Condition | None = None


class Milestone(_Part):
    """The condition of a milestone, and the text that is shown then."""

    when: Condition
    says: str


class Drill(_Part):
    """One drill. ``repair`` is asked after it was found; the text of ``found`` is the answer, and is not shown before."""

    name: str = ""
    symptom: str
    steps: tuple[Step, ...] = Field(min_length=1)
    found: Milestone
    repair: Step
    fixed: Milestone


class Station(_Part):
    """A station of the tour: its text, and what it opens.

    ``pane`` is a pane of the main screen, ``select`` the object under its cursor (``Kind NS/NAME``); on top of it either
    ``flow`` is explained, or ``open`` is run, an action of the main screen or of the app.
    """

    title: str
    say: str
    pane: str = "workloads"
    select: str = ""
    flow: tuple[str, str] | None = None
    open: Literal["", "matrix", "denials", "probe", "app.checkout", "app.acceptance"] = ""


class Tour(_Part):
    """A walk through the healthy bookstore."""

    stations: tuple[Station, ...] = Field(min_length=1)


def drill(name: str) -> Drill | None:
    """A scenario's drill, or None if it has none."""
    path = _FOLDER / name / "drill.yaml"
    if not path.exists():
        return None
    return Drill.model_validate(_read(path) | {"name": name})


def tour() -> Tour:
    """The tour."""
    return Tour.model_validate(_read(_FOLDER / TOUR / "tour.yaml"))


def _read(path: Path) -> dict[str, object]:
    content = yaml.safe_load(path.read_text("utf-8"))
    if not isinstance(content, dict):
        raise ScenarioError(f"{path} isn't a mapping")
    return content
