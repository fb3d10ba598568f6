"""The bookstore's part of a session: its findings, and the collection of evidence for them."""

from __future__ import annotations

from meshtui.engine import Engine
from meshtui.engine.path.references import parse_reference
from meshtui.engine.path.relations import workload_of
from meshtui.findings import rules_in
from meshtui.journeys.bookstore import rules
from meshtui.journeys.bookstore.builds import BOOKSTORE
from meshtui.journeys.bookstore.observed import Evidence
from meshtui.model.errors import UsageError
from meshtui.model.snapshot import Snapshot
from meshtui.session.application import Application
from meshtui.settings import Settings
from meshtui.sources.kubernetes.api import Api


def _shop(snapshot: Snapshot, settings: Settings) -> frozenset[str]:
    """The UIDs of the running pods that call inventory."""
    try:
        end, _ = parse_reference(settings.checkout.client)
        return frozenset(pod.meta.uid for pod in workload_of(snapshot, end).pods if not pod.completed)
    except UsageError:
        return frozenset()


async def _gather(api: Api, settings: Settings, engine: Engine) -> Evidence | None:
    from meshtui.journeys.bookstore.evidence import gather  # only where there is a cluster: it needs httpx

    return await gather(api, settings, engine)


APPLICATION = Application(
    BOOKSTORE,
    "meshtui.journeys.bookstore",
    rules_in(rules),
    _shop,
    _gather,
    unasked=lambda settings: bool(settings.checkout.gateway),
    key="c",
    helps="buys a book, and looks at what that leaves in the logs",
)
