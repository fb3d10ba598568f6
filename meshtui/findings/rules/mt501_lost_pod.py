"""MT501: a pod fell out of the mesh although everything in the API says that it is captured."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.mesh import named, pods_that_are, restart
from meshtui.model.enrolment import Capture
from meshtui.model.finding import Severity

_WHY = (
    "it has no identity, calls to it over HBONE fail, and no AuthorizationPolicy protects it; "
    "istio-cni's annotation stays, so nothing in the API shows it, and verdicts about it are unknown"
)


def _look(context: Context) -> Iterator[Found]:
    for ref, pods, total in pods_that_are(context, Capture.LOST):
        which = named(f"{pod.name} on {pod.node}" if pod.node else pod.name for pod, _ in pods)
        seen = named(each.text for _, enrolment in pods for each in enrolment.against)
        yield Found(
            (ref,),
            f"{len(pods)} of {total} pods of {ref} fell out of the mesh: {which}: {seen}",
            _WHY,
            fix=restart(context, ref, f"the pods of {ref}"),
        )


RULE = Rule("MT501", "lost pod", Severity.ERROR, _look, ("Pod",), partial=True, asks_mesh=True, breaks=True)
