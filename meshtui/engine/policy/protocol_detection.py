"""A proxy that looks at the first bytes to tell HTTP from the rest: what it says when the flow doesn't tell either."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from meshtui.engine.decision.layer_result import LayerResult, layer_result
from meshtui.engine.policy.l7 import Request
from meshtui.engine.policy.proxy import DEPENDS, Proxy
from meshtui.model.verdict import StepResult

_NOT_GOOD = (StepResult.BLOCK, StepResult.UNKNOWN)


def ask_sniffed(
    proxy: Proxy, request: Request, is_http: bool | None, ask: Callable[[Proxy, Request], list[LayerResult]]
) -> list[LayerResult]:
    """Ask a proxy about a flow whose protocol is declared (``is_http``), or, None, seen from its bytes."""
    if is_http is not None:
        return ask(proxy, replace(request, tcp=not is_http, http=request.http if is_http else None))
    if request.http is not None:
        return ask(proxy, request)
    as_http, as_tcp = ask(proxy, request), ask(proxy, replace(request, tcp=True))
    if _outcome(as_http) == _outcome(as_tcp):
        return as_tcp
    said = "; ".join(f"as {name}: {_said(results)}" for name, results in (("HTTP", as_http), ("TCP", as_tcp)))
    reason = f"{DEPENDS}: the port's protocol isn't declared. {said}"
    objects = tuple(dict.fromkeys(o for x in (*as_http, *as_tcp) for o in x.step.objects))
    return [layer_result(proxy.layer, proxy.where, StepResult.UNKNOWN, reason, objects=objects)]


def _outcome(results: list[LayerResult]) -> object:
    first = next((o for result in _NOT_GOOD for o in results if o.result is result), None)
    return (
        None if first is None else (first.result, first.decider, first.step.reason if first.result is StepResult.UNKNOWN else "")
    )


def _said(results: list[LayerResult]) -> str:
    shown = next((o for result in _NOT_GOOD for o in results if o.result is result), results[-1])
    return shown.step.reason.removeprefix(f"{DEPENDS}: ")
