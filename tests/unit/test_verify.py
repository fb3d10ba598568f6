"""`meshtui verify`: what a file may say, what it stands for, and when an expectation is met."""

import contextlib
import itertools
import json

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from meshtui.cli.expectations import find, read_expectations
from meshtui.cli.expectations_init import first_file
from meshtui.cli.main import run
from meshtui.cli.schemas.probes import Verification
from meshtui.engine import Engine
from meshtui.engine.expect.expectations import expand
from meshtui.engine.expect.verification import Status, by_observation, by_prediction, exit_code, is_expectable, verify
from meshtui.engine.explain.expectations import why
from meshtui.engine.path.references import parse_flow
from meshtui.model.errors import ClusterError, UsageError
from meshtui.model.ids import ObjectRef
from meshtui.model.observation import Observation
from meshtui.model.snapshot import KindState, KindStatus
from meshtui.model.verdict import Decider, Decision, Layer, Verdict
from meshtui.sandbox import scenarios
from tests.fakes.frozen import bookstore as frozen_bookstore
from tests.fakes.frozen import with_kind
from tests.fakes.snapshots import namespace, pod, policy, snapshot_of

HEAD = "apiVersion: meshtui/v1\nflows:\n"
FLOW = parse_flow("a/web", "a/db:5432")


def entries(*items, head=HEAD):
    return read_expectations("f.yaml", (head + "".join(f"  - {item}\n" for item in items)).encode())


def expanded(*items, snapshot=None):
    return expand(Engine(snapshot or frozen_bookstore()), entries(*items))


def pairs(*items, snapshot=None):
    return [(str(e.flow.source), f"{e.flow.destination}:{e.flow.port}") for e in expanded(*items, snapshot=snapshot)]


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    file = tmp_path_factory.mktemp("healthy") / "all.yaml"
    file.write_text(yaml.safe_dump_all(scenarios.load("healthy")))
    return str(file)


# ---- the file

BROKEN = [
    ("no YAML", "flows: [", "f.yaml:1: "),
    ("empty", "", "f.yaml: is empty"),
    ("several documents", HEAD + "  - {from: a/b, to: a/c, expect: allow}\n---\nx: 1\n", "f.yaml:"),
    ("another version", "apiVersion: v1\nflows: []\n", "f.yaml:1: apiVersion is meshtui/v1"),
    ("no version", "flows: []\n", "f.yaml:1: apiVersion is meshtui/v1"),
    ("nothing expected", "apiVersion: meshtui/v1\nflows: []\n", "f.yaml:2: flows is a list"),
    ("no flows", "apiVersion: meshtui/v1\n", "f.yaml:1: flows is a list"),
    ("no mapping", HEAD + "  - a\n", "f.yaml:3: an expectation is a mapping"),
    ("unknown field", HEAD + "  - from: a/b\n    too: x\n", "f.yaml:4: an expectation has no"),
    ("twice", HEAD + "  - from: a/b\n    to: a/c\n    expect: deny\n    expect: allow\n", "f.yaml:6: 'expect' is there"),
    ("nothing to write", HEAD + "  - {from: a/b, to: a/c}\n", "f.yaml:3: 'expect' is missing"),
    ("a word that is none", HEAD + "  - from: a/b\n    to: a/c\n    expect: maybe\n", "f.yaml:5: expect: 'maybe'"),
    ("mixed", HEAD + "  - {from: a/b, to: a/c, expect: mixed}\n", "f.yaml:3: expect: 'mixed'"),
    ("unknown", HEAD + "  - {from: a/b, to: a/c, expect: unknown}\n", "f.yaml:3: expect: 'unknown'"),
    ("no list", HEAD + "  - {from: [], to: a/c, expect: deny}\n", "f.yaml:3: 'from' is a reference"),
    ("a number", HEAD + "  - {from: a/b, to: 80, expect: deny}\n", "f.yaml:3: 'to' is a reference"),
    ("protocol", HEAD + "  - {from: a/b, to: a/c, protocol: ICMP, expect: deny}\n", "f.yaml:3: protocol 'ICMP'"),
    ("http", HEAD + "  - {from: a/b, to: a/c, http: {verb: GET}, expect: deny}\n", "f.yaml:3: http has no field 'verb'"),
    ("path", HEAD + "  - {from: a/b, to: a/c, http: {path: x}, expect: deny}\n", "f.yaml:3: http.path 'x'"),
    ("header", HEAD + '  - {from: a/b, to: a/c, http: {headers: {a: "b\\nc"}}, expect: deny}\n', "f.yaml:3: http: 'a' isn't a"),
    ("jwt", HEAD + "  - {from: a/b, to: a/c, jwt: {sub: x, exp: 1}, expect: deny}\n", "f.yaml:3: jwt has no field 'exp'"),
    ("a tag", HEAD + "  - !!python/object:os.system {}\n", "f.yaml:3: "),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN])
def test_a_broken_file_is_named_with_its_line(text, says):
    with pytest.raises(UsageError) as error:
        read_expectations("f.yaml", text.encode())
    assert str(error.value).startswith(says)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_file_or_a_usage_error(text):
    with contextlib.suppress(UsageError):
        assert read_expectations("f", HEAD.encode() + text)


def test_a_broken_file_is_exit_2_and_nothing_on_stdout(capsys, healthy, tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text(HEAD + "  - {from: ecom/deploy/ecom-service, to: nowhere, expect: allow}\n")
    assert run(["verify", str(file), "-f", healthy]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"meshtui: {file}:3: ")
    assert err.count("\n") == 1
    assert run(["verify", str(tmp_path / "none"), "-f", healthy]) == 2
    assert "No such file" in capsys.readouterr().err
    assert run(["verify", "-f", healthy]) == 2


# ---- patterns and matrices


def test_a_pattern_stands_for_what_it_matches_but_not_for_a_workload_with_itself():
    assert pairs('{from: "inventory/*/*", to: "inventory/svc/*-db:5432", expect: deny}') == [
        ("inventory/deployment/inventory-service", "inventory/svc/inventory-db:5432"),
    ]
    databases = {"ecom/svc/ecom-db", "inventory/svc/inventory-db", "identity/svc/keycloak-db"}
    found = pairs('{from: observability/deploy/prometheus, to: "*/svc/*-db:5432", expect: deny}')
    assert {to.removesuffix(":5432") for _, to in found} == databases


def test_lists_make_a_matrix_and_each_pair_has_an_id_of_its_own():
    found = expanded(
        "{from: ecom/deploy/ui-service, to: 10.0.0.1:80, expect: deny}",
        "{name: both, from: [ecom/deploy/ui-service, ecom/deploy/ecom-service], to: [10.0.0.1:80, 10.0.0.2:80], expect: deny}",
    )
    assert [each.flow.id for each in found] == ["1", "2.1", "2.2", "2.3", "2.4"]
    assert found[1].name == "both: ecom/deployment/ui-service → 10.0.0.1:80"


def test_a_pod_can_be_a_pattern():
    (found,) = expanded('{from: "ecom/ecom-servic?-*", to: 10.0.0.1:80, expect: deny}')
    assert str(found.flow.source).startswith("ecom/ecom-service-")


NOTHING = [
    ('{from: "nobody/*/*", to: 10.0.0.1:80, expect: deny}', "f.yaml:3: 'nobody/*/*' matches nothing"),
    ('{from: "*/svc/*", to: 10.0.0.1:80, expect: deny}', "f.yaml:3: '*/svc/*' can't be a source"),
    ('{from: "*/thing/*", to: 10.0.0.1:80, expect: deny}', "f.yaml:3: '*/thing/*': no kind 'thing'"),
    ('{from: "*", to: 10.0.0.1:80, expect: deny}', "f.yaml:3: '*' names nothing"),
    ('{from: ecom/deploy/ui-service, to: "*/svc/*-db:*", expect: deny}', "a port is a number or a name"),
]


@pytest.mark.parametrize(("item", "says"), NOTHING)
def test_a_pattern_that_matches_nothing_is_an_error_with_its_name(item, says):
    with pytest.raises(UsageError) as error:
        expanded(item)
    assert says in str(error.value)


def test_a_matrix_of_only_itself_is_an_error():
    with pytest.raises(UsageError, match=r"f\.yaml:3: nothing is left of it"):
        expanded('{from: ["ecom/sts/ecom-db", "ecom/sts/*"], to: [ecom/svc/ecom-db:5432, ecom/ecom-db-0:5432], expect: deny}')


def test_an_id_stands_once():
    with pytest.raises(UsageError, match=r"f\.yaml:4: id '1' stands at f.yaml:3 already"):
        expanded("{from: external, to: 10.0.0.1:80, expect: deny}", "{id: 1, from: external, to: 10.0.0.1:80, expect: deny}")


def test_a_pattern_over_what_can_not_be_listed_is_no_empty_answer():
    blind = with_kind(frozen_bookstore(), "Service", KindState(KindStatus.FORBIDDEN, "services is forbidden"), empty=True)
    with pytest.raises(ClusterError, match="services is forbidden"):
        expanded('{from: ecom/deploy/ui-service, to: "*/svc/*-db:5432", expect: deny}', snapshot=blind)


def test_a_name_that_is_not_there_fails_and_the_others_are_still_judged(capsys, healthy, tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text(
        HEAD
        + "  - {from: ecom/deploy/gone, to: inventory/svc/inventory-db:5432, expect: deny}\n"
        + "  - {from: ecom/deploy/ecom-service, to: inventory/svc/gone:1, expect: deny}\n"
        + "  - {from: ecom/deploy/ecom-service, to: inventory/svc/inventory-service:9, expect: deny}\n"
        + "  - {from: ecom/deploy/ecom-service, to: inventory/svc/inventory-db:5432, expect: deny}\n"
    )
    assert run(["verify", str(file), "-f", healthy, "-o", "json"]) == 1
    answer = json.loads(capsys.readouterr().out)
    assert [r["status"] for r in answer["results"]] == ["fail", "fail", "fail", "pass"]
    assert "no Deployment ecom/gone" in answer["results"][0]["reason"]


def test_what_can_not_be_listed_or_is_scaled_to_nothing_is_unknown():
    item = "{from: ecom/deploy/ecom-service, to: inventory/svc/inventory-db:5432, expect: deny}"
    forbidden = KindState(KindStatus.FORBIDDEN, "services is forbidden")
    blind = with_kind(frozen_bookstore(), "Service", forbidden, empty=True)
    (result,) = verify(Engine(blind), expanded(item, snapshot=blind))
    assert result.status is Status.UNKNOWN
    assert "services is forbidden" in why(result)
    empty = frozen_bookstore()
    idle = with_kind(empty, "Pod", KindState(KindStatus.SYNCED), empty=True)
    (result,) = verify(Engine(idle), expanded(item, snapshot=idle))
    assert (result.status, why(result)) == (Status.UNKNOWN, "no pods of Deployment ecom/ecom-service")


# ---- when an expectation is met


def verdict(decision, outcome, layer=Layer.ZTUNNEL):
    return Verdict(Decision(decision), outcome, layer, Decider(ObjectRef("AuthorizationPolicy", "a", "p"), "rules[0]"))


ALLOWED, CLOSED = verdict("allow", "connected"), verdict("deny", "closed")
NOT_FOUND = verdict("deny", "http_404", Layer.GATEWAY)
MIXED, DOUBT = verdict("mixed", "unknown"), verdict("unknown", "unknown")
STRAY = verdict("deny", "unknown", Layer.GATEWAY)

PREDICTED = [
    ("allow", ALLOWED, "pass"), ("allow", CLOSED, "fail"), ("allow", MIXED, "fail"), ("allow", DOUBT, "unknown"),
    ("deny", ALLOWED, "fail"), ("deny", CLOSED, "pass"), ("deny", MIXED, "fail"), ("deny", DOUBT, "unknown"),
    ("deny", NOT_FOUND, "pass"), ("deny", STRAY, "pass"), ("allow", STRAY, "fail"),
    ("closed", CLOSED, "pass"), ("timeout", CLOSED, "fail"), ("connected", CLOSED, "fail"), ("http_404", CLOSED, "fail"),
    ("http_404", NOT_FOUND, "pass"), ("http_403", NOT_FOUND, "fail"), ("closed", MIXED, "fail"), ("http_200", MIXED, "fail"),
    ("connected", ALLOWED, "pass"), ("closed", ALLOWED, "fail"), ("timeout", ALLOWED, "fail"),
    ("http_200", ALLOWED, "unknown"), ("http_401", ALLOWED, "unknown"), ("refused", ALLOWED, "unknown"),
    ("dns", ALLOWED, "unknown"), ("http_404", STRAY, "unknown"), ("connected", STRAY, "fail"), ("http_404", DOUBT, "unknown"),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "said", "status"), PREDICTED)
def test_against_a_prediction(expected, said, status):
    assert by_prediction(expected, said).value == status


OBSERVED = [
    ("allow", "connected", False, "pass"), ("deny", "connected", False, "fail"),
    ("allow", "http_200", False, "pass"), ("allow", "http_500", False, "pass"), ("allow", "http_404", False, "pass"),
    ("allow", "http_403", True, "fail"), ("deny", "http_403", True, "pass"), ("deny", "http_404", True, "pass"),
    ("allow", "timeout", False, "fail"), ("deny", "timeout", False, "pass"),
    ("allow", "closed", False, "fail"), ("deny", "closed", False, "pass"),
    ("allow", "refused", False, "fail"), ("deny", "refused", False, "unknown"), ("refused", "refused", False, "pass"),
    ("allow", "dns", False, "fail"), ("deny", "dns", False, "unknown"),
    ("allow", "not_settled", False, "unknown"), ("deny", "not_settled", False, "unknown"),
    ("allow", "unknown", False, "unknown"), ("http_404", "unknown", False, "unknown"),
    ("http_404", "http_404", True, "pass"), ("http_404", "http_404", False, "pass"), ("http_404", "http_200", False, "fail"),
    ("timeout", "closed", False, "fail"), ("closed", "closed", False, "pass"), ("connected", "http_200", False, "fail"),
]  # fmt: skip


def seen(outcome, predicted, *, from_proxy=False, **more):
    status = int(outcome[5:]) if outcome.startswith("http_") else None
    return Observation(FLOW, outcome, predicted, http_status=status, from_proxy=from_proxy, **more)


@pytest.mark.parametrize(("expected", "outcome", "from_proxy", "status"), OBSERVED)
def test_against_what_a_probe_saw(expected, outcome, from_proxy, status):
    assert by_observation(expected, seen(outcome, ALLOWED, from_proxy=from_proxy)).value == status


OUTCOMES = [
    "connected",
    "timeout",
    "refused",
    "closed",
    "dns",
    "tls",
    "not_settled",
    "unknown",
    "http_200",
    "http_403",
    "http_404",
]
EXPECTABLE = ["allow", "deny", "connected", "timeout", "refused", "closed", "dns", "tls", "http_200", "http_404"]


def test_no_reached_flow_meets_deny_and_no_other_meets_allow():
    for outcome, proxy in itertools.product(OUTCOMES, [True, False]):
        observation = seen(outcome, ALLOWED, from_proxy=proxy)
        assert (by_observation("allow", observation) is Status.PASS) == (observation.reached is True)
        assert (by_observation("deny", observation) is Status.PASS) == (observation.reached is False)


@given(st.text(max_size=12) | st.sampled_from(OUTCOMES))
def test_what_can_be_expected_are_outcomes_that_tell_something(word):
    known = word in {"allow", "deny", "connected", "timeout", "refused", "closed", "dns", "tls"}
    status = word.startswith("http_") and len(word) == 8 and word[5:].isascii() and word[5:].isdigit() and "1" <= word[5] <= "5"
    assert is_expectable(word) == (known or status)


WORLD = [namespace("a"), pod("a/web", "10.0.0.1"), pod("a/db", "10.0.0.2", [5432])]
CLOSE = policy("a/shut", "podSelector: {}\npolicyTypes: [Ingress]")


def result(expect, outcome, *, closed=False, http=False, **more):
    """A result on a world in which web's flow to db is allowed, or denied by a NetworkPolicy."""
    engine = Engine(snapshot_of([*WORLD, *([CLOSE] if closed else [])]))
    request = "http: {path: /}, " if http else ""
    (each,) = expand(engine, entries(f"{{from: a/web, to: 'a/db:5432', {request}expect: {expect}}}"))
    observation = seen(outcome, engine.judge(each.flow), **more) if outcome else None
    (found,) = verify(engine, [each], None if outcome is None else {each.flow.id: observation})
    return found


@pytest.mark.parametrize(
    ("expect", "outcome", "closed", "status", "says"),
    [
        ("allow", None, False, "pass", "allowed: no policy selects it"),
        ("allow", None, True, "fail", "denied by NetworkPolicy a/shut"),
        ("deny", "timeout", True, "pass", "denied by NetworkPolicy a/shut (ingress_policy)"),
        ("deny", "connected", True, "fail", "points to ingress_policy not being enforced there"),
        ("allow", "timeout", False, "fail", "points to egress_policy or ingress_policy"),
        ("allow", "closed", False, "fail", "points to ztunnel"),
        ("allow", "connected", True, "fail", "denied by NetworkPolicy a/shut"),
        ("deny", "timeout", False, "fail", "points to egress_policy or ingress_policy"),
        ("deny", "closed", True, "pass", "observed closed, which points to ztunnel"),
        ("timeout", "closed", True, "fail", "observed closed, which points to ztunnel"),
        ("allow", "refused", False, "fail", "nobody listens"),
        ("deny", "refused", True, "unknown", "nobody listens"),
        ("allow", "not_settled", False, "unknown", "not settled"),
        ("http_401", None, False, "unknown", "only --probe can tell"),
        ("http_401", "http_401", False, "pass", "allowed"),
        ("http_401", "http_200", False, "fail", "observed http_200"),
        ("allow", "unknown", False, "unknown", "not probed"),
    ],
)
def test_a_result_says_what_decides_and_where_reality_points_to(expect, outcome, closed, status, says):
    found = result(expect, outcome, closed=closed)
    assert found.status.value == status
    assert says in why(found)


def test_a_proxys_own_answer_points_to_it_and_a_ztunnels_error_is_told():
    found = result("allow", "http_403", http=True, from_proxy=True)
    assert found.status is Status.FAIL
    assert "points to waypoint or sidecar" in why(found)
    line = '2026-01-01T00:00:00Z\terror\taccess\tconnection complete\terror="connection closed due to policy rejection"'
    assert 'a ztunnel logged "connection closed due to policy rejection"' in why(result("allow", "closed", evidence=(line,)))


def test_what_was_not_probed_never_passes():
    engine = Engine(snapshot_of(WORLD))
    (found,) = verify(engine, expand(engine, entries("{from: a/web, to: 'a/db:5432', expect: allow}")), {})
    assert found.status is Status.UNKNOWN


def test_exit_codes():
    failed, doubtful, good = result("deny", None), result("http_200", None), result("allow", None)
    assert [exit_code(r) for r in ([good], [good, doubtful], [doubtful, failed], [])] == [0, 4, 1, 0]


# ---- the shipped file, and --init


def test_the_bookstores_file_has_45_expectations_of_every_identity():
    found = expand(Engine(frozen_bookstore()), read_expectations(*find("bookstore")))
    assert len(found) == 45
    identities = {each.flow.source.name for each in found if each.flow.source.name}
    assert identities == {
        "ecom-service",
        "ui-service",
        "inventory-service",
        "keycloak",
        "prometheus",
        "ecom-db",
        "inventory-db",
        "keycloak-db",
    }
    assert {each.flow.destination.name for each in found} == identities - {"prometheus"} | {"gateway"}
    assert len({each.flow.id for each in found}) == len({(e.flow.source, e.flow.destination, e.flow.http) for e in found}) == 45
    assert {each.expected for each in found} == {"allow", "deny", "http_404", "http_401"}


def test_the_bookstores_file_against_predictions_alone(capsys, healthy):
    assert run(["verify", "bookstore", "-f", healthy, "-o", "json"]) == 4
    answer = json.loads(capsys.readouterr().out)
    assert (answer["passed"], answer["failed"], answer["unknown"]) == (44, 0, 1)
    (unknown,) = [r for r in answer["results"] if r["status"] == "unknown"]
    assert unknown["expected"] == "http_401"
    assert msgspec.to_builtins(msgspec.convert(answer, Verification)) == answer


@pytest.mark.parametrize("scenario", scenarios.names())
def test_a_first_file_holds_on_what_it_was_written_from(scenario):
    engine = Engine(snapshot_of(scenarios.load(scenario)))
    found = expand(engine, read_expectations("f", first_file(engine).encode()))
    assert len(found) > 50
    assert {r.status for r in verify(engine, found)} == {Status.PASS}


def test_a_first_file_of_one_namespace_names_only_destinations_there():
    engine = Engine(frozen_bookstore())
    found = expand(engine, read_expectations("f", first_file(engine, "inventory").encode()))
    assert {each.flow.destination.namespace for each in found} == {"inventory"}
    with pytest.raises(UsageError, match="nothing to write"):
        first_file(engine, "nowhere")


def test_what_is_unsure_is_a_comment_in_a_first_file():
    owner = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "1", "controller": True}
    world = [namespace("a"), pod("a/web", "10.0.0.1")]
    for number, role in enumerate(("one", "two")):
        made = pod(f"a/db-{number}", f"10.0.0.{number + 2}", [5432], {"app": "db", "role": role})
        made["metadata"]["ownerReferences"] = [owner]
        world.append(made)
    spec = {"selector": {"app": "db"}, "ports": [{"port": 5432}], "clusterIP": "10.9.0.1"}
    world.append({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db", "namespace": "a"}, "spec": spec})
    engine = Engine(snapshot_of([*world, policy("a/shut", "podSelector: {matchLabels: {role: two}}\npolicyTypes: [Ingress]")]))
    with pytest.raises(UsageError, match="nothing to write"):
        first_file(engine)
    (mixed,) = verify(engine, expand(engine, entries("{from: a/web, to: 'a/svc/db:5432', expect: allow}")))
    assert (mixed.status, mixed.predicted) == (Status.FAIL, "mixed")
    assert "a/web → a/db-1 is denied by NetworkPolicy a/shut, a/web → a/db-0 is allowed" in why(mixed)


def test_init_writes_a_file_and_never_over_another(capsys, healthy, tmp_path):
    file = tmp_path / "flows.yaml"
    assert run(["verify", str(file), "--init", "-f", healthy]) == 0
    written = file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600
    assert run(["verify", str(file), "--init", "-f", healthy]) == 2
    assert "is there already" in capsys.readouterr().err
    assert file.read_text() == written
    assert run(["verify", "--init", "-f", healthy]) == 0
    assert capsys.readouterr().out == written
    assert run(["verify", str(file), "-f", healthy]) == 0


def test_manifests_can_not_be_probed(capsys, healthy):
    assert run(["verify", "bookstore", "--probe", "--yes", "-f", healthy]) == 2
    assert "manifests can't be probed" in capsys.readouterr().err
