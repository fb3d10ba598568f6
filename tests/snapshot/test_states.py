"""The faces of "no answer", each at 120×40: none looks like an empty list."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from meshtui.model.errors import ConfigError
from meshtui.model.snapshot import KindState, KindStatus, Snapshot
from meshtui.sources.ports import Publish
from tests.fakes.frozen import NOW, FrozenSource, bookstore, with_kind
from tests.snapshot.conftest import app_on, pressing

SIZE = (120, 40)
RETRY = NOW + timedelta(seconds=8)


def everything(status: KindStatus, message: str) -> Snapshot:
    """The bookstore with every kind in one state."""
    snapshot = bookstore()
    state = KindState(status, message, since=NOW - timedelta(seconds=42), retry_at=RETRY)
    return replace(snapshot, kinds=dict.fromkeys(snapshot.kinds, state))


def test_loading(snap_compare) -> None:
    assert snap_compare(app_on(None), terminal_size=SIZE, run_before=pressing())


def test_empty(snap_compare) -> None:
    snapshot = with_kind(bookstore(), "NetworkPolicy", KindState(KindStatus.SYNCED), empty=True)
    assert snap_compare(app_on(snapshot), terminal_size=SIZE, run_before=pressing("4"))


def test_nothing_matches_the_filter(snap_compare) -> None:
    keys = ("slash", *"nosuchthing", "enter")
    assert snap_compare(app_on(bookstore()), terminal_size=SIZE, run_before=pressing(*keys))


def test_forbidden(snap_compare) -> None:
    message = 'networkpolicies.networking.k8s.io is forbidden: User "operator" cannot list resource "networkpolicies"'
    state = KindState(KindStatus.FORBIDDEN, message, "list", NOW, RETRY)
    snapshot = with_kind(bookstore(), "NetworkPolicy", state, empty=True)
    assert snap_compare(app_on(snapshot), terminal_size=SIZE, run_before=pressing("4"))


def test_not_installed(snap_compare) -> None:
    message = "authorizationpolicies.security.istio.io isn't installed in this cluster"
    state = KindState(KindStatus.NOT_INSTALLED, message, "", NOW, RETRY)
    snapshot = with_kind(bookstore(), "AuthorizationPolicy", state, empty=True)
    assert snap_compare(app_on(snapshot), terminal_size=SIZE, run_before=pressing("3"))


def test_stale(snap_compare) -> None:
    snapshot = everything(KindStatus.STALE, "https://prod-eu:6443 doesn't answer in time")
    assert snap_compare(app_on(snapshot), terminal_size=SIZE, run_before=pressing())


def test_unreachable(snap_compare) -> None:
    snapshot = everything(KindStatus.UNREACHABLE, "https://prod-eu:6443 can't be reached: connection refused")
    assert snap_compare(app_on(snapshot), terminal_size=SIZE, run_before=pressing())


def test_login_expired(snap_compare) -> None:
    snapshot = everything(KindStatus.EXPIRED, "the API server doesn't accept the credentials: Unauthorized")
    assert snap_compare(app_on(snapshot), terminal_size=SIZE, run_before=pressing())


def test_broken(snap_compare) -> None:
    message = "this isn't an answer of an API server: it is nested too deeply (is there a proxy or a login page in between?)"
    state = KindState(KindStatus.BROKEN, message, "", NOW - timedelta(seconds=42), RETRY)
    snapshot = with_kind(with_kind(bookstore(), "NetworkPolicy", state, empty=True), "Pod", state)
    assert snap_compare(app_on(snapshot), terminal_size=SIZE, run_before=pressing("4"))


class EndingSource(FrozenSource):
    """A source that publishes, and then ends for a reason that nobody foresaw."""

    async def run(self, publish: Publish) -> None:
        """Publish, then fail."""
        publish(bookstore())
        raise RecursionError("maximum recursion depth exceeded")


def test_the_source_has_ended(snap_compare) -> None:
    app = app_on(None)
    app.session.source = EndingSource(None)
    assert snap_compare(app, terminal_size=SIZE, run_before=pressing())


class BrokenSource(FrozenSource):
    """A source that can't be set up."""

    async def run(self, publish: Publish) -> None:
        """Say why."""
        raise ConfigError("no context 'prod' in the kubeconfig", "known contexts: prod-eu, prod-us")


def test_no_cluster(snap_compare) -> None:
    app = app_on(None)
    app.session.source = BrokenSource(None)
    assert snap_compare(app, terminal_size=SIZE, run_before=pressing())


def test_terminal_too_small(snap_compare) -> None:
    assert snap_compare(app_on(bookstore()), terminal_size=(50, 10), run_before=pressing())
