"""What AuthorizationPolicies distinguish of callers: callers for whom all their conditions hold alike are the same to a proxy."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from meshtui.engine.classes.classifier import PodClass
from meshtui.engine.policy.l7 import Matcher, Request, Tri
from meshtui.model.ids import Principal, Uid
from meshtui.model.policy import AuthorizationPolicy, AuthorizationRule
from meshtui.model.snapshot import MeshConfig

_ABOUT_THE_PEER = ("source.", "remote.ip")
"""How the ``when`` keys begin that read the caller."""
Signature = tuple[object, ...]


class Callers:
    """The callers of one snapshot as policies see them; each condition is evaluated once for each identity and address."""

    def __init__(self, mesh: MeshConfig) -> None:
        self._mesh = mesh
        self._conditions: dict[Uid, tuple[int, ...]] = {}
        self._numbers: dict[tuple[str, AuthorizationRule], int] = {}
        self._answers: dict[tuple[int, Principal | None, object], Tri] = {}
        self._written: list[tuple[str, AuthorizationRule]] = []

    def signature(self, caller: PodClass, policies: Iterable[AuthorizationPolicy]) -> Signature:
        """Equal for callers that some policies don't distinguish, whatever the request, and with and without their identity."""
        end = caller.endpoint
        numbers = [number for policy in policies for number in self._of(policy)]
        identities = (None,) if end.principal is None else (end.principal, None)
        return (end.mode, len(identities), *(self._answer(n, principal, caller) for principal in identities for n in numbers))

    def _answer(self, number: int, principal: Principal | None, caller: PodClass) -> Tri:
        key = (number, principal, caller.place or caller.endpoint.address is None)
        known = self._answers.get(key)
        if known is None:
            namespace, condition = self._written[number]
            request = Request(0, principal=principal, source=caller.endpoint.address, token_known=False, mesh=self._mesh)
            known = self._answers[key] = Matcher(request, namespace, denies=True).rule(condition)
        return known

    def _of(self, policy: AuthorizationPolicy) -> Sequence[int]:
        """The numbers of a policy's conditions about the caller; equal conditions in one namespace share a number."""
        known = self._conditions.get(policy.meta.uid)
        if known is None:
            found = (self._number((policy.meta.namespace, each)) for each in _about_the_caller(policy))
            known = self._conditions[policy.meta.uid] = tuple(dict.fromkeys(found))
        return known

    def _number(self, condition: tuple[str, AuthorizationRule]) -> int:
        number = self._numbers.get(condition)
        if number is None:
            number = self._numbers[condition] = len(self._written)
            self._written.append(condition)
        return number


def _about_the_caller(policy: AuthorizationPolicy) -> Iterator[AuthorizationRule]:
    """Each entry of ``from`` and of ``when`` about the caller, as a rule of its own."""
    for rule in policy.rules:
        yield from (AuthorizationRule(sources=(source,)) for source in rule.sources)
        for condition in rule.conditions:
            if condition.key.startswith(_ABOUT_THE_PEER):
                yield AuthorizationRule(conditions=(condition,))
