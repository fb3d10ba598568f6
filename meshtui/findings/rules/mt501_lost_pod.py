"""MT501: a pod fell out of the mesh although everything in the API says that it is captured."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.mesh import named, pods_that_are, restart
from meshtui.model.enrolment import Capture
from meshtui.model.finding import Severity
from meshtui.model.membership import was_captured

_WHY = (
    "it has no identity, calls to it over HBONE fail, and no AuthorizationPolicy protects it; "
    "istio-cni's annotation stays, so nothing in the API shows it, and verdicts about it are unknown"
)
_NEVER = (
    "it has no identity, and no AuthorizationPolicy protects it, although labels ask for it; "
    "istio-cni hasn't annotated it, and verdicts about it are unknown"
)


def _look(context: Context) -> Iterator[Found]:
    for ref, pods, total in pods_that_are(context, Capture.LOST):
        which = named(f"{pod.name} on {pod.node}" if pod.node else pod.name for pod, _ in pods)
        seen = named(each.text for _, enrolment in pods for each in enrolment.against)
        fell = any(was_captured(pod) for pod, _ in pods)
        yield Found(
            (ref,),
            f"{len(pods)} of {total} pods of {ref} {'fell out of' if fell else 'are not in'} the mesh: {which}: {seen}",
            _WHY if fell else _NEVER,
            fix=restart(context, ref, f"the pods of {ref}"),
        )


RULE = Rule("MT501", "lost pod", Severity.ERROR, _look, ("Pod",), partial=True, asks_mesh=True, breaks=True)
