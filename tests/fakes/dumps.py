"""Dumps of ztunnels: made from what istiod should send, and changed in one place."""

import msgspec

from meshtui.mesh.desired import Desired
from meshtui.ztunnel.dump import NodeDump, Table
from meshtui.ztunnel.reading import canonical
from tests.fakes.recordings import FOLDER

RECORDINGS = FOLDER / "config_dump"
"""Dumps of real ztunnels, where they are at hand: they aren't part of the repository."""


def plain(entry):
    """An entry of a dump as plain data, as ztunnel writes it: what is empty or a default is left out."""
    return msgspec.json.decode(msgspec.json.encode(entry))


def plain_tables(snapshot, **names):
    """What istiod should send of a Snapshot, as plain data: tables of entries by key."""
    desired = Desired(snapshot, **names)
    return {
        Table.WORKLOADS: {uid: plain(wanted.workload) for uid, wanted in desired.workloads.items()},
        Table.SERVICES: {key: plain(wanted.entry) for key, wanted in desired.services.items()},
        Table.POLICIES: {key: plain(wanted.policy) for key, wanted in desired.policies.by_key.items()},
    }


def dump_of(tables, cluster_id="Kubernetes", **more):
    """A dump with some tables of plain entries."""
    held = {table: {key: canonical(entry) for key, entry in entries.items()} for table, entries in tables.items()}
    return NodeDump(node="one", cluster_id=cluster_id, tables=held, **more)
