"""MT504: a ztunnel refused what istiod sent it."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.mesh import report_of, ztunnels
from meshtui.mesh.report import Between
from meshtui.model.finding import Severity


def _look(context: Context) -> Iterator[Found]:
    for each in report_of(context).differences:
        if each.between is Between.ISTIOD and each.found.startswith("refused"):
            ref, _ = ztunnels(context, each.node)
            yield Found(
                (ref,),
                f"the ztunnel on {each.node} {each.found.partition(':')[0]} an {each.name}:{each.found.partition(':')[2]}",
                f"{each.consequence}; the object that the message names has to be corrected",
            )


RULE = Rule("MT504", "update refused", Severity.ERROR, _look, asks_mesh=True)
