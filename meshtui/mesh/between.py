"""ztunnel against ztunnel: every one has the whole mesh, so the one that differs from the majority is behind.

This needs no model of what istiod sends, so it also works for kinds that aren't modelled.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import msgspec

from meshtui.mesh.fields import differing_fields
from meshtui.mesh.names import entry_name
from meshtui.mesh.report import Between, Difference
from meshtui.ztunnel.dump import Entries, NodeDump, Table, policy_of, service_of, workload_of
from meshtui.ztunnel.look import NodeLook
from meshtui.ztunnel.reading import AGAIN, Differing

ALL = "all "
"""How the name of a difference begins that is about a whole list."""
WORDS = {Table.WORKLOADS: "workloads", Table.SERVICES: "Services", Table.POLICIES: "policies"}
"""The lists of a dump as people call them."""
_CONSEQUENCES = {
    Table.POLICIES: "connections to this node's pods are decided otherwise than on other nodes",
    Table.SERVICES: "this node's pods reach this Service otherwise than others, or not at all",
    Table.WORKLOADS: "this node's pods treat this workload as another identity, address or protocol than others do",
}


@dataclass(frozen=True, slots=True)
class _Group:
    """Nodes that hold the same entries."""

    entries: Entries
    unread: frozenset[str]
    """The keys of what couldn't be read; empty for what has no name."""
    nodes: tuple[str, ...]


def between_ztunnels(looks: Sequence[NodeLook]) -> tuple[Difference, ...]:
    """How each node's ztunnel differs from the majority of its network; where there is none, from the largest group.

    Workloads of other networks are seen through their gateway, so ztunnels of different networks aren't compared.
    """
    networks: dict[tuple[str, str], list[tuple[str, NodeDump]]] = defaultdict(list)
    for look in looks:
        if look.dump is not None and not look.dump.on_demand:
            networks[look.dump.cluster_id, look.dump.network].append((look.node, look.dump))
    found: list[Difference] = []
    for dumps in networks.values():
        one_form = len({(dump.version, dump.build, dump.old_form) for _, dump in dumps}) <= 1
        for table in Table:
            found += _in_table(table, [(node, dump) for node, dump in dumps if table in dump.tables], one_form=one_form)
    return tuple(found)


def _in_table(table: Table, dumps: Sequence[tuple[str, NodeDump]], *, one_form: bool) -> list[Difference]:
    groups = _groups(table, dumps)
    if len(groups) < 2:
        return []
    form = _same if one_form else _common_form(table)
    found: list[Difference] = []
    empty = [group for group in groups if not group.entries and not group.unread]
    filled = [group for group in groups if group.entries or group.unread]
    size = max(len(group.entries) for group in groups)
    for group in empty:
        words = f"{size} {WORDS[table]}" if size else f"{WORDS[table]} that can't be read"
        by = _by([node for each in filled for node in each.nodes], len(dumps))
        found += [_whole(node, table, words, by) for node in group.nodes]
    for key in _unequal(filled) if len(filled) > 1 else ():
        found += _of_entry(table, key, filled, form)
    return found


def _groups(table: Table, dumps: Sequence[tuple[str, NodeDump]]) -> list[_Group]:
    groups: dict[tuple[int, frozenset[str]], tuple[Entries, list[str]]] = {}
    for node, dump in dumps:
        entries, unread = dump.tables[table], dump.unread.get(table, frozenset())
        groups.setdefault((id(entries), unread), (entries, []))[1].append(node)
    return [_Group(entries, unread, tuple(nodes)) for (_, unread), (entries, nodes) in groups.items()]


def _unequal(groups: Sequence[_Group]) -> list[str]:
    """The keys whose entries may not be the same in all groups. Tables that are kept as a difference are compared by it."""
    keys: set[str] = set()
    wholes: dict[int, Entries] = {}
    for group in groups:
        whole = group.entries
        if isinstance(whole, Differing):
            keys |= whole.differing
            whole = whole.base
        wholes.setdefault(id(whole), whole)
    first, *others = wholes.values()
    for other in others:
        keys |= first.keys() ^ other.keys()
        keys.update(key for key, entry in other.items() if key in first and first[key] != entry)
    return sorted(keys)


def _of_entry(table: Table, key: str, groups: Sequence[_Group], form: _Form) -> list[Difference]:
    holders: dict[bytes | None, list[str]] = defaultdict(list)
    for group in groups:
        entry = group.entries.get(key)
        if key.partition(AGAIN)[0] in group.unread or (entry is None and "" in group.unread):
            continue  # what couldn't be read may be this one
        holders[None if entry is None else form(entry)] += group.nodes
    if len(holders) < 2:
        return []
    right = max(holders, key=lambda entry: (len(holders[entry]), entry is not None))
    total = sum(map(len, holders.values()))
    by = _by(holders[right], total)
    name, ref = entry_name(table, key, next(entry for entry in (right, *holders) if entry is not None))
    found = []
    for entry, nodes in holders.items():
        if entry == right:
            continue
        parts = _parts(right, entry)
        for node in nodes:
            found += [
                Difference(
                    Between.ZTUNNELS,
                    node,
                    name,
                    path,
                    expected,
                    has,
                    by,
                    ref,
                    dangerous=table is Table.POLICIES,
                    consequence=_CONSEQUENCES[table],
                )
                for path, expected, has in parts
            ]
    return found


def _parts(right: bytes | None, entry: bytes | None) -> list[tuple[str, str, str]]:
    if entry is None:
        return [("", "there", "missing")]
    if right is None:
        return [("", "not there", "there")]
    return list(differing_fields(msgspec.json.decode(right), msgspec.json.decode(entry)))


def _whole(node: str, table: Table, words: str, by: str) -> Difference:
    name = f"{ALL}{WORDS[table]}"
    consequence = _CONSEQUENCES[table]
    return Difference(
        Between.ZTUNNELS, node, name, "", words, "none", by, dangerous=table is Table.POLICIES, consequence=consequence
    )


def _by(nodes: Sequence[str], total: int) -> str:
    if len(nodes) == 1:
        return f"the ztunnel on {nodes[0]}"
    return f"{len(nodes)} of {total} ztunnels"


class _Form:
    """Turns an entry into the form in which it is compared."""

    def __call__(self, entry: bytes) -> bytes:
        """The entry itself."""
        return entry


_same = _Form()


class _Common(_Form):
    """The fields that every supported version of ztunnel has: versions differ in the others."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def __call__(self, entry: bytes) -> bytes:
        return _common(self._table, entry)


@cache
def _common_form(table: Table) -> _Form:
    return _Common(table)


def _common(table: Table, entry: bytes) -> bytes:
    plain: Mapping[str, object]
    if table is Table.WORKLOADS:
        plain = msgspec.to_builtins(workload_of(entry))
    elif table is Table.POLICIES:
        plain = msgspec.to_builtins(policy_of(entry))
    else:
        service = service_of(entry)
        plain = {
            **msgspec.to_builtins(service),
            "endpoints": {
                uid.partition(":")[0]: {"port": dict(each.port), "status": each.status} for uid, each in service.endpoints.items()
            },
        }
    return msgspec.json.encode(plain, order="deterministic")
