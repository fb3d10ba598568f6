"""Drills as data: what is seen, what to ask, which key answers it, and how the program knows that it was found and fixed.

``drill.yaml`` beside a scenario is a ``Drill``; ``tour/tour.yaml`` is the ``Tour`` of the healthy bookstore. A condition holds
when all that it names holds; what it can name is listed in ``Condition``, and nothing else can be said.
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
    """A flow (references as on the command line), and what is to be true of it."""

    source: str = Field(alias="from")
    to: str
    is_: Literal["allow", "deny", "agrees", "disagrees", "reached", "blocked"] = Field(alias="is")


class Condition(_Part):
    """What has to be so. At least one; all that are given have to hold."""

    screen: tuple[str, ...] = ()
    """The screen on top is one of these: main, checkout, denials, why …"""
    pane: str = ""
    """The main screen is on top and shows this kind: namespaces, workloads, findings …"""
    shows: str = ""
    """The screen on top shows this text."""
    finding: tuple[str, ...] = ()
    """Each of these is found: a rule, or a rule and an object's name."""
    no_finding: tuple[str, ...] = ()
    """None of these is found."""
    verdict: FlowIs | None = None
    """Policy allows or denies a flow."""
    observed: FlowIs | None = None
    """A probe that is not outdated agrees or disagrees with the prediction, got through (reached) or not (blocked)."""
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
    """A question, the keys that answer it, and hints, from vague to plain. The last step has no ``done`` of its own."""

    question: str
    keys: str
    hints: tuple[str, ...] = ()
    done: Condition | None = None


class Milestone(_Part):
    """When something is reached, and what is said then."""

    when: Condition
    says: str


class Drill(_Part):
    """One drill. ``repair`` is asked once it is found; what ``found`` says is the answer, and is never shown before."""

    name: str = ""
    symptom: str
    steps: tuple[Step, ...] = Field(min_length=1)
    found: Milestone
    repair: Step
    fixed: Milestone


class Station(_Part):
    """A stop of the tour: what to say, and what is on the screen then.

    ``pane`` is the main screen's kind, ``select`` the object under its cursor (``Kind NS/NAME``); on top of it either ``flow``
    (why it is allowed or denied) or ``open``, an action of the main screen or of the program.
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
    """A scenario's drill, or None where it has none."""
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
        raise ScenarioError(f"{path} is no mapping")
    return content
