"""Reads a ztunnel's config dump: the list form, the map form of older versions, and what istioctl makes of both."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any

import msgspec

from meshtui.model.errors import MeshtuiError
from meshtui.ztunnel.dump import (
    Certificate,
    CertificateState,
    EnrolledPod,
    Entries,
    IdentityCertificate,
    NodeDump,
    Table,
    policy_of,
    service_of,
    workload_of,
)

_UNDECODABLE = (msgspec.MsgspecError, ValueError, RecursionError)
_SETS = ("authorizationPolicies", "services", "subjectAltNames", "vips", "workloadIps")
"""Lists whose order means nothing: ztunnel writes some of them in the order of a hash table."""
_RENAMED = {"groups": "rules"}
"""Names of older versions."""
_PEM_BEGIN, _PEM_END = b"-----BEGIN CERTIFICATE-----", b"-----END CERTIFICATE-----"
_DIGEST_BYTES = 16
_NEAR = 4
"""A table that differs from another one in less than this part of it is kept as the difference."""
_BASES = 8
"""Tables with which another one is compared whole. With others it is compared until the first difference."""
_LONGEST, _LONGEST_TEXT = 253, 2000
"""The most characters of a name, and of an identity or an error, that are kept."""
AGAIN = "#"
"""What follows the key of an entry whose key another one has, too; then its number."""
_NOTHING = frozenset({b"", b"null"})
"""A part that isn't there: a ztunnel that has nothing of a kind writes an empty list."""
_ABSENT = "they aren't in the dump"
_STATES_OF_PODS = frozenset({"Up", "Pending"})
_SECURED = frozenset({"HBONE", "DOUBLEHBONE"})


class DumpError(MeshtuiError):
    """The input isn't a config dump of a ztunnel."""


class Differing(Mapping[str, bytes]):
    """A table that is another one but for some entries."""

    __slots__ = ("_base", "_changed", "_length", "_removed")

    def __init__(self, base: dict[str, bytes], changed: dict[str, bytes], removed: frozenset[str]) -> None:
        self._base = base
        self._changed = changed
        self._removed = removed
        self._length = len(base) - len(removed) + sum(key not in base for key in changed)

    @property
    def base(self) -> dict[str, bytes]:
        """The other table."""
        return self._base

    @property
    def differing(self) -> frozenset[str]:
        """The keys of which the other table has something else, or nothing, or which only it has."""
        return self._removed | self._changed.keys()

    def __getitem__(self, key: str) -> bytes:
        """The entry."""
        if key in self._changed:
            return self._changed[key]
        if key in self._removed:
            raise KeyError(key)
        return self._base[key]

    def __iter__(self) -> Iterator[str]:
        """The keys: those of the other table in its order, then the new ones."""
        yield from (key for key in self._base if key not in self._removed)
        yield from (key for key in self._changed if key not in self._base)

    def __len__(self) -> int:
        """How many entries there are."""
        return self._length


@dataclass(slots=True)
class _Base:
    """A table of one dump, and what others have instead, by their differences."""

    entries: dict[str, bytes]
    others: dict[tuple[frozenset[tuple[str, bytes]], frozenset[str]], Differing] = field(default_factory=dict)

    def same(self, found: dict[str, bytes]) -> Entries | None:
        """The same entries, if they are. Equal entries are the same object."""
        base = self.entries
        return base if len(base) == len(found) and all(base.get(key) is entry for key, entry in found.items()) else None

    def same_or_near(self, found: dict[str, bytes]) -> Entries | None:
        """The same entries, kept as little more than their difference; None if they differ too much."""
        base = self.entries
        changed = {key: entry for key, entry in found.items() if base.get(key) is not entry}
        new = sum(key not in base for key in changed)
        count = len(base) - (len(found) - new)
        if not changed and not count:
            return base
        if (len(changed) + count) * _NEAR > len(base):
            return None
        removed = frozenset(key for key in base if key not in found) if count else frozenset[str]()
        difference = (frozenset(changed.items()), removed)
        known = self.others.get(difference)
        if known is None:
            known = self.others[difference] = Differing(base, changed, removed)
        return known


@dataclass(slots=True)
class Shared:
    """Entries that several dumps have in common, each kept once: every ztunnel has the whole mesh."""

    by_digest: dict[Table, dict[bytes, tuple[str, bytes]]] = field(default_factory=lambda: {table: {} for table in Table})
    """The key and the canonical form of an entry, by the digest of its bytes in the dump."""
    by_content: dict[Table, dict[bytes, tuple[str, bytes]]] = field(default_factory=lambda: {table: {} for table in Table})
    """The same by the canonical form: a list may be in another order in each dump."""
    tables: dict[Table, list[_Base]] = field(default_factory=lambda: {table: [] for table in Table})
    """Whole tables: dumps with the same entries hold the same mapping, and one that differs a little holds the difference."""


class _Top(msgspec.Struct, rename="camel"):
    """The parts of a dump, each still as JSON; empty if it isn't there."""

    workloads: msgspec.Raw = msgspec.Raw()
    services: msgspec.Raw = msgspec.Raw()
    policies: msgspec.Raw = msgspec.Raw()
    certificates: msgspec.Raw = msgspec.Raw()
    staged_services: msgspec.Raw = msgspec.Raw()
    workload_state: msgspec.Raw = msgspec.Raw()
    version: msgspec.Raw = msgspec.Raw()
    config: msgspec.Raw = msgspec.Raw()


class _Uid(msgspec.Struct):
    """What a workload is known by. Without it, it would be known by its addresses."""

    uid: str


class _Host(msgspec.Struct):
    """What a Service is known by."""

    namespace: str
    hostname: str


class _Name(msgspec.Struct):
    """What a policy is known by."""

    namespace: str
    name: str


class _Version(msgspec.Struct, rename="camel"):
    version: str = ""
    istio_version: str = ""
    git_revision: str = ""


class _Config(msgspec.Struct, rename="camel"):
    local_node: str | None = None
    network: str | None = None
    cluster_id: str | None = None
    proxy_mode: str | None = None
    xds_on_demand: bool | None = None


class _Pem(msgspec.Struct, rename="camel"):
    pem: str = ""
    serial_number: str = ""
    valid_from: str = ""
    expiration_time: str = ""


class _Held(msgspec.Struct, rename="camel"):
    identity: str = ""
    state: str = ""
    cert_chain: list[_Pem] | None = None
    root_certs: list[_Pem] | None = None


class _Connection(msgspec.Struct, rename="camel"):
    protocol: str = ""


class _Connections(msgspec.Struct, rename="camel"):
    inbound: list[_Connection] = []
    outbound: list[_Connection] = []


class _Info(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    service_account: str = ""


class _State(msgspec.Struct, rename="camel"):
    state: str = ""
    info: _Info | None = None
    connections: _Connections | None = None


_TOP = msgspec.json.Decoder(_Top)
_LIST = msgspec.json.Decoder(list[msgspec.Raw])
_MAP = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ANY = msgspec.json.Decoder(dict[str, Any])
_HELD = msgspec.json.Decoder(list[_Held])
_STATES = msgspec.json.Decoder(dict[str, _State])


def read_dump(raw: bytes | bytearray, shared: Shared | None = None) -> NodeDump:
    """A config dump. A part that can't be read is left out, and named in ``problems``. Raises DumpError if nothing can be.

    ``shared`` holds the entries of dumps that were read before, so that equal ones are stored once.
    """
    try:
        top = _TOP.decode(raw)
    except _UNDECODABLE as error:
        raise DumpError(f"this isn't a ztunnel's config dump: {_said(error)}") from error
    if not any(map(len, (top.workloads, top.policies, top.config))):
        raise DumpError("this isn't a ztunnel's config dump: it has neither workloads nor policies nor config")
    shared = shared or Shared()
    problems = [f"{name}: {_ABSENT}" for name in (*Table, "certificates") if _start(getattr(top, name), 4) in _NOTHING]

    def part(name: str, text: msgspec.Raw, read: Callable[[msgspec.Raw], Any], default: Any) -> Any:
        if _start(text, 4) in _NOTHING:
            return default
        try:
            return read(text)
        except _UNDECODABLE as error:
            problems.append(f"{name}: {_said(error)}")
            return default

    tables: dict[Table, Entries] = {}
    unread: dict[Table, frozenset[str]] = {}
    for table in Table:
        text = getattr(top, table.value)
        read = part(table.value, text, partial(_table, table=table, shared=shared), None)
        if read is not None:
            found, bad = read
            tables[table] = _kept(shared.tables[table], found)
            unread[table] = frozenset(key for key, _ in bad)
            problems += (words for _, words in bad)
    version: _Version = part("version", top.version, lambda text: msgspec.json.decode(text, type=_Version), _Version())
    config: _Config = part("config", top.config, lambda text: msgspec.json.decode(text, type=_Config), _Config())
    return NodeDump(
        node=(config.local_node or "")[:_LONGEST],
        version="" if version.istio_version == "unknown" else version.istio_version[:_LONGEST],
        build=(version.git_revision or version.version)[:_LONGEST],
        network=config.network or "",
        cluster_id=config.cluster_id or "",
        mode=config.proxy_mode or "",
        tables=tables,
        unread=unread,
        staged=part("stagedServices", top.staged_services, lambda text: tuple(sorted(_MAP.decode(text))), ()),
        certificates=part("certificates", top.certificates, _certificates, ()),
        enrolled=part("workloadState", top.workload_state, _enrolled, None),
        on_demand=bool(config.xds_on_demand),
        old_form=any(_is_map(getattr(top, table.value)) for table in Table),
        problems=tuple(problems),
        size=len(raw),
    )


def canonical(entry: Mapping[str, Any]) -> bytes:
    """An entry as JSON with sorted keys and sorted sets, without nulls."""
    plain = {_RENAMED.get(key, key): value for key, value in entry.items() if value is not None}
    for name in _SETS:
        if isinstance(plain.get(name), list) and all(isinstance(each, str) for each in plain[name]):
            plain[name] = sorted(plain[name])
    return msgspec.json.encode(plain, order="deterministic")


def _start(text: msgspec.Raw, size: int) -> bytes:
    return bytes(memoryview(text)[:size])


def _is_map(text: msgspec.Raw) -> bool:
    return _start(text, 1) == b"{"


def _table(text: msgspec.Raw, table: Table, shared: Shared) -> tuple[dict[str, bytes], list[tuple[str, str]]]:
    """The entries of a table, and those that can't be read, each with its key as far as that can be, and the reason."""
    known, content = shared.by_digest[table], shared.by_content[table]
    found: dict[str, bytes] = {}
    problems: list[tuple[str, str]] = []
    again: dict[str, int] = {}
    for number, (where, raw) in enumerate(_items(text)):
        digest = hashlib.blake2b(raw, digest_size=_DIGEST_BYTES).digest()
        seen = known.get(digest)
        if seen is None:
            try:
                seen = _read_entry(bytes(raw), table)
            except _UNDECODABLE as error:
                problems.append((_key_at_least(bytes(raw), table), f"{table.value}[{where or number}]: {_said(error)}"))
                continue
            seen = known[digest] = content.setdefault(seen[1], seen)
        key, entry = seen
        if key in found and found[key] is not entry:
            again[key] = again.get(key, 1) + 1
            key = f"{key}{AGAIN}{again[key]}"
        found[key] = entry
    return found, problems


def _items(text: msgspec.Raw) -> Iterator[tuple[str, msgspec.Raw]]:
    if _is_map(text):
        yield from _MAP.decode(text).items()
    else:
        yield from (("", each) for each in _LIST.decode(text))


def _read_entry(raw: bytes, table: Table) -> tuple[str, bytes]:
    entry = canonical(_ANY.decode(raw))
    match table:
        case Table.WORKLOADS:
            workload = workload_of(entry)
            key = workload.uid or f"{workload.network}/{','.join(workload.workload_ips)}"
        case Table.SERVICES:
            service = service_of(entry)
            key = f"{service.namespace}/{service.hostname}"
        case Table.POLICIES:
            policy = policy_of(entry)
            key = f"{policy.namespace}/{policy.name}"
    return key, entry


def _key_at_least(raw: bytes, table: Table) -> str:
    """The key of an entry that can't be read as a whole; empty if it can't be read either."""
    try:
        match table:
            case Table.WORKLOADS:
                return msgspec.json.decode(raw, type=_Uid).uid
            case Table.SERVICES:
                service = msgspec.json.decode(raw, type=_Host)
                return f"{service.namespace}/{service.hostname}"
            case Table.POLICIES:
                policy = msgspec.json.decode(raw, type=_Name)
                return f"{policy.namespace}/{policy.name}"
    except _UNDECODABLE:
        return ""


def _kept(known: list[_Base], found: dict[str, bytes]) -> Entries:
    """A table as it is kept: the mapping of an earlier dump, a difference to one, or itself."""
    for number, base in enumerate(known):
        near = base.same_or_near(found) if number < _BASES else base.same(found)
        if near is not None:
            return near
    known.append(_Base(found))
    return found


def _certificates(text: msgspec.Raw) -> tuple[IdentityCertificate, ...]:
    return tuple(_identity(each) for each in _HELD.decode(text))


def _identity(held: _Held) -> IdentityCertificate:
    word, _, error = held.state.partition(":")
    state = {
        "Available": CertificateState.AVAILABLE,
        "Initializing": CertificateState.INITIALIZING,
        "Unavailable": CertificateState.UNAVAILABLE,
    }.get(word.strip(), CertificateState.UNKNOWN)
    chain = tuple(map(_certificate, held.cert_chain or ()))
    if held.root_certs is None:  # until Istio 1.26 the root was the last of the chain
        chain, roots = (chain[:-1], chain[-1:]) if len(chain) > 1 else (chain, ())
    else:
        roots = tuple(map(_certificate, held.root_certs))
    said = error.strip() if state is not CertificateState.UNKNOWN else held.state
    return IdentityCertificate(held.identity[:_LONGEST_TEXT], state, said[:_LONGEST_TEXT], chain, roots)


def _certificate(each: _Pem) -> Certificate:
    return Certificate(each.serial_number, _time(each.valid_from), _time(each.expiration_time), _fingerprint(each.pem))


def _time(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
        found = found if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return found if found.tzinfo is not None else None


def _fingerprint(pem: str) -> str:
    """The SHA-256 of a certificate's DER form; newer versions write the PEM text in base64 once more."""
    text = pem.encode()
    try:
        if _PEM_BEGIN not in text:
            text = base64.b64decode(text, validate=True)
        body = text.partition(_PEM_BEGIN)[2].partition(_PEM_END)[0]
        return hashlib.sha256(base64.b64decode(b"".join(body.split()), validate=True)).hexdigest() if body else ""
    except (ValueError, binascii.Error):
        return ""


def _enrolled(text: msgspec.Raw) -> dict[str, EnrolledPod]:
    return {uid: _pod(uid, state) for uid, state in _STATES.decode(text).items()}


def _pod(uid: str, state: _State) -> EnrolledPod:
    if state.state not in _STATES_OF_PODS:
        raise ValueError(f"a state that isn't known: {state.state[:_LONGEST]}")
    info, connections = state.info or _Info(), state.connections or _Connections()
    secured = [each.protocol in _SECURED for each in (*connections.inbound, *connections.outbound)]
    return EnrolledPod(
        uid,
        info.namespace,
        info.name,
        info.service_account,
        up=state.state == "Up",
        secured=sum(secured),
        plain=len(secured) - sum(secured),
    )


def _said(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error)
