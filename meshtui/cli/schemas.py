"""What the commands answer, as types: ``meshtui schema`` prints their JSON Schema, and tests hold every answer against them.

Fields may be added to an answer, never renamed or taken away: scripts rely on them.
"""

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
    """The object that decides. ``rule`` is ingress[0], egress[1], rules[0], spec.mtls …, or null: nothing in it allows."""

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
    """Where a flow goes to: exactly one of pod, workload, service, ip, and a port (null where there is just one)."""

    pod: Annotated[str, Meta(description="NAMESPACE/NAME")] | UnsetType = UNSET
    workload: Annotated[str, Meta(description="NAMESPACE/Kind/NAME")] | UnsetType = UNSET
    service: Annotated[str, Meta(description="NAMESPACE/NAME; the port is the Service's")] | UnsetType = UNSET
    ip: str | UnsetType = UNSET
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
    """A verdict: what policy says about a flow, and what a client would see. ``pairs`` is there when it is mixed."""

    id: FlowId
    verdict: Word
    outcome: Outcome
    layer: LayerWord
    decided_by: Decider | None
    reason: str | UnsetType = UNSET
    pairs: list[Pair] | UnsetType = UNSET


class BadLine(Struct):
    """A line that isn't a flow: the others still get their answer, and the exit code is 2."""

    id: Any
    error: str


class StepLine(Struct):
    """One layer's result."""

    layer: LayerWord
    where: str
    result: Literal["pass", "block", "skip", "unknown"]
    objects: list[Decider]
    reason: str


class Explained(Predicted, kw_only=True):
    """A verdict with every step in order, and what follows from it."""

    steps: list[StepLine]
    assumptions: list[str]
    client_sees: str
    changes: Annotated[list[str], Meta(description="the smallest changes that would turn the verdict around")]
    log_lines: list[str]
    commands: list[str]


class PortsAnswer(Struct):
    """Ports of a pair that have one verdict from one object: ``TCP 8080,9000-9099; UDP all``, or ``all``."""

    verdict: Word
    ports: str
    layer: LayerWord
    decided_by: Decider | None


class MatrixPair(Struct):
    """One pair of pods, workloads or namespaces. ``allowed`` are the ports that are open, empty for none."""

    source: str = field(name="from")
    to: str
    allowed: str
    answers: list[PortsAnswer]


class ProbePod(Struct):
    """The pod that sent the probe."""

    namespace: str
    name: str
    service_account: str


class Observed(Struct):
    """What the probe saw; times are milliseconds."""

    outcome: Outcome
    http_status: int | None
    connect_ms: float | None
    total_ms: float | None
    bytes: int
    evidence: list[str]
    detail: str


class Probed(Struct):
    """Predicted beside observed. ``agrees`` is null where one of them can't tell."""

    flow: FlowLine
    predicted: Predicted
    observed: Observed
    agrees: bool | None
    pod: ProbePod | None


class PlannedPod(Struct):
    """A pod that a probe would start."""

    namespace: str
    service_account: str
    stands_for: str
    labels: dict[str, str]
    flows: list[FlowLine]


class Refusal(Struct):
    """A flow that a probe would leave out."""

    flow: FlowLine
    reason: str


class ProbePlan(Struct):
    """What ``probe --plan`` says. ``context`` is where it would happen."""

    context: str
    seconds: float
    pods: list[PlannedPod]
    external: list[FlowLine]
    refused: list[Refusal]
    warnings: list[str]


class CheckoutStep(Struct):
    """One step of a checkout. ``mtls`` is null where nothing was seen of its connection; bodies hold no secrets."""

    name: str
    state: Literal["waiting", "running", "ok", "failed", "skipped"]
    method: str | None
    url: str | None
    status: int | None
    elapsed_ms: float | None
    headers: dict[str, str]
    request: Any
    response: Any
    answered_by: str | None
    source: str | None
    destination: str | None
    source_identity: str | None
    destination_identity: str | None
    mtls: bool | None
    evidence: list[str]
    log: list[str]
    cause: str | None
    error: str | None
    note: str | None


class BookStock(Struct):
    """What inventory says of one book."""

    book_id: str
    quantity: int
    reserved: int


class StockBeforeAfter(Struct):
    """The stock at both ends of a checkout; null where it couldn't be read."""

    before: BookStock | None
    after: BookStock | None


class LookAt(Struct):
    """An object to look at, and the command that shows it."""

    kind: str
    namespace: str
    name: str
    why: str
    command: str


class Explanation(Struct):
    """Why a checkout failed."""

    code: str
    summary: str
    why: list[str]
    look_at: list[LookAt]


class CheckedOut(Struct):
    """One checkout, traced. ``change`` is by how many the reserved stock moved."""

    ok: bool
    steps: list[CheckoutStep]
    stock: StockBeforeAfter
    order_id: str | None
    event_id: str | None
    change: int | None
    gateway: str
    host: str
    book: str
    bought: str | None
    quantity: int
    explanation: Explanation | None
    notes: list[str]


class CriterionLine(Struct):
    """One acceptance criterion; ``evidence`` says what was tried and seen, or why it was skipped."""

    id: str
    title: str
    status: Literal["pass", "fail", "skip"]
    evidence: list[str]


class Accepted(Struct):
    """The bookstore's acceptance criteria, each really tried."""

    criteria: list[CriterionLine]


class Verified(Struct):
    """One expectation; ``observed`` is null where nothing was probed.

    ``predicted`` is a verdict where allow or deny is expected or pods differ, else an outcome.
    """

    id: FlowId
    name: str
    expected: Annotated[str, Meta(pattern="^(allow|deny|connected|timeout|refused|closed|http_[0-9]{3}|dns|tls)$")]
    predicted: str
    observed: Outcome | None
    status: Literal["pass", "fail", "unknown"]
    reason: Annotated[str, Meta(description="names the deciding object, and the layer that reality points to")]
    flow: FlowLine
    layer: LayerWord
    decided_by: Decider | None
    agrees: bool | None
    evidence: list[str]


class Verification(Struct):
    """An expectations file against prediction, and with --probe against reality."""

    passed: int
    failed: int
    unknown: int
    results: list[Verified]


class ChangedObject(Struct):
    """An object that the change creates, edits or deletes."""

    kind: str
    namespace: str
    name: str
    what: Literal["created", "edited", "deleted"]


class ShiftSide(Struct):
    """The verdict on one side of a change."""

    verdict: Word
    outcome: Outcome
    layer: LayerWord
    decided_by: Decider | None


class ShiftLine(Struct, omit_defaults=True):
    """What becomes of the flows between two workloads on some ports. A side is null where one of them isn't there.

    ``some``: for some of their pods only. ``not_allowed`` stands with opened flows: the ports that no entry of --allow
    covers, null when all are.
    """

    source: Source = field(name="from")
    to: Destination
    ports: str
    before: ShiftSide | None
    after: ShiftSide | None
    some: bool
    text: str
    http: Http | UnsetType = UNSET
    not_allowed: str | UnsetType | None = UNSET


class Diffed(Struct):
    """What a change does. ``unsure``: known before and not after; ``settled``: the other way round.

    ``covered`` is all that was looked at: nothing else changes there. ``not_covered`` wasn't computed.
    """

    objects: list[ChangedObject]
    opened: list[ShiftLine]
    closed: list[ShiftLine]
    unsure: list[ShiftLine]
    settled: list[ShiftLine]
    covered: list[str]
    not_covered: list[str]


class ObjectName(Struct):
    """One object; ``namespace`` is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str


class FixLine(Struct):
    """A change that would put a finding right. ``patch`` is a unified diff; empty where an object couldn't be read."""

    summary: str
    patch: str


SeverityWord = Literal["error", "warning", "info"]
RuleId = Annotated[str, Meta(pattern="^MT[0-9]{3}$")]


class FindingLine(Struct):
    """One finding. ``flows`` counts the flows that it breaks or opens: pairs of workloads and a port."""

    rule: RuleId
    name: str
    severity: SeverityWord
    objects: list[ObjectName]
    message: str
    why: str
    flows: int
    fix: FixLine | None


class IgnoredLine(Struct):
    """A finding that an annotation meshtui.dev/ignore silences, with the reason that stands there."""

    rule: RuleId
    name: str
    severity: SeverityWord
    objects: list[ObjectName]
    message: str
    reason: str


class NotEvaluatedLine(Struct):
    """A rule that says nothing, and why."""

    rule: RuleId
    name: str
    reason: str


class Check(Struct):
    """What is wrong, the worst first. ``in_baseline`` counts findings that --baseline leaves out."""

    findings: list[FindingLine]
    ignored: list[IgnoredLine]
    not_evaluated: list[NotEvaluatedLine]
    errors: int
    warnings: int
    infos: int
    in_baseline: int


class Leftover(Struct):
    """An object that an ended run left in the cluster."""

    kind: str
    namespace: str
    name: str
    run: str
    removed: bool


class Cleaned(Struct):
    """What ``clean`` found, and whether it was removed."""

    items: list[Leftover]
    dry_run: bool


class DenialLine(Struct):
    """Equal denials of one flow, counted. ``time`` is that of the last one. With --follow a line comes again when it changes.

    ``decided_by`` is the policy that the log names (``evidence`` is ``log``), else the one that the engine predicts, where it
    agrees (``predicted``), else null. ``from`` and ``to`` are null where the log doesn't say who it was.
    """

    time: str
    first: str
    source: Source | None = field(name="from")
    to: Destination | None
    source_identity: Annotated[str | None, Meta(description="a SPIFFE id; null: plaintext, or the log doesn't name it")]
    kind: Literal["rejected", "policy_change", "refused", "timed_out", "http_403"]
    reason: str
    count: int
    decided_by: Decider | None
    evidence: Literal["log", "predicted"] | None
    predicted: Predicted | None
    agreement: Literal["agrees", "disagrees", "changed", "unknown"]
    note: str
    logged_by: Literal["ztunnel", "waypoint", "gateway"]
    http: Http | None
    source_pod: str
    destination_pod: str


class Versions(Struct, omit_defaults=True):
    """The versions of meshtui, of Python, of the libraries that matter in a report, and with --server of the API server."""

    meshtui: str
    python: str
    platform: str
    click: str
    httpx: str
    kubernetes: str
    msgspec: str
    pydantic: str
    textual: str
    server: str | UnsetType = UNSET


SCHEMAS: dict[str, tuple[Any, str]] = {
    "acceptance": (Accepted, "the answer of meshtui acceptance -o json"),
    "check": (Check, "the answer of meshtui check -o json"),
    "checkout": (CheckedOut, "the answer of meshtui checkout -o json"),
    "clean": (Cleaned, "the answer of meshtui clean -o json"),
    "denials": (DenialLine, "one line of what meshtui denials -o jsonl prints; -o json is an array of them"),
    "diff": (Diffed, "the answer of meshtui diff -o json"),
    "explain": (Explained, "the answer of meshtui explain -o json"),
    "flow": (FlowLine, "one line of the file that meshtui predict --flows reads"),
    "matrix": (list[MatrixPair], "the answer of meshtui matrix -o json"),
    "plan": (ProbePlan, "the answer of meshtui probe --plan -o json"),
    "predict": (Predicted | BadLine, "one line of what meshtui predict prints; -o json is an array of them"),
    "probe": (Probed | list[Probed], "the answer of meshtui probe -o json: an object, or an array for several flows"),
    "verify": (Verification, "the answer of meshtui verify -o json"),
    "version": (Versions, "the answer of meshtui version -o json"),
}
"""By name: the type, and what it describes."""
