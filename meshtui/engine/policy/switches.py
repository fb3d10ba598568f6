"""istiod's switches that change what proxies do, from the Deployments of the control plane, all revisions together.

Source: istio/istio pilot/pkg/features (PILOT_AUTO_ALLOW_WAYPOINT_POLICY, PILOT_SCOPE_GATEWAY_TO_NAMESPACE),
pilot/pkg/features/ambient.go (AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY: a ztunnel before 1.29 enforces the dry runs that it
is sent).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Controller
from meshtui.model.ztunnels import has_label

_ALLOW_WAYPOINTS = "PILOT_AUTO_ALLOW_WAYPOINT_POLICY"
_SCOPES_GATEWAYS = "PILOT_SCOPE_GATEWAY_TO_NAMESPACE"
_SENDS_DRY_RUNS = "AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY"
_KNOWS_DRY_RUNS = (1, 29)
_TAG = re.compile(r":v?(\d+)\.(\d+)")
_TRUE = frozenset({"1", "t", "true"})


@dataclass(frozen=True, slots=True)
class Switches:
    """``allows_waypoints``: pods with a waypoint get an ALLOW policy for it, so that everybody else is denied.

    ``dry_runs_enforced``: whether ztunnel enforces dry runs; None if its version isn't known. ``scopes_gateways``: Istio's own
    Gateways configure pods of their namespace only. ``sends_dry_runs``: whether ztunnel gets dry runs at all.
    """

    allows_waypoints: bool = False
    dry_runs_enforced: bool | None = False
    scopes_gateways: bool = False
    sends_dry_runs: bool = False


def switches_of(snapshot: Snapshot) -> Switches:
    """The switches of a snapshot's control plane; Istio's defaults where there is none in it."""
    found = set(snapshot.installation.switches)
    for controller in snapshot.controllers.values():
        if controller.template.labels.get("app") == "istiod":
            found |= {name for name, value in controller.template.env.items() if value.lower() in _TRUE}
    sends = _SENDS_DRY_RUNS in found
    enforced = _enforced(snapshot) if sends else False
    return Switches(_ALLOW_WAYPOINTS in found, enforced, _SCOPES_GATEWAYS in found, sends)


def _enforced(snapshot: Snapshot) -> bool | None:
    named = (c for c in snapshot.controllers.values() if c.meta.kind == "DaemonSet" and has_label(c.template.labels))
    ztunnels = [each for each in named if each.meta.namespace in snapshot.ztunnel_namespaces]
    versions = [version for ztunnel in ztunnels for version in _versions(ztunnel)]
    if not versions or len(versions) < len(ztunnels):
        return None
    return min(versions) < _KNOWS_DRY_RUNS


def _versions(ztunnel: Controller) -> list[tuple[int, int]]:
    """The minor versions in the tags of a DaemonSet's images."""
    tags = (_TAG.search(image) for image in ztunnel.template.images)
    return [(int(tag[1]), int(tag[2])) for tag in tags if tag]
