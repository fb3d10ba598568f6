"""Flows and verdicts as JSON (docs/contracts.md, A flow; predict)."""

from __future__ import annotations

import json
from typing import Any

from meshtui.engine.explain.wording import in_words
from meshtui.engine.path.references import host_endpoint
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint, HttpRequest, Jwt
from meshtui.model.verdict import Decider, Decision, Step, Verdict


def flow_from_json(line: Any) -> Flow:
    """A flow from JSON. Raises UsageError that says what is invalid."""
    if not isinstance(line, dict):
        raise UsageError("a flow is a JSON object")
    source, destination = _endpoint(line.get("from"), "from"), _endpoint(line.get("to"), "to")
    protocol = line.get("protocol") or "TCP"
    if protocol not in {"TCP", "UDP", "SCTP"}:
        raise UsageError(f"protocol {protocol!r} isn't one of TCP, UDP, SCTP")
    port = line["to"].get("port")
    if isinstance(port, bool) or not (port is None or isinstance(port, int | str)):
        raise UsageError("to.port is a number or a name")
    if isinstance(port, int) and not 1 <= port <= 65535:
        raise UsageError(f"port {port} is not between 1 and 65535")
    http, jwt = _object(line, "http"), _object(line, "jwt")
    return Flow(
        source=source,
        destination=destination,
        port=port,
        protocol=protocol,
        http=request_from_json(http) if http is not None else None,
        jwt=token_from_json(jwt) if jwt is not None else None,
        id=str(line.get("id", "")),
    )


def request_from_json(http: dict[str, Any]) -> HttpRequest:
    """The request that a flow carries (docs/contracts.md, A flow)."""
    return HttpRequest(
        str(http.get("method") or "GET").upper(),
        str(http.get("path") or "/"),
        str(http.get("host") or ""),
        tuple((str(key), str(value)) for key, value in (http.get("headers") or {}).items()),
    )


def token_from_json(jwt: dict[str, Any]) -> Jwt:
    """The claims of the token that a request carries (docs/contracts.md, A flow)."""
    return Jwt(str(jwt.get("iss") or ""), str(jwt.get("sub") or ""), _audiences(jwt.get("aud")), _claims(jwt.get("claims")))


def _audiences(value: Any) -> tuple[str, ...]:
    """``aud`` is one audience or several (RFC 7519, 4.1.3)."""
    return (value,) if isinstance(value, str) else tuple(str(item) for item in value or ())


def _claims(value: Any) -> tuple[tuple[str, str], ...]:
    return tuple((str(key), json.dumps(item)) for key, item in (value or {}).items())


def _object(line: dict[str, Any], name: str) -> dict[str, Any] | None:
    value = line.get(name)
    if value is not None and not isinstance(value, dict):
        raise UsageError(f"{name} is an object")
    return value


_SHAPE = 'as {"pod": "NS/NAME"}, {"workload": "NS/Kind/NAME"}, {"service": "NS/NAME", "port": 80}: see meshtui predict --help'


def _endpoint(value: Any, side: str) -> FlowEndpoint:
    if value is None:
        raise UsageError(f"{side!r} is missing", _SHAPE)
    if not isinstance(value, dict):
        raise UsageError(f"{side!r} is an object, not {json.dumps(value)[:60]}", _SHAPE)
    kinds = [kind for kind in EndpointKind if value.get(kind.value)]
    if len(kinds) != 1:
        raise UsageError(f"{side!r} names exactly one of pod, workload, service, ip, host, external")
    kind = kinds[0]
    refused = {"to": {EndpointKind.EXTERNAL}, "from": {EndpointKind.SERVICE, EndpointKind.HOST}}
    if kind in refused[side]:
        raise UsageError(f"{kind.value!r} can't be {side!r}")
    return FlowEndpoint(kind) if kind is EndpointKind.EXTERNAL else _named(kind, str(value[kind.value]))


def _named(kind: EndpointKind, text: str) -> FlowEndpoint:
    if kind is EndpointKind.IP:
        return FlowEndpoint(kind, ip=text)
    if kind is EndpointKind.HOST:
        return host_endpoint(text)
    parts = text.split("/")
    if kind is EndpointKind.WORKLOAD:
        if len(parts) != 3:
            raise UsageError(f"{text!r} is not NAMESPACE/KIND/NAME")
        return FlowEndpoint(kind, parts[0], parts[2], parts[1])
    if len(parts) != 2:
        raise UsageError(f"{text!r} is not NAMESPACE/NAME")
    return FlowEndpoint(kind, parts[0], parts[1])


def endpoint_to_json(endpoint: FlowEndpoint) -> dict[str, Any]:
    """One end of a flow as JSON."""
    match endpoint.kind:
        case EndpointKind.IP:
            return {"ip": endpoint.ip}
        case EndpointKind.HOST:
            return {"host": endpoint.name}
        case EndpointKind.EXTERNAL:
            return {"external": True}
        case EndpointKind.WORKLOAD:
            return {"workload": f"{endpoint.namespace}/{endpoint.owner_kind}/{endpoint.name}"}
        case _:
            return {endpoint.kind.value: f"{endpoint.namespace}/{endpoint.name}"}


def flow_to_json(flow: Flow) -> dict[str, Any]:
    """A flow as JSON; unknown parts are left out."""
    answer: dict[str, Any] = {"id": flow.id} if flow.id else {}
    answer["from"] = endpoint_to_json(flow.source)
    answer["to"] = {**endpoint_to_json(flow.destination), "port": flow.port}
    answer["protocol"] = flow.protocol
    if flow.http:
        answer["http"] = {"method": flow.http.method, "path": flow.http.path}
        if flow.http.host:
            answer["http"]["host"] = flow.http.host
    return answer


def decider_to_json(decider: Decider | None) -> dict[str, Any] | None:
    """The deciding object and rule as JSON."""
    if decider is None:
        return None
    kind, _, group = decider.ref.kind.partition(".")
    named = {"kind": kind, "namespace": decider.ref.namespace, "name": decider.ref.name, "rule": decider.rule}
    return named | ({"group": group} if group else {})


def verdict_to_json(verdict: Verdict, flow_id: str = "") -> dict[str, Any]:
    """A verdict as JSON, as ``predict`` prints it."""
    answer: dict[str, Any] = {
        "id": flow_id,
        "verdict": verdict.decision.value,
        "outcome": verdict.outcome,
        "layer": verdict.layer.value,
        "decided_by": decider_to_json(verdict.decided_by),
    }
    if verdict.decision is Decision.UNKNOWN or verdict.notes:
        answer["reason"] = in_words(verdict.reason)
    if verdict.pairs:
        answer["pairs"] = [{"from": p.source, "to": p.destination, **verdict_to_json(p.verdict, flow_id)} for p in verdict.pairs]
    return answer


def step_to_json(step: Step) -> dict[str, Any]:
    """One step of an explanation as JSON."""
    return {
        "layer": step.layer.value,
        "where": step.where,
        "result": step.result.value,
        "objects": [decider_to_json(decider) for decider in step.objects],
        "code": step.reason.code.value,
        "reason": in_words(step.reason),
    }
