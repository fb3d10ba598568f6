"""Deletes the content of terminating namespaces, then the namespaces."""

from __future__ import annotations

from meshtui.sandbox.apiserver.namespaces import purge
from meshtui.sandbox.apiserver.store import Store
from meshtui.sandbox.controllers.common import is_deleting


class NamespaceController:
    """Finishes the deletion of namespaces."""

    watches = ("namespaces", "pods")

    def __init__(self, store: Store) -> None:
        self._store = store

    def sync(self) -> None:
        """Delete the content of terminating namespaces, and those that are empty."""
        for namespace in self._store.list("namespaces"):
            name = namespace["metadata"]["name"]
            if is_deleting(namespace) and purge(self._store, name):
                self._store.delete("namespaces", None, name)
