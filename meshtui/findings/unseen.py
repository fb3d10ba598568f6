"""Pods that exist in the cluster, but not in manifests: those that controllers make of custom resources, and skipped ones."""

from __future__ import annotations

from collections.abc import Iterable

from meshtui.engine.matching.selectors import matches
from meshtui.kinds.unread import anywhere
from meshtui.model.constants import GATEWAY_NAME
from meshtui.model.selectors import LabelSelector
from meshtui.model.snapshot import Snapshot

_NAMED = 2


def unseen(snapshot: Snapshot, namespaces: Iterable[str]) -> str:
    """Why pods of some namespaces may be missing from the input, as the end of a sentence; empty if nothing says so.

    A custom resource without a namespace may be created in any of them.
    """
    reading = snapshot.reading
    if reading is None:
        return ""
    wanted = set(namespaces)
    makers = [maker for maker in reading.makers if not maker.namespace or maker.namespace in wanted or anywhere(maker.kind)]
    if makers:
        more = f" and {len(makers) - _NAMED} more" if len(makers) > _NAMED else ""
        return f"; such pods may be made by a controller, from {', '.join(map(str, makers[:_NAMED]))}{more}"
    return "; such pods may be in what was skipped" if reading.skipped else ""


def made_by_operator(snapshot: Snapshot, namespaces: Iterable[str], selector: LabelSelector) -> bool:
    """Whether a custom resource gives the labels that a selector asks for to the pods that a controller makes from it."""
    if snapshot.reading is None:
        return False
    wanted = set(namespaces)
    return any(matches(selector, labels) for space, labels in snapshot.reading.made if not space or space in wanted)


def made_for_gateway(snapshot: Snapshot, namespaces: Iterable[str], selector: LabelSelector) -> bool:
    """Whether a selector asks for the pods that a controller makes for a Gateway of the manifests."""
    named, wanted = dict(selector.labels).get(GATEWAY_NAME), set(namespaces)
    gateways = (gateway.meta for gateway in snapshot.gateways.values())
    return not snapshot.live and any(meta.name == named and meta.namespace in wanted for meta in gateways)
