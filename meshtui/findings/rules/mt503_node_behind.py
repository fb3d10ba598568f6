"""MT503: a ztunnel doesn't have what the API, or the other ztunnels, have."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.mesh import named, report_of, ztunnels
from meshtui.mesh.report import Between, Difference
from meshtui.model.finding import Severity


def _look(context: Context) -> Iterator[Found]:
    """One finding for each node; what istiod says of updates that aren't acknowledged is a part of it, refused ones aren't."""
    groups: dict[str, list[Difference]] = defaultdict(list)
    refusing: set[str] = set()
    for each in report_of(context).differences:
        refused = each.between is Between.ISTIOD and each.found.startswith("refused")
        refusing.update([each.node] if refused else [])
        behind = each.between is Between.ISTIOD and not refused
        if each.between in {Between.ZTUNNELS, Between.API} or behind:
            groups[each.node].append(each)
    for node, differences in sorted(groups.items()):
        ref, fix = ztunnels(context, node)
        worst = sorted(differences, key=lambda each: (not each.dangerous, each.between is Between.ISTIOD))
        which = named(f"{each.name}{f' ({each.field})' if each.field else ''}: {each.found or 'missing'}" for each in worst)
        objects = tuple(dict.fromkeys(each.ref for each in worst if each.ref is not None))
        yield Found(
            (ref, *objects[:10]),
            f"the ztunnel on {node} isn't up to date: {which}",
            worst[0].consequence or "connections on this node are decided otherwise than the API says",
            Severity.ERROR if worst[0].dangerous else Severity.WARNING,
            fix=None if node in refusing else fix,  # a restart doesn't make it accept what it refuses (MT504)
            affected=frozenset(objects),
        )


RULE = Rule("MT503", "node behind", Severity.ERROR, _look, asks_mesh=True, breaks=True)
