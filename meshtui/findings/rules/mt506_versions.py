"""MT506: versions of the mesh's parts that don't fit together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.mesh import named, report_of, upgrade, ztunnel_of
from meshtui.mesh.report import Between, Difference
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef


def _look(context: Context) -> Iterator[Found]:
    groups: dict[tuple[str, str, str, str], list[Difference]] = defaultdict(list)
    for each in report_of(context).differences:
        if each.between is Between.VERSIONS:
            groups[each.name, each.found, each.by.partition(" of ")[2] or each.by, each.consequence].append(each)
    for (name, found, _, consequence), differences in sorted(groups.items()):
        nodes = sorted({each.node for each in differences})
        refs = ztunnel_of(context, nodes) or tuple(ObjectRef("Node", "", node) for node in nodes)
        first = differences[0]
        yield Found(
            refs[:10],
            f"{name} on {named(nodes)}: {found}; {first.by}: {first.expected}",
            consequence,
            Severity.ERROR if any(each.dangerous for each in differences) else None,
            fix=upgrade(context, refs, first.expected),
        )


RULE = Rule("MT506", "version skew", Severity.WARNING, _look, asks_mesh=True)
