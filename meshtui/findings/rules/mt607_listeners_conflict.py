"""MT607: two listeners are for the same port and host: of one Gateway, or of two."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.words import few
from meshtui.model.finding import Severity
from meshtui.model.gateway import Gateway, Listener
from meshtui.model.ids import ObjectRef

_TRANSPORTS = {"HTTP": "HTTP", "HTTPS": "TLS", "TLS": "TLS", "TCP": "TCP", "UDP": "UDP"}
"""What can't be told apart on one port but by the host name: HTTPS and TLS both have the server name."""
_WITH_HOSTS = frozenset({"HTTP", "TLS"})


def _look(context: Context) -> Iterator[Found]:
    gateways = sorted(context.snapshot.gateways.values(), key=lambda g: g.meta.ref)
    for gateway in gateways:
        yield from _within(gateway)
    yield from _between([gateway for gateway in gateways if not gateway.is_waypoint])


def _within(gateway: Gateway) -> Iterator[Found]:
    """Listeners of one Gateway must differ in name and in port, protocol and host (Gateway API, Distinct Listeners)."""
    by_name: dict[str, list[Listener]] = defaultdict(list)
    by_port: dict[int, list[Listener]] = defaultdict(list)
    for listener in gateway.listeners:
        by_name[listener.name].append(listener)
        if listener.protocol != "UDP":
            by_port[listener.port].append(listener)
    twice = [name for name, several in by_name.items() if len(several) > 1]
    if twice:
        yield Found(
            (gateway.meta.ref,),
            f"{gateway.meta.ref} has several listeners of the name {', '.join(twice)}",
            "the API server refuses it: the name of a listener must be unique",
            Severity.ERROR,
            field=_field(gateway, by_name[twice[0]][1]),
        )
    for port, several in by_port.items():
        for index, one in enumerate(several):
            other = next((each for each in several[:index] if _conflict(each, one)), None)
            if other is not None and one.name not in twice:
                host = f" and host {one.hostname or '*'}" if _transport(one) in _WITH_HOSTS else ""
                same = _transport(one) == _transport(other)
                what = f"port {port}{host}" if same else f"port {port}, with the protocols {other.protocol} and {one.protocol}"
                yield Found(
                    (gateway.meta.ref,),
                    f"{gateway.meta.ref}: listeners {other.name} and {one.name} are both for {what}",
                    "they conflict: the controller serves one of them at most, and routes of the other get nothing",
                    Severity.ERROR,
                    field=_field(gateway, one),
                )


def _field(gateway: Gateway, listener: Listener) -> str:
    """The field of the later one of the listeners that conflict."""
    return f"spec.listeners[{next(index for index, each in enumerate(gateway.listeners) if each is listener)}]"


def _conflict(one: Listener, other: Listener) -> bool:
    """Whether two listeners of one port can't be told apart."""
    if _transport(one) != _transport(other):
        return True
    return _transport(one) not in _WITH_HOSTS or one.hostname.lower() == other.hostname.lower()


def _transport(listener: Listener) -> str:
    return _TRANSPORTS.get(listener.protocol, listener.protocol)


def _between(gateways: list[Gateway]) -> Iterator[Found]:
    """Listeners of several Gateways for one host name; on one address, whatever the name, nobody can tell them apart."""
    shared: dict[tuple[str, int, str, str], list[ObjectRef]] = defaultdict(list)
    for gateway in gateways:
        for address in ("", *(value for _, value in gateway.wanted)):
            for key in dict.fromkeys((item.port, _transport(item), item.hostname.lower()) for item in gateway.listeners):
                shared[(address, *key)].append(gateway.meta.ref)
    told: set[tuple[ObjectRef, ...]] = set()
    for (address, port, _, host), several in sorted(shared.items(), key=lambda item: not item[0][0]):
        refs = tuple(dict.fromkeys(several))
        if len(refs) < 2 or not (address or host) or refs in told:
            continue
        told.add(refs)
        where = f"port {port} of host {host or '*'}"
        yield Found(
            refs,
            f"{few(refs)} have listeners for {where}{f' on the address {address}' if address else ''}",
            "requests go to the one that the address leads to, and the routes of the other don't take them"
            if address
            else "which of them a client reaches is decided by where the host's name leads; the routes of the other get nothing",
            None if address else Severity.INFO,
        )


RULE = Rule("MT607", "listeners that conflict", Severity.WARNING, _look, ("Gateway",), partial=True)
