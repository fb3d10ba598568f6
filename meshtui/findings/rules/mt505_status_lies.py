"""MT505: the status of an object says something else than ztunnels have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.mesh import named, report_of
from meshtui.mesh.report import Between, Difference
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef


def _look(context: Context) -> Iterator[Found]:
    groups: dict[tuple[ObjectRef, str], list[Difference]] = defaultdict(list)
    for each in report_of(context).differences:
        if each.between is Between.STATUS and each.ref is not None:
            groups[each.ref, each.expected].append(each)
    for (ref, expected), differences in sorted(groups.items()):
        nodes = named(each.node for each in differences if each.node)
        where = f" on {nodes}" if nodes else ""
        yield Found(
            (ref,),
            f"the status of {ref} says {expected}, and{where} it is otherwise: {differences[0].found}",
            differences[0].consequence or "who relies on the status believes that the object has its effect",
        )


RULE = Rule("MT505", "status that lies", Severity.WARNING, _look, asks_mesh=True)
