"""MT624: a port of a Service, container or NetworkPolicy that can't be one."""

from __future__ import annotations

import re
from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.policy import PolicyPort
from meshtui.model.workload import Service

_NAME = re.compile(r"(?=.{1,15}\Z)(?=.*[a-z])(?!.*--)[a-z0-9]([a-z0-9-]*[a-z0-9])?\Z")
"""A name of a port (RFC 6335, IANA_SVC_NAME)."""
_LIKE_A_NAME = re.compile(r"[A-Za-z0-9][\w.-]*\Z", re.ASCII)
"""What somebody may have taken for a name; anything else is no mistake about ports."""
_LAST = 65535


def _look(context: Context) -> Iterator[Found]:
    """The API server refuses such objects, so that only manifests can have them."""
    for service in sorted(context.snapshot.services.values(), key=lambda service: service.meta.ref):
        problems = list(dict.fromkeys(_of_service(service)))
        if problems:
            yield _found(service.meta.ref, problems)
    for policy in sorted(context.snapshot.network_policies.values(), key=lambda policy: policy.meta.ref):
        rules = (*(policy.ingress or ()), *(policy.egress or ()))
        problems = list(dict.fromkeys(problem for rule in rules for port in rule.ports for problem in _of_policy(port)))
        if problems:
            yield _found(policy.meta.ref, problems)
    for workload, pods in context.workloads:
        ports = {(port.number, port.name) for pod in pods for port in pod.ports}
        problems = [problem for number, name in sorted(ports) for problem in _of_container(number, name)]
        if problems:
            yield _found(workload.ref, problems)


def _found(ref: ObjectRef, problems: list[str]) -> Found:
    return Found(
        (ref,), f"{ref}: {'; '.join(problems)}", "the API server refuses the object, so that nobody is reached by it", None
    )


def _of_service(service: Service) -> Iterator[str]:
    for port in service.ports:
        if not 1 <= port.number <= _LAST:
            yield f"port {port.number} isn't between 1 and {_LAST}"
        if isinstance(port.target, int):
            if not 1 <= port.target <= _LAST:
                yield f"targetPort {port.target} isn't between 1 and {_LAST}"
        elif _LIKE_A_NAME.match(port.target) and not _NAME.match(port.target):
            number = f": write the number {port.target}, without quotes" if port.target.isdecimal() else ""
            yield f"targetPort {port.target!r} can't be a port's name{number}"


def _of_policy(entry: PolicyPort) -> Iterator[str]:
    port, end = entry.port, entry.end_port
    if isinstance(port, int):
        yield from (f"port {number} isn't between 1 and {_LAST}" for number in (port, end) if number and number > _LAST)
        if port < 1:
            yield f"port {port} isn't between 1 and {_LAST}"
        if end is not None and end < port:
            yield f"endPort {end} is below port {port}"
    elif end is not None:
        yield f"endPort {end} needs the number of a port beside it"
    if isinstance(port, str) and _LIKE_A_NAME.match(port) and not _NAME.match(port):
        number = f": write the number {port}, without quotes" if port.isdecimal() else ""
        yield f"{port!r} can't be a port's name{number}"


def _of_container(number: int, name: str) -> Iterator[str]:
    if not 1 <= number <= _LAST:
        yield f"containerPort {number} isn't between 1 and {_LAST}"
    if _LIKE_A_NAME.match(name) and not _NAME.match(name):
        yield f"{name!r} can't be a port's name (at most 15 of a-z, 0-9 and single '-', with a letter)"


RULE = Rule("MT624", "impossible port", Severity.ERROR, _look, ("Service",), partial=True)
