"""Objects as dictionary keys, compared by identity: two versions of a policy with equal content are different keys."""

from __future__ import annotations

from collections.abc import Iterable


class Same:
    """A key that equals another key of the same object. It keeps the object alive, so that its ``id`` isn't reused."""

    __slots__ = ("_of",)

    def __init__(self, of: object) -> None:
        self._of = of

    def __eq__(self, other: object) -> bool:
        """Whether both keys are of the same object."""
        return isinstance(other, Same) and self._of is other._of

    def __hash__(self) -> int:
        """The ``id`` of the object."""
        return id(self._of)


def same(objects: Iterable[object]) -> tuple[Same, ...]:
    """A key for several objects."""
    return tuple(map(Same, objects))
