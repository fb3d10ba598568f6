"""Whether the input holds what a namespace has: only then an object that isn't there is missing, and a name a typo.

Folders often hold the policies of a namespace, and not what runs in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from meshtui.findings.context import Context
from meshtui.kinds.unread import anywhere
from meshtui.model.ids import ObjectRef
from meshtui.model.meta import Meta
from meshtui.model.snapshot import Snapshot

_ALIKE: Mapping[str, Callable[[Snapshot], Iterable[Meta]]] = {
    "Service": lambda snapshot: (each.meta for each in snapshot.services.values()),
    "ServiceEntry": lambda snapshot: (each.meta for each in snapshot.service_entries.values()),
    "Gateway": lambda snapshot: (each.meta for each in snapshot.gateways.values()),
    "ReferenceGrant": lambda snapshot: (each.meta for each in snapshot.reference_grants.values()),
}


def labels_not_given(snapshot: Snapshot, namespace: str) -> str:
    """The end of a sentence if the labels of a namespace aren't in the input, which may say otherwise; else empty."""
    space = snapshot.namespace_by_name.get(namespace)
    if snapshot.live or (space is not None and space.known):
        return ""
    return "; its namespace, whose label may do so, isn't in the input"


def not_given(snapshot: Snapshot, ref: ObjectRef) -> str:
    """Why an object that isn't in the input may exist, as the end of a sentence; empty if nothing says so.

    A folder often holds the objects of one team, or those of one kind: if it has neither the Namespace nor another object of the
    kind in it, nothing is known. A cluster holds everything.
    """
    if snapshot.live:
        return ""
    space = snapshot.namespace_by_name.get(ref.namespace)
    alike = _ALIKE[ref.kind](snapshot) if ref.kind in _ALIKE else ()
    if (space is None or not space.known) and all(meta.namespace != ref.namespace for meta in alike):
        return f"; the input has no {ref.kind} of namespace {ref.namespace}, so it may be elsewhere"
    reading = snapshot.reading
    if reading is not None and reading.skipped:
        return "; it may be in what was skipped"
    maker = next((each for each in reading.makers if anywhere(each.kind)), None) if reading is not None else None
    return f"; it may be made from {maker}" if maker is not None else ""


def in_view(context: Context, namespace: str) -> bool:
    """Whether what a namespace holds can be told: of manifests, if they have pods, Services or Gateways of it."""
    snapshot = context.snapshot
    if snapshot.live or namespace in context.namespaces_with_pods:
        return True
    several = (snapshot.services.values(), snapshot.gateways.values())
    return any(each.meta.namespace == namespace for kind in several for each in kind)


def labels_known(context: Context, namespace: str) -> bool:
    """Whether the labels of a namespace are in the input."""
    known = context.snapshot.namespace_by_name.get(namespace)
    return context.snapshot.live or (known is not None and known.known)


_SHORT, _LONG = 4, 6
"""The least lengths of names of which one letter more or less, and another letter, is a typo: short names are often siblings."""


def misspelt(context: Context, namespace: str) -> str:
    """The namespace in the input that an unknown name is probably meant to be; empty if it is like no other, or is known."""
    known = context.snapshot.namespace_by_name
    given = {n.name for n in known.values() if n.known} | context.namespaces_with_pods
    if namespace in given:
        return ""
    return next((name for name in sorted(given) if _is_typo(namespace, name)), "")


def _is_typo(written: str, meant: str) -> bool:
    """Whether two names differ in one letter: one is missing or doubled, two are exchanged, or one within is another.

    Names with other digits, and those that differ in their last letter only, are of siblings: ``team-a`` and ``team-b``.
    """
    if min(len(written), len(meant)) < _SHORT:
        return False
    start = next((i for i, (a, b) in enumerate(zip(written, meant, strict=False)) if a != b), min(len(written), len(meant)))
    one, other = written[start:], meant[start:]
    if len(one) == len(other):
        exchanged = one[:2] == other[:2][::-1] and one[2:] == other[2:]
        replaced = one[1:] == other[1:] and len(one) > 1 and len(meant) >= _LONG
        return (exchanged or replaced) and one[:1].isalpha() and other[:1].isalpha()
    longer, shorter = (one, other) if len(one) > len(other) else (other, one)
    return longer[1:] == shorter and longer[0].isalpha()
