"""The types of flows, verdicts, and what was read of files."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

Word = Literal["allow", "deny", "mixed", "unknown"]
LayerWord = Literal[
    "none", "egress_policy", "ingress_policy", "admin_policy", "baseline_policy", "ztunnel", "waypoint", "sidecar", "gateway"
]
Outcome = Annotated[
    str,
    Meta(
        pattern="^(connected|timeout|refused|closed|http_[0-9]{3}|dns|tls|not_settled|unknown)$",
        description="What a client sees; http_NNN is an HTTP status.",
    ),
]
PortNumber = Annotated[int, Meta(ge=1, le=65535)]
FlowId = str


class Decider(Struct):
    """The deciding object. ``rule`` is ingress[0], egress[1], rules[0], spec.mtls …, or null if none of its rules allows."""

    kind: str
    namespace: str
    name: str
    rule: str | None


class Source(Struct, omit_defaults=True):
    """Where a flow comes from: exactly one of these."""

    pod: Annotated[str, Meta(description="NAMESPACE/NAME")] | UnsetType = UNSET
    workload: Annotated[str, Meta(description="NAMESPACE/Kind/NAME")] | UnsetType = UNSET
    ip: str | UnsetType = UNSET
    external: Annotated[bool, Meta(description="a client outside the cluster, through the gateway")] | UnsetType = UNSET


class Destination(Struct, omit_defaults=True):
    """Where a flow goes to: exactly one of pod, workload, service, ip, host, and a port (null where there is just one)."""

    pod: Annotated[str, Meta(description="NAMESPACE/NAME")] | UnsetType = UNSET
    workload: Annotated[str, Meta(description="NAMESPACE/Kind/NAME")] | UnsetType = UNSET
    service: Annotated[str, Meta(description="NAMESPACE/NAME; the port is the Service's")] | UnsetType = UNSET
    ip: str | UnsetType = UNSET
    host: Annotated[str, Meta(description="a DNS name, as api.example.com")] | UnsetType = UNSET
    port: PortNumber | str | UnsetType | None = UNSET


class Http(Struct, omit_defaults=True):
    """The request that a flow carries."""

    method: str | UnsetType = UNSET
    path: str | UnsetType = UNSET
    host: str | UnsetType = UNSET
    headers: dict[str, str] | UnsetType = UNSET


class Token(Struct, omit_defaults=True):
    """The claims of the JWT that a request carries."""

    iss: str | UnsetType = UNSET
    sub: str | UnsetType = UNSET
    aud: list[str] | UnsetType = UNSET
    claims: dict[str, Any] | UnsetType = UNSET


class FlowLine(Struct, omit_defaults=True):
    """One line of the file that ``predict --flows`` reads; answers repeat it."""

    source: Source = field(name="from")
    to: Destination
    id: FlowId | UnsetType = UNSET
    protocol: Literal["TCP", "UDP", "SCTP"] | UnsetType = UNSET
    http: Http | UnsetType | None = UNSET
    jwt: Token | UnsetType | None = UNSET


class Pair(Struct, omit_defaults=True):
    """One pod pair's part of a mixed verdict."""

    source: str = field(name="from")
    to: str
    id: FlowId
    verdict: Word
    outcome: Outcome
    layer: LayerWord
    decided_by: Decider | None
    reason: str | UnsetType = UNSET


class Predicted(Struct, omit_defaults=True):
    """A verdict: what policy decides about a flow, and what a client would see. ``pairs`` is present when it is mixed."""

    id: FlowId
    verdict: Word
    outcome: Outcome
    layer: LayerWord
    decided_by: Decider | None
    reason: str | UnsetType = UNSET
    pairs: list[Pair] | UnsetType = UNSET


class BadLine(Struct):
    """The answer to an invalid line. The other lines are still answered, and the exit code is 2."""

    id: Any
    error: str


class CountedKind(Struct):
    """How many objects of a kind there are; ``group`` is its API group, empty for the core group."""

    kind: str
    group: str
    count: int


class SkippedLine(Struct):
    """A file, or a folder of ``files`` manifests, that was skipped. ``command`` prints its objects; null where none is known."""

    path: str
    reason: str
    files: int
    command: str | None


class Read(Struct):
    """What was read of files and folders, and what wasn't. ``problems`` counts places that aren't understood."""

    objects: int
    files: int
    problems: int
    not_read: Annotated[list[CountedKind], Meta(description="kinds that may matter to traffic and aren't evaluated")]
    ignored: Annotated[list[CountedKind], Meta(description="kinds that don't matter to traffic")]
    skipped: list[SkippedLine]
    rendered: Annotated[list[str], Meta(description="the commands whose output was read")]


class StepLine(Struct):
    """One layer's result."""

    layer: LayerWord
    where: str
    result: Literal["pass", "block", "skip", "unknown"]
    objects: list[Decider]
    code: str
    reason: str


class PortsAnswer(Struct):
    """Ports of a pair that have one verdict from one object: ``TCP 8080,9000-9099; UDP all``, or ``all``.

    ``depends_on`` is there if the verdict is unknown only because no request is given: its method, path, headers or token decide.
    """

    verdict: Word
    ports: str
    layer: LayerWord
    decided_by: Decider | None
    depends_on: Literal["request"] | UnsetType = UNSET


class ServiceAnswer(Struct):
    """The verdict on connections through a port of a Service (``NS/NAME``) that has a waypoint, to the pods of a pair."""

    service: str
    port: int
    verdict: Word
    layer: LayerWord
    decided_by: Decider | None
    depends_on: Literal["request"] | UnsetType = UNSET


class MatrixPair(Struct):
    """One pair of pods, workloads or namespaces. ``allowed`` are the ports that are open, empty for none.

    ``allowed`` and ``answers`` are about the pods' own addresses; ``services`` is there if Services with a waypoint lead to them.
    """

    source: str = field(name="from")
    to: str
    allowed: str
    answers: list[PortsAnswer]
    services: list[ServiceAnswer] | UnsetType = UNSET


class ObjectName(Struct):
    """One object; ``namespace`` is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str
