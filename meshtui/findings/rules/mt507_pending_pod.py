"""MT507: a pod's traffic is redirected, and no ztunnel carries it."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.mesh import named, pods_that_are, restart
from meshtui.model.enrolment import Capture
from meshtui.model.finding import Severity


def _look(context: Context) -> Iterator[Found]:
    for ref, pods, total in pods_that_are(context, Capture.PENDING):
        which = named(f"{pod.name} on {pod.node}" if pod.node else pod.name for pod, _ in pods)
        seen = named(each.text for _, enrolment in pods for each in enrolment.against)
        yield Found(
            (ref,),
            f"{len(pods)} of {total} pods of {ref} are pending: {which}: {seen}",
            "their traffic is redirected already, so they neither send nor receive until a ztunnel has accepted them",
            fix=restart(context, ref, f"the pods of {ref}"),
        )


RULE = Rule("MT507", "pending pod", Severity.ERROR, _look, ("Pod",), partial=True, asks_mesh=True, breaks=True)
