"""The types of all JSON answers. ``meshtui schema`` prints their JSON Schema, and tests check every answer.

Fields may be added, but never renamed or removed: scripts rely on them (docs/contracts.md).
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType

from meshtui.cli.schemas.changes import Diffed
from meshtui.cli.schemas.explain import Explained
from meshtui.cli.schemas.findings import Check, DenialLine, ExplainedFindings
from meshtui.cli.schemas.flows import BadLine, FlowLine, MatrixPair, Predicted
from meshtui.cli.schemas.journeys import Accepted, CheckedOut, JourneyChecked, JourneyLine, JourneyRun
from meshtui.cli.schemas.mesh import MeshCertificates, MeshDrift, MeshStatus
from meshtui.cli.schemas.probes import Cleaned, Probed, ProbePlan, Verification
from meshtui.journeys.model import Journey


class Versions(Struct, omit_defaults=True):
    """The versions of meshtui, Python, and libraries that matter in a bug report, and with --server of the API server."""

    meshtui: str
    python: str
    platform: str
    click: str
    httpx: str
    kubernetes: str
    msgspec: str
    pydantic: str
    textual: str
    server: str | UnsetType = UNSET


SCHEMAS: dict[str, tuple[Any, str]] = {
    "acceptance": (Accepted, "the answer of meshtui acceptance -o json"),
    "check": (Check, "the answer of meshtui check -o json"),
    "checkout": (CheckedOut, "the answer of meshtui checkout -o json"),
    "clean": (Cleaned, "the answer of meshtui clean -o json"),
    "denials": (DenialLine, "one line of what meshtui denials -o jsonl prints; -o json is an array of them"),
    "diff": (Diffed, "the answer of meshtui diff -o json"),
    "explain": (Explained, "the answer of meshtui explain -o json"),
    "explain-finding": (ExplainedFindings, "the answer of meshtui explain MTnnn -o json"),
    "flow": (FlowLine, "one line of the file that meshtui predict --flows reads"),
    "journey": (Journey, "a journey's file (TOML), as meshtui journey reads it"),
    "journey-check": (JourneyChecked, "the answer of meshtui journey check -o json"),
    "journey-list": (list[JourneyLine], "the answer of meshtui journey list -o json"),
    "journey-run": (JourneyRun, "the answer of meshtui journey run -o json"),
    "matrix": (list[MatrixPair], "the answer of meshtui matrix -o json"),
    "mesh-certificates": (MeshCertificates, "the answer of meshtui mesh certificates -o json"),
    "mesh-drift": (MeshDrift, "the answer of meshtui mesh drift -o json"),
    "mesh-status": (MeshStatus, "the answer of meshtui mesh status -o json"),
    "plan": (ProbePlan, "the answer of meshtui probe --plan -o json"),
    "predict": (Predicted | BadLine, "one line of what meshtui predict prints; -o json is an array of them"),
    "probe": (Probed | list[Probed], "the answer of meshtui probe -o json: an object, or an array for several flows"),
    "verify": (Verification, "the answer of meshtui verify -o json"),
    "version": (Versions, "the answer of meshtui version -o json"),
}
"""By name: the type, and a description."""
