"""The data model of a journey, which is also the schema of its file (docs/guide/journeys.md).

Text may contain variables: ``{name}`` (percent-encoded in a path), ``{+name}`` (not encoded), ``{{`` and ``}}`` for braces.
"""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, Struct, field

Scalar = str | int | float | bool
Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9_-]{0,59}$", description="letters, digits, - and _; a letter first")]
Pointer = Annotated[str, Meta(pattern="^(/.*)?$", description="a JSON pointer (RFC 6901), as /items/0/id")]
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
"""The methods that change nothing (RFC 9110, 9.2.1) and that a journey may use."""


class Part(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A part of a journey. Unknown fields are errors, so that a misspelt field doesn't disable a check."""


class Meaning(Part, frozen=True, kw_only=True):
    """The meaning of a failure: a sentence, and the objects to look at (NS/KIND/NAME)."""

    says: str
    look_at: list[str] = field(default_factory=list)


Means = Annotated[
    dict[str, str | Meaning],
    Meta(description="by outcome: http_NNN, timeout, answer, no_call, identity, plaintext, change …, or otherwise"),
]


class Variable(Part, frozen=True, kw_only=True):
    """A variable with properties beyond its value: from the environment, or secret."""

    value: Scalar | None = None
    env: Annotated[str, Meta(description="the environment variable that has it")] = ""
    secret: Annotated[bool, Meta(description="never shown; so are variables called password, token, secret …")] = False


class Gateway(Part, frozen=True, kw_only=True):
    """The target of all requests: a Gateway of the cluster, or a URL; ``host`` is the Host of every request."""

    namespace: str = ""
    name: str = ""
    url: str = ""
    host: str = ""


class Request(Part, frozen=True, kw_only=True):
    """One request; ``json`` or ``form`` is its body."""

    path: Annotated[str, Meta(min_length=1)]
    method: Annotated[str, Meta(pattern="^[A-Z]+$")] = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    json: Any = None
    form: dict[str, str] = field(default_factory=dict)


class Prepare(Request, frozen=True, kw_only=True):
    """A request before the step's own, whose answer doesn't matter; ``note`` describes its effect, such as ``emptied``."""

    note: str = "prepared"


class Expect(Part, frozen=True, kw_only=True):
    """The expected answer: by default any 2xx. ``json`` compares values, ``has`` only requires them to exist."""

    status: Annotated[int | list[int] | None, Meta(description="a status, or several; without it any 2xx")] = None
    json: Annotated[dict[str, Any], Meta(description="by JSON pointer: the value that should be there")] = field(
        default_factory=dict
    )
    has: list[Pointer] = field(default_factory=list)


class Call(Part, frozen=True, kw_only=True):
    """A connection between workloads that a step should cause, as the ztunnels log it."""

    name: Name
    source: Annotated[str, Meta(description="NS/KIND/NAME")] = field(name="from")
    to: Annotated[str, Meta(description="NS/svc/NAME:PORT")]
    title: str = ""
    from_identity: Annotated[str, Meta(description="NAMESPACE/SERVICEACCOUNT")] = ""
    to_identity: Annotated[str, Meta(description="NAMESPACE/SERVICEACCOUNT")] = ""
    mtls: Annotated[bool, Meta(description="whether it has to be mutual TLS")] = True
    required: Annotated[bool, Meta(description="whether it is a failure when no ztunnel logged it")] = True
    within_s: Annotated[float, Meta(gt=0, le=60, description="how long to wait for the ztunnels' lines")] = 2.0
    means: Means = field(default_factory=dict)


class Step(Part, frozen=True, kw_only=True):
    """One request and its expected effects; or, with ``answer_of``, further checks of an earlier step's answer.

    ``unless`` names a variable: if it already has a value, the step is skipped. ``take`` are variables set from the answer.
    """

    name: Name
    title: str = ""
    request: Request | None = None
    answer_of: str = ""
    prepare: Prepare | None = None
    unless: str = ""
    expect: Expect = field(default_factory=Expect)
    take: Annotated[dict[str, Pointer], Meta(description="variables, each by JSON pointer into the answer")] = field(
        default_factory=dict
    )
    call: list[Call] = field(default_factory=list)
    means: Means = field(default_factory=dict)


class Gauge(Part, frozen=True, kw_only=True):
    """A number that is read before the first step and after the last, and its expected change."""

    name: Name
    title: str = ""
    request: Request
    value: Pointer
    change: Annotated[int | float | str, Meta(description="a number, or a variable that is one: {quantity}")] = 0
    means: Means = field(default_factory=dict)


class Journey(Part, frozen=True, kw_only=True):
    """A business transaction."""

    name: Name
    title: str
    about: str = ""
    changes: Annotated[
        bool | None, Meta(description="whether it changes something; by default by its methods: GET, HEAD, OPTIONS don't")
    ] = None
    gateway: Gateway = field(default_factory=Gateway)
    headers: Annotated[
        dict[str, str], Meta(description="of every request; one whose variables have no value yet is left out")
    ] = field(default_factory=dict)
    variables: dict[str, Scalar | Variable] = field(default_factory=dict)
    gauge: list[Gauge] = field(default_factory=list)
    step: Annotated[list[Step], Meta(min_length=1)]

    @property
    def requests(self) -> list[Request]:
        """All requests that the journey may send."""
        steps = [request for step in self.step for request in (step.prepare, step.request) if request is not None]
        return [*(gauge.request for gauge in self.gauge), *steps]

    @property
    def changing(self) -> bool:
        """Whether the journey changes something: then it needs a confirmation, and isn't run in read-only mode."""
        return bool(self.changes) or any(request.method not in SAFE_METHODS for request in self.requests)
