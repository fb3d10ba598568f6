"""A proxy that detects HTTP from the first bytes, for flows whose protocol may not be known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.decision.ruling import depends_on_request
from meshtui.engine.policy.l7 import Request
from meshtui.engine.policy.proxy import Proxy
from meshtui.model.reason import Code, because
from meshtui.model.verdict import StepResult

_NOT_GOOD = (StepResult.BLOCK, StepResult.UNKNOWN)


def ask_sniffed(
    proxy: Proxy, request: Request, is_http: bool | None, ask: Callable[[Proxy, Request], list[LayerResult]]
) -> list[LayerResult]:
    """Evaluate a proxy for a flow whose protocol is declared (``is_http``) or, when None, detected from its bytes."""
    if is_http is not None:
        return ask(proxy, replace(request, tcp=not is_http, http=request.http if is_http else None))
    if request.http is not None:
        return ask(proxy, request)
    as_http, as_tcp = ask(proxy, request), ask(proxy, replace(request, tcp=True))
    if _outcome(as_http) == _outcome(as_tcp):
        return as_tcp
    shown = _decisive(as_http), _decisive(as_tcp)
    reason = because(Code.DEPENDS_ON_PROTOCOL, as_http=shown[0].step.reason, as_tcp=shown[1].step.reason)
    objects = tuple(dict.fromkeys(o for x in (*as_http, *as_tcp) for o in x.step.objects))
    decider = (shown[0].decider or shown[1].decider) if depends_on_request(reason) else None
    return [layer_result(proxy.layer, proxy.where, StepResult.UNKNOWN, reason, decider=decider, objects=objects)]


def _outcome(results: list[LayerResult]) -> object:
    first = next((o for result in _NOT_GOOD for o in results if o.result is result), None)
    return (
        None
        if first is None
        else (first.result, first.decider, first.step.reason if first.result is StepResult.UNKNOWN else None)
    )


def _decisive(results: list[LayerResult]) -> LayerResult:
    return next((o for result in _NOT_GOOD for o in results if o.result is result), results[-1])
