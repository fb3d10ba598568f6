"""What istiod should send makes no difference to itself, whatever the cluster; and a change of one place makes exactly one."""

import itertools
import json
import random
import re
import tempfile
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from meshtui.engine.policy.authorization import Authorization
from meshtui.engine.policy.peer_authentication import PeerAuthentications
from meshtui.mesh.against_api import differences
from meshtui.mesh.desired import Desired
from meshtui.mesh.desired_policies import CONVERTED, STATIC_STRICT
from meshtui.model.membership import Installation
from meshtui.sources.manifests import load_manifests
from meshtui.ztunnel.dump import Table
from meshtui.ztunnel.reading import read_dump
from tests.fakes.dumps import dump_of, plain_tables
from tests.reference.clusters import PORTS, Cluster

RELAXED = settings(deadline=None, suppress_health_check=list(HealthCheck))
FOLDER = tempfile.TemporaryDirectory(prefix="meshtui-desired-")
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SWITCHES = (frozenset({"PILOT_AUTO_ALLOW_WAYPOINT_POLICY", "AMBIENT_ENABLE_DRY_RUN_AUTHORIZATION_POLICY"}), frozenset({"X"}))
NUMBER = re.compile(r"\[\d+\]")
W, S, P = Table.WORKLOADS, Table.SERVICES, Table.POLICIES


def cluster(seed):
    """A random cluster that is live, with some waypoints that are ready."""
    rng = random.Random(seed)
    objects = Cluster(rng, strange=True, proxies=True).objects
    for each in objects:
        if each["kind"] == "Gateway" and rng.random() < 0.8:
            home = each["metadata"]["namespace"]
            address = rng.choice(
                [{"type": "Hostname", "value": f"wp.{home}.svc.cluster.local"}, {"type": "IPAddress", "value": "10.9.9.9"}]
            )
            each["status"] = {"addresses": [address]}
        if each["kind"] == "PeerAuthentication":
            each["metadata"]["creationTimestamp"] = f"2025-01-0{rng.randint(1, 9)}T00:00:00Z"
    Path(FOLDER.name, "all.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    installation = Installation(switches=rng.choice(SWITCHES))
    return rng, replace(load_manifests([FOLDER.name]), live=True, installation=installation)


def said(snapshot, tables):
    return differences(snapshot, dump_of(tables), "one", now=NOW)


@given(st.integers(0, 2**40))
@settings(RELAXED, max_examples=300)
def test_what_istiod_should_send_makes_no_difference(seed):
    rng, snapshot = cluster(seed)
    tables = plain_tables(snapshot)
    assert said(snapshot, tables) == ()
    for each in tables[P].values():
        shuffle_rules(rng, each)
    for each in tables[W].values():
        for name in ("authorizationPolicies", "workloadIps", "services"):
            rng.shuffle(each.get(name, []))
    lists = {table.value: list(entries.values()) for table, entries in tables.items()}
    lists["config"] = {"clusterId": "Kubernetes"}
    assert differences(snapshot, read_dump(json.dumps(lists).encode()), "one", now=NOW) == ()


def shuffle_rules(rng, policy):
    rules = policy.get("rules", [])
    for clauses in rules:
        for matches_ in clauses:
            for match in matches_:
                for values in match.values():
                    rng.shuffle(values)
            rng.shuffle(matches_)
        rng.shuffle(clauses)
    rng.shuffle(rules)


# ---- one change


def mutants(tables):
    """Changes of one place: a word for it, the change, and the field that the difference must name."""
    for uid, entry in tables[W].items():
        yield "workload missing", lambda uid=uid: tables[W].pop(uid), ""
        yield from mutants_of_workload(entry)
    for key, entry in tables[S].items():
        yield "service missing", lambda key=key: tables[S].pop(key), ""
        yield from mutants_of_service(entry)
    for key, entry in tables[P].items():
        yield "policy missing", lambda key=key: tables[P].pop(key), ""
        yield from mutants_of_policy(entry)


def mutants_of_workload(entry):
    for field, other in (
        ("workloadIps", ["10.250.0.1"]),
        ("serviceAccount", "other"),
        ("trustDomain", "other"),
        ("node", "other"),
        ("status", "Unhealthy" if entry.get("status", "Healthy") == "Healthy" else "Healthy"),
        ("networkMode", "Standard" if entry.get("networkMode") == "HostNetwork" else "HostNetwork"),
        ("waypoint", {"destination": "a/other", "hboneMtlsPort": 15008}),
        ("authorizationPolicies", [*entry.get("authorizationPolicies", []), "a/other"]),
    ):
        yield field, lambda field=field, other=other: entry.update({field: other}), field
    if entry.get("waypoint"):
        yield "waypoint gone", lambda: entry.pop("waypoint"), "waypoint"
    if entry.get("authorizationPolicies"):
        yield "policy gone", entry["authorizationPolicies"].pop, "authorizationPolicies"


def mutants_of_service(entry):
    yield "vips", lambda: entry.update(vips=["/10.250.0.2"]), "vips"
    yield "ports", lambda: entry.update(ports={"7": 7}), "ports"
    yield "waypoint of Service", lambda: entry.update(waypoint={"destination": "a/other"}), "waypoint"
    for uid, endpoint in entry.get("endpoints", {}).items():
        yield "endpoint missing", lambda uid=uid: entry["endpoints"].pop(uid), "endpoints"
        where = f"endpoints[{uid.partition('//Pod/')[2]}]"
        yield "endpoint's port", lambda endpoint=endpoint: endpoint.update(port={"7": 7}), f"{where}.port"


def mutants_of_policy(entry):
    yield "action", lambda: entry.update(action="Deny" if entry["action"] == "Allow" else "Allow"), "action"
    yield "scope", lambda: entry.update(scope="other"), "scope"
    yield "dry run", lambda: entry.update(dryRun=not entry.get("dryRun", False)), "dryRun"
    rules = entry.setdefault("rules", [])
    yield "rule more", lambda: rules.append([[{"destinationPorts": [7]}]]), "rules"
    for at, rule in enumerate(rules):
        yield "rule gone", lambda at=at: rules.pop(at), "rules"
        yield "clause more", lambda rule=rule: rule.append([{"destinationPorts": [7]}]), f"rules[{at}]"
        for second, clause in enumerate(rule):
            yield "clause gone", lambda rule=rule, second=second: rule.pop(second), f"rules[{at}]"
            if all(clause):  # a match that says nothing counts only where there is no other
                yield from mutants_of_clause(clause, f"rules[{at}][{second}]")


def mutants_of_clause(clause, where):
    yield "match more", lambda: clause.append({"destinationPorts": [7]}), where
    for third, match in enumerate(clause):
        yield "match gone", lambda third=third: clause.pop(third), where
        other = {"sourceIps": ["10.250.0.0/30"]}
        yield "field", lambda match=match, other=other: match.update(other), f"{where}[{third}].sourceIps"


@given(st.integers(0, 2**40))
@settings(RELAXED, max_examples=400)
def test_one_change_makes_exactly_one_difference(seed):
    rng, snapshot = cluster(seed)
    tables = plain_tables(snapshot)
    kinds = [list(found) for _, found in itertools.groupby(sorted(mutants(tables), key=lambda m: m[0]), key=lambda m: m[0])]
    assume(kinds)
    word, change, field = rng.choice(rng.choice(kinds))
    change()
    assume(any(tables.values()))
    event(word)
    found = [each.field for each in said(snapshot, tables)]
    assert [NUMBER.sub("", each) for each in found] == [NUMBER.sub("", field)]  # of two equal rules, either may be meant


# ---- the same answer as the engine's


@given(st.integers(0, 2**40))
@settings(RELAXED, max_examples=200)
def test_the_attached_policies_decide_as_the_engine_does(seed):
    """Plaintext to each port of each pod: refused by the converted policies exactly where the engine says so."""
    _, snapshot = cluster(seed)
    desired = Desired(snapshot)
    engine = PeerAuthentications(snapshot)
    for wanted in desired.workloads.values():
        keys = [key for key in wanted.attached.keys if key.partition("/")[2].startswith((STATIC_STRICT, CONVERTED))]
        held = [desired.policies.by_key[key].policy for key in keys if key in desired.policies.by_key]
        for port in PORTS:
            refused = any(refuses_plaintext(policy, port) for policy in held)
            assert refused == engine.effective(wanted.pod, port).strict


def refuses_plaintext(policy, port):
    return any(all(any(matches_plaintext(m, port) for m in clause) for clause in rule) for rule in policy.rules)


def matches_plaintext(match, port):
    named, others = match.get("destinationPorts"), match.get("notDestinationPorts", ())
    return bool(match) and (named is None or port in named) and port not in others


@given(st.integers(0, 2**40))
@settings(RELAXED, max_examples=100)
def test_the_policies_of_a_pod_are_those_that_the_engine_evaluates(seed):
    _, snapshot = cluster(seed)
    desired, engine = Desired(snapshot), Authorization(snapshot)
    root = snapshot.mesh.root_namespace
    for wanted in desired.workloads.values():
        pod = wanted.pod
        listed = {key for key in wanted.attached.keys if "_" not in key}
        wide = {
            key
            for key, each in desired.policies.by_key.items()
            if each.policy.scope != "WorkloadSelector" and each.policy.namespace in {pod.namespace, root}
        }
        dry = {key for key, each in desired.policies.by_key.items() if each.policy.dry_run}
        evaluated = {f"{c.policy.meta.namespace}/{c.policy.meta.name}" for c in engine.covering(pod)}
        assert (listed | wide) - dry == evaluated - desired.policies.undetermined.keys() - dry
