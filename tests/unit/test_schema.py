"""Every answer of the command line has the shape that `meshtui schema` prints, to the last field."""

import json
from dataclasses import replace
from datetime import UTC, datetime

import msgspec
import pytest
import yaml

import meshtui
from meshtui.cli.checkout_report import trace_to_json
from meshtui.cli.commands import clean
from meshtui.cli.commands.schema import schema_of
from meshtui.cli.flowfile import flow_from_json, flow_to_json
from meshtui.cli.main import run
from meshtui.cli.observations import observation_to_json
from meshtui.cli.plan_report import plan_to_json
from meshtui.cli.schemas import SCHEMAS, Versions
from meshtui.cli.schemas.explain import Explained
from meshtui.cli.schemas.flows import BadLine, FlowLine, MatrixPair, Predicted
from meshtui.cli.schemas.journeys import CheckedOut
from meshtui.cli.schemas.probes import Cleaned, Probed, ProbePlan
from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.journeys.bookstore.trace import TITLES, Explanation, LookAt, StepState, Stock, Trace
from meshtui.model.ids import ObjectRef
from meshtui.model.observation import Observation, ProbePod
from meshtui.model.verdict import Decision, Layer, Verdict
from meshtui.probe.cleanup import Leftover
from meshtui.probe.plan import make_plan
from meshtui.sandbox import scenarios
from meshtui.settings import Settings
from tests.fakes.frozen import bookstore as frozen_bookstore
from tests.fakes.snapshots import namespace, pod, policy


def holds(answer, kind):
    """The answer is of this kind, and nothing in it is unknown to the kind."""
    assert msgspec.to_builtins(msgspec.convert(answer, kind)) == answer


@pytest.fixture(scope="module")
def bookstore(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bookstore")
    (folder / "all.yaml").write_text(yaml.safe_dump_all(scenarios.load("healthy")))
    return str(folder)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A workload whose pods differ, and a policy that isn't understood."""
    folder = tmp_path_factory.mktemp("mixed")
    owner = {
        "metadata": {
            "ownerReferences": [{"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "1", "controller": True}]
        }
    }
    pods = [pod("a/web", "10.0.0.1")]
    for number, role in enumerate(("one", "two")):
        made = pod(f"a/db-{number}", f"10.0.0.{number + 2}", [5432], {"role": role})
        made["metadata"] |= owner["metadata"]
        pods.append(made)
    deny = policy("a/deny", "podSelector: {matchLabels: {role: two}}")
    (folder / "all.yaml").write_text(yaml.safe_dump_all([namespace("a"), *pods, deny]))
    return str(folder)


def answers(capsys, *words, code=0):
    assert run(list(words)) == code
    return capsys.readouterr().out


FLOWS = [
    {"id": "1", "from": {"pod": "a/web"}, "to": {"workload": "a/StatefulSet/db", "port": 5432}},
    {"id": "2", "from": {"pod": "a/web"}, "to": {"pod": "a/db-1", "port": 5432}, "protocol": "TCP"},
    {
        "id": "3",
        "from": {"external": True},
        "to": {"ip": "10.0.0.2", "port": 80},
        "http": {"method": "GET", "path": "/x", "host": "h"},
    },
    {
        "id": "4",
        "from": {"ip": "10.0.0.9"},
        "to": {"pod": "a/web", "port": None},
        "jwt": {"iss": "i", "aud": ["x"], "claims": {"a": [1]}},
    },
    {"id": "5", "from": {}, "to": {}},
]


def test_predict_answers_as_it_says(capsys, mixed, tmp_path):
    file = tmp_path / "flows.jsonl"
    file.write_text("\n".join([*(json.dumps(flow) for flow in FLOWS), "no json"]))
    lines = [json.loads(text) for text in answers(capsys, "predict", "--flows", str(file), "-f", mixed, code=2).splitlines()]
    assert len(lines) == 6
    assert lines[0]["verdict"] == "mixed"
    assert len(lines[0]["pairs"]) == 2
    assert sum("error" in line for line in lines) >= 2
    for line in lines:
        holds(line, BadLine if "error" in line else Predicted)


@pytest.mark.parametrize("flow", FLOWS[:4], ids=lambda flow: flow["id"])
def test_flows_are_read_and_written_as_it_says(flow):
    holds(flow, FlowLine)
    holds(flow_to_json(flow_from_json(flow)), FlowLine)


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000"),
        ("ecom/deploy/ui-service", "inventory/svc/inventory-db:5432"),
        ("external", "infra/svc/gateway:80"),
        ("observability/deploy/prometheus", "inventory/svc/inventory-service:8000"),
    ],
)
def test_explain_answers_as_it_says(capsys, bookstore, source, destination):
    holds(json.loads(answers(capsys, "explain", source, destination, "-f", bookstore, "-o", "json")), Explained)


def test_explain_gives_its_proposals_as_data_and_as_text_to_apply(capsys, bookstore):
    flow = ("ecom/deploy/ui-service", "inventory/svc/inventory-db:5432", "-f", bookstore)
    answer = json.loads(answers(capsys, "explain", *flow, "-o", "json"))
    seen = [(each["layer"], each["hop"]["port"], each["patch"][0]["path"]) for each in answer["proposals"]]
    assert seen == [
        ("egress_policy", 15008, "/spec/egress/-"),
        ("ingress_policy", 15008, "/spec/ingress/-"),
        ("ztunnel", 5432, "/spec/rules/-"),
    ]
    assert answer["effect"]["enough"] is True
    assert answer["effect"]["opens"] == {"count": 0, "flows": []}
    text = answers(capsys, "explain", *flow)
    assert "3. ztunnel, ecom/ui-service-0 → inventory/inventory-db-0 on TCP 5432: one more rule in AuthorizationPolicy" in text
    assert "         - cluster.local/ns/ecom/sa/ui-service\n" in text


@pytest.mark.parametrize("by", ["workload", "pod", "namespace"])
def test_matrix_answers_as_it_says(capsys, bookstore, by):
    pairs = json.loads(answers(capsys, "matrix", "-f", bookstore, "-o", "json", "--by", by))
    assert len(pairs) > 10
    holds(pairs, list[MatrixPair])


def test_a_plan_answers_as_it_says(capsys, bookstore):
    text = answers(capsys, "probe", "ecom/deploy/ecom-service", "--all", "--plan", "-o", "json", "-f", bookstore)
    holds(json.loads(text), ProbePlan)
    engine = Engine(frozen_bookstore())
    flows = [parse_flow("ecom/deploy/ecom-service", f"inventory/svc/inventory-{to}") for to in ("service:8000", "db:5432")]
    plan = plan_to_json(make_plan(engine, [*flows, parse_flow("external", "infra/svc/gateway:80")], Settings().probe), "here")
    assert plan["pods"]
    holds(plan, ProbePlan)


def test_a_probe_answers_as_it_says():
    flow = parse_flow("ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000")
    seen = Observation(flow, "connected", Verdict(Decision.ALLOW, "connected", Layer.NONE), evidence=("a line",))
    holds(observation_to_json(seen), Probed)
    more = replace(seen, outcome="http_200", http_status=200, connect_ms=1.25, total_ms=3.0, pod=ProbePod("ecom", "p", "sa"))
    holds(observation_to_json(more), Probed)


def test_a_checkout_answers_as_it_says():
    trace = Trace("http://gw", "api", "book", 2, before=Stock("book", 9, 1), finished=True)
    for name in TITLES:
        trace = trace.with_step(name, state=StepState.OK, status=200, elapsed_ms=1.5, response={"a": [1]}, mtls=True)
    holds(trace_to_json(trace), CheckedOut)
    look = LookAt(ObjectRef("Pod", "a", "b"), "it says why")
    holds(trace_to_json(replace(trace, explanation=Explanation("code", "it failed", ("why",), (look,)))), CheckedOut)


@pytest.mark.parametrize("removed", [True, False])
def test_clean_answers_as_it_says(removed):
    item = Leftover("Pod", "ecom", "meshtui-probe-1", "uid", "1", datetime.now(UTC), "/api")
    holds(clean.answer([item], [item] if removed else [], dry_run=not removed).document, Cleaned)


def test_a_version_answers_as_it_says(capsys):
    found = json.loads(answers(capsys, "version", "-o", "json"))
    holds(found, Versions)
    assert found["meshtui"] == meshtui.__version__


def test_schema_alone_lists_the_names(capsys):
    text = answers(capsys, "schema")
    assert [row.split()[0] for row in text.splitlines()] == sorted(SCHEMAS)
    assert {"predict", "flow", "explain", "matrix", "probe", "checkout", "clean"} <= set(SCHEMAS)


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_every_schema_is_json_and_every_reference_in_it_leads_somewhere(capsys, name):
    schema = json.loads(answers(capsys, "schema", name))
    assert schema == schema_of(name)
    wanted = set()

    def walk(part):
        if isinstance(part, dict):
            wanted.update(value for key, value in part.items() if key == "$ref")
            for value in part.values():
                walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    walk(schema)
    assert wanted <= {f"#/$defs/{known}" for known in schema["$defs"]}
    closed = "additionalProperties" in json.dumps(schema).replace('"additionalProperties": {', "")
    assert closed is (name == "journey"), "answers may get more fields; in a journey's file a field that isn't known is a typo"


def test_a_name_that_is_none_says_which_there_are(capsys):
    assert run(["schema", "nonsense"]) == 2
    assert "checkout" in capsys.readouterr().err
