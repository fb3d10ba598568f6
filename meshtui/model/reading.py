"""What verdicts on manifests rest on: what was read of the input, what wasn't, and what was skipped."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from meshtui.model.ids import ObjectRef


@dataclass(frozen=True, slots=True, order=True)
class KindCount:
    """How many objects of a kind the input has. ``group`` is the API group, empty for the core group."""

    kind: str
    group: str
    count: int

    def __str__(self) -> str:
        """``DestinationRule ×11``."""
        return f"{self.kind} ×{self.count}"


@dataclass(frozen=True, slots=True, order=True)
class Skipped:
    """A file, or a folder with ``files`` manifests, that wasn't read, and why.

    ``command`` prints the objects that belong to it; it is empty where no such command is known.
    """

    path: str
    reason: str
    command: str = ""
    files: int = 1

    def __str__(self) -> str:
        """Path, reason and command in one line."""
        way_out = f"; render it: {self.command} | meshtui -f - …" if self.command else ""
        return f"{self.path}: {self.reason}{way_out}"


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read of files and folders.

    ``objects`` counts the objects of kinds that verdicts take into account, ``files`` the texts that were read, ``problems``
    the parts that aren't objects or can't be decoded. ``unread`` are kinds that may matter to traffic and aren't evaluated,
    ``ignored`` all other kinds. ``rendered`` are the commands whose output was read. ``makers`` are custom resources from
    which a controller makes pods; those pods aren't in the input. ``made`` are the labels that those resources write for such
    pods, each with its namespace.
    """

    objects: int = 0
    files: int = 0
    problems: int = 0
    unread: tuple[KindCount, ...] = ()
    ignored: tuple[KindCount, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    rendered: tuple[str, ...] = ()
    makers: tuple[ObjectRef, ...] = ()
    made: tuple[tuple[str, Mapping[str, str]], ...] = ()

    @property
    def skipped_files(self) -> int:
        """How many files were skipped."""
        return sum(each.files for each in self.skipped)

    def summary(self) -> str:
        """One line: what was read, which kinds weren't, and what was skipped."""
        return "; ".join(part for part in (self.amount, self.not_evaluated, self.left_out) if part)

    @property
    def partial(self) -> bool:
        """Whether there is more in the input than verdicts take into account."""
        return bool(self.unread or self.skipped or self.problems)

    @property
    def amount(self) -> str:
        """How much was read."""
        rendered = f"; rendered: {', '.join(self.rendered)}" if self.rendered else ""
        return f"read {_many(self.objects, 'object')} in {_many(self.files, 'file')}{rendered}"

    @property
    def not_evaluated(self) -> str:
        """What was found and isn't evaluated; empty if there is nothing."""
        parts = [f"not read: {', '.join(map(str, self.unread))}"] if self.unread else []
        parts += [f"not understood: {_many(self.problems, 'place')}"] if self.problems else []
        return "; ".join(parts)

    @property
    def left_out(self) -> str:
        """How many files were skipped, and the first of them; empty if none was."""
        if not self.skipped:
            return ""
        more = f"; and {len(self.skipped) - 1} more: -v lists them" if len(self.skipped) > 1 else ""
        return f"skipped: {_many(self.skipped_files, 'file')} ({self.skipped[0]}{more})"

    def details(self) -> Iterator[str]:
        """One line for each skipped file or folder and each kind that wasn't read."""
        for each in self.skipped:
            yield f"skipped {each}" + (f" ({_many(each.files, 'file')})" if each.files != 1 else "")
        for kind in self.unread:
            yield f"not read: {kind} ({kind.group or 'core'})"
        if self.makers:
            yield f"pods that controllers make aren't in the input: {', '.join(map(str, self.makers))}"
        if self.ignored:
            yield f"ignored, since they don't decide about traffic: {', '.join(map(str, self.ignored))}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
