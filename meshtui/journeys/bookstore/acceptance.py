"""The bookstore's acceptance criteria, each tested with real requests: what was tried, the results, and whether they suffice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from meshtui.engine import Engine
from meshtui.engine.expect.expectations import Entry, Expected, expand
from meshtui.engine.expect.verification import verify
from meshtui.journeys.bookstore import criteria
from meshtui.journeys.bookstore.buy import Buyer
from meshtui.journeys.bookstore.criteria import Criterion, Judgement, State
from meshtui.journeys.bookstore.shop import find_gateway, shop_client
from meshtui.model.errors import ClusterError, ConfigError, MeshtuiError, NotFoundError, ReadOnlyError, UsageError
from meshtui.model.observation import Observation
from meshtui.model.redact import redact
from meshtui.settings import Settings
from meshtui.sources.kubernetes.api import Api
from meshtui.sources.kubernetes.writes import Confirmation, read_only_reason

Tell = Callable[[tuple[Criterion, ...]], None]
"""A function that is called with all criteria after every change."""
Prober = Callable[[Sequence[Expected]], Awaitable[Mapping[str, Observation]]]
"""A function that probes expectations and returns Observations by flow id."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """The URL of the bookstore's gateway, or the problem, and whether the gateway doesn't answer (else no address is known)."""

    url: str = ""
    problem: str = ""
    silent: bool = False

    def __str__(self) -> str:
        """Its URL, or the reason why there is none."""
        return redact(self.url) if self.url else self.problem


async def look_for_gateway(settings: Settings, engine: Engine) -> Gateway:
    """The gateway, or the reason why there is none. Raises ConfigError for a setting that isn't a URL."""
    try:
        return Gateway(await find_gateway(settings, engine))
    except ConfigError:
        raise
    except NotFoundError as error:
        return Gateway(problem=str(error))
    except ClusterError as error:
        return Gateway(problem=str(error), silent=True)


class Acceptance:
    """One test of all criteria. ``run`` doesn't raise for a criterion that fails: its evidence contains the reason."""

    def __init__(
        self,
        gateway: Gateway,
        settings: Settings,
        engine: Engine,
        api: Api,
        entries: Sequence[Entry],
        probe: Prober,
        tell: Tell = lambda _: None,
    ) -> None:
        self._gateway, self._settings, self._engine, self._api = gateway, settings, engine, api
        self._entries, self._probe, self._tell = entries, probe, tell
        self._refusal = read_only_reason(settings, api.connection.context)
        self.criteria = criteria.waiting(settings.checkout)

    async def run(self, confirmation: Confirmation | None) -> tuple[Criterion, ...]:
        """Test all criteria in order. Raises ReadOnlyError in read-only mode or without a confirmation."""
        if self._refusal:
            raise ReadOnlyError(f"nothing is tried: {self._refusal}")
        if not confirmation:
            raise ReadOnlyError("nothing is tried without a confirmation", "answer the question, or give --yes")
        self._begin(criteria.ACCOUNTS)
        self._end(criteria.ACCOUNTS, criteria.accounts(self._engine, self._settings.checkout))
        await self._through_the_gateway(confirmation)
        await self._verify()
        return self.criteria

    async def _through_the_gateway(self, confirmation: Confirmation) -> None:
        if not self._gateway.url:
            state = State.FAIL if self._gateway.silent else State.SKIP
            for name in criteria.THROUGH_THE_GATEWAY:
                self._end(name, Judgement(state, (self._gateway.problem,)))
            return
        shop = shop_client(self._gateway.url, self._settings)
        checkout, shown = self._settings.checkout, redact(self._gateway.url)
        try:
            for name, path, status in (
                (criteria.OUTSIDE, checkout.reserve_path, 404),
                (criteria.TOKEN, checkout.checkout_path, 401),
            ):
                self._begin(name)
                # Without a body, so that a request that unexpectedly reaches the service is rejected there
                answer = await shop.request("POST", path)
                self._end(name, criteria.answered(answer, status, f"POST {shown}{path}, host {checkout.host}"))
        finally:
            await shop.close()
        self._begin(criteria.CHECKOUT)
        trace = await Buyer(self._gateway.url, self._settings, self._engine, self._api).run(confirmation)
        self._end(criteria.CHECKOUT, criteria.bought(trace, self._engine.snapshot.mesh.trust_domain, checkout))
        self._end(criteria.STOCK, criteria.moved(trace))

    async def _verify(self) -> None:
        self._begin(criteria.EXPECTATIONS)
        try:
            expected = expand(self._engine, self._entries)
            seen = await self._probe(expected)
            judged = criteria.verified(verify(self._engine, expected, seen))
        except UsageError as error:
            judged = Judgement(State.FAIL, (f"the expectations don't fit this cluster: {error}",))
        except MeshtuiError as error:
            judged = Judgement(State.SKIP, (f"nothing could be probed: {error}",))
        self._end(criteria.EXPECTATIONS, judged)

    def _begin(self, name: str) -> None:
        self._change(name, Judgement(State.RUNNING))

    def _end(self, name: str, judged: Judgement) -> None:
        self._change(name, judged)

    def _change(self, name: str, judged: Judgement) -> None:
        self.criteria = tuple(
            replace(each, state=judged.state, evidence=judged.evidence) if each.id == name else each for each in self.criteria
        )
        self._tell(self.criteria)
