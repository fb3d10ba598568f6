"""ServiceAccounts."""

from __future__ import annotations

from msgspec import field

from meshtui.kinds.convert import meta
from meshtui.kinds.kind import V1, Kind
from meshtui.kinds.wire import ObjectMeta, Wire
from meshtui.model import workload as model


class ServiceAccount(Wire):
    """The object: its metadata."""

    metadata: ObjectMeta = field(default_factory=ObjectMeta)


def service_account(raw: ServiceAccount, origin: str = "") -> model.ServiceAccount:
    """Convert a ServiceAccount."""
    return model.ServiceAccount(meta("ServiceAccount", raw.metadata, origin=origin))


KINDS = (Kind("ServiceAccount", "", V1, "serviceaccounts", "service_accounts", ServiceAccount, service_account),)
