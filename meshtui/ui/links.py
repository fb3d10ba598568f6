"""What a name on the screen leads to: the cursor rests on it, and the keys act on it."""

from __future__ import annotations

from typing import TypeAlias

from meshtui.model.denial import Denial
from meshtui.model.finding import Finding
from meshtui.model.flow import Flow
from meshtui.model.ids import ObjectRef

Link: TypeAlias = ObjectRef | Flow | Finding | Denial
"""An object of the cluster (a node and a ServiceAccount too), a flow, a finding, or a denial."""


def named(link: Link) -> str:
    """A link's name, as it is copied and stands in breadcrumbs."""
    if isinstance(link, ObjectRef):
        return f"{link.namespace}/{link.name}" if link.namespace else link.name
    if isinstance(link, Finding):
        return link.rule
    if isinstance(link, Denial):
        return f"{link.source or 'unknown'} → {link.destination or 'unknown'}:{link.port or '?'}"
    port = f":{link.port}" if link.port is not None else ""
    return f"{link.source} → {link.destination}{port}"
