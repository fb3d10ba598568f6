"""Names of the bookstore's objects, and builds of ecom-service with known faults."""

from __future__ import annotations

from collections.abc import Mapping

from meshtui.findings.context import Context
from meshtui.findings.fixes import image_edit
from meshtui.model.finding import Fix
from meshtui.model.ids import ObjectRef
from meshtui.model.workload import Workload

BOOKSTORE = "bookstore"
"""The name of the application."""
SHOP = ObjectRef("Deployment", "ecom", "ecom-service")
INVENTORY = ObjectRef("Service", "inventory", "inventory-service")
RESERVE = "/inven/stock/reserve"
NO_RESERVE, OLD_IDS, H2C = "never calls inventory", "lacks changeset 005", "upgrades to h2c"
_REPOSITORY, _GOOD = "bookstore/ecom-service", "1.1"
_BUILDS: Mapping[str, tuple[str, ...]] = {
    "0.9": (NO_RESERVE, OLD_IDS),
    "1.0": (NO_RESERVE,),
    "1.1-rc1": (OLD_IDS,),
    "1.1-h2c": (H2C,),
}


def known_fault(image: str, fault: str) -> bool:
    """Whether an image is a build with a known fault."""
    repository, _, tag = image.removeprefix("docker.io/").partition(":")
    return repository == _REPOSITORY and fault in _BUILDS.get(tag, ())


def shop(context: Context) -> Workload | None:
    """The shop's workload, or None."""
    return context.snapshot.workloads.get(SHOP)


def roll_out(context: Context) -> Fix | None:
    """A fix to the build without known faults, if the shop runs an image of this repository."""
    workload = shop(context)
    for number, image in enumerate(workload.pods[0].images if workload and workload.pods else ()):
        head, mark, _ = image.partition(f"{_REPOSITORY}:")
        if mark:
            good = f"{head}{mark}{_GOOD}"
            return Fix(f"roll out {good}", (image_edit(SHOP, number, good),))
    return None
