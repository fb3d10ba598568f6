"""Every namespace has a ServiceAccount ``default``."""

from __future__ import annotations

from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.controllers.common import is_deleting


class ServiceAccountController:
    """Creates missing default ServiceAccounts."""

    watches = ("namespaces", "serviceaccounts")

    def __init__(self, store: Store) -> None:
        self._store = store

    def sync(self) -> None:
        """Reconcile every namespace."""
        for namespace in self._store.list("namespaces"):
            name = namespace["metadata"]["name"]
            if not is_deleting(namespace) and self._store.get("serviceaccounts", name, "default") is None:
                self._store.create("serviceaccounts", {"metadata": {"name": "default", "namespace": name}})
