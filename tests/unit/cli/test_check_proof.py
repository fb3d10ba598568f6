"""A fix that doesn't keep its promise isn't offered: it is tried on the snapshot, with the other fixes and alone."""

import json
from dataclasses import replace

import yaml

from meshtui.cli.check_proof import proven
from meshtui.cli.main import run
from meshtui.findings import evaluate, look
from meshtui.model.finding import Edit, Fix, Operation
from meshtui.model.ids import ObjectRef
from tests.fakes.snapshots import ambient, pod, policy, snapshot_of

CLOSED = policy(
    "shop/db",
    {
        "podSelector": {"matchLabels": {"app": "db"}},
        "ingress": [{"from": [{"podSelector": {"matchLabels": {"app": "web"}}}], "ports": [{"port": 5432}]}],
    },
)
OBJECTS = [
    ambient("shop"),
    pod("shop/web", "10.0.0.1", [8080], account="web"),
    pod("shop/db", "10.0.0.2", [5432], account="db"),
    CLOSED,
]
SNAPSHOT = snapshot_of(OBJECTS)
FINDINGS = list(look(SNAPSHOT).findings)
TEXTS = {f.objects[0]: yaml.safe_dump(CLOSED) for f in FINDINGS if f.rule == "MT301"}


def with_fix(*operations):
    """The findings, with another fix for the closed tunnel."""
    edited = [
        replace(f, fix=Fix("a change", (Edit(f.objects[0], operations),))) if f.rule == "MT301" else replace(f, fix=None)
        for f in FINDINGS
    ]
    return edited, next(f for f in edited if f.rule == "MT301")


def fixes(found):
    return {f.rule for f in found if f.fix is not None}


def test_fixes_that_heal_are_kept():
    kept, lines = proven(SNAPSHOT, FINDINGS, FINDINGS, TEXTS, evaluate)
    assert (kept, lines) == (FINDINGS, [])
    assert "MT301" in fixes(kept)


def test_a_fix_that_leaves_its_finding_is_named_and_not_offered():
    edited, one = with_fix(Operation("add", ("metadata", "labels", "a"), "b"))
    kept, lines = proven(SNAPSHOT, edited, edited, TEXTS, evaluate)
    assert lines == [f"no fix is offered for MT301 {one.objects[0]}: it doesn't end the finding"]
    assert fixes(kept) == set()
    assert [replace(f, fix=None) for f in edited] == kept


def test_a_fix_that_makes_an_error_is_named_and_not_offered():
    tunnel = Operation("add", ("spec", "ingress", 0, "ports", "-"), {"protocol": "TCP", "port": 15008})
    edited, one = with_fix(tunnel)
    to = {"to": [{"operation": {"methods": ["GET"]}}]}
    spec = {"selector": {"matchLabels": {"app": "db"}}, "rules": [to]}
    made = policy("shop/new", spec, "AuthorizationPolicy")
    create = Edit(ObjectRef("AuthorizationPolicy", "shop", "new"), create=made)
    worse = replace(one, fix=replace(one.fix, edits=(*one.fix.edits, create)))
    edited = [worse if f is one else f for f in edited]
    kept, (line,) = proven(SNAPSHOT, edited, edited, TEXTS, evaluate)
    assert line.startswith(f"no fix is offered for MT301 {one.objects[0]}: it would make an error: AuthorizationPolicy shop/new ")
    assert fixes(kept) == set()


def api(name, ip):
    return pod(f"shop/{name}", ip, [9000], account=name)


def closed_to_web(name):
    """A policy that opens the application's port to web, and not the tunnel's."""
    made = policy(f"shop/{name}", {**CLOSED["spec"], "podSelector": {"matchLabels": {"app": name}}})
    made["spec"] = {**made["spec"], "ingress": [{**CLOSED["spec"]["ingress"][0], "ports": [{"port": 9000}]}]}
    return made


def several(number, *broken):
    """As many closed tunnels, the fixes of some of which change a label instead; with the manifests, and what is evaluated."""
    names = [f"api-{index}" for index in range(number)]
    policies = [closed_to_web(name) for name in names]
    pods = [api(name, f"10.0.1.{index}") for index, name in enumerate(names)]
    snapshot = snapshot_of([*OBJECTS[:2], *pods, *policies])
    useless = Operation("add", ("metadata", "labels", "a"), "b")
    found = [
        replace(f, fix=Fix("a change", (Edit(f.objects[0], (useless,)),))) if f.objects[0].name in broken else f
        for f in evaluate(snapshot)
        if f.rule == "MT301"
    ]
    calls = []

    def counted(after):
        calls.append(after)
        return evaluate(after)

    texts = {f.objects[0]: yaml.safe_dump(policies[names.index(f.objects[0].name)]) for f in found}
    return snapshot, found, texts, counted, calls


def test_many_good_fixes_are_tried_once_and_the_bad_ones_found_without_trying_each():
    snapshot, found, texts, counted, calls = several(24)
    assert (proven(snapshot, found, found, texts, counted), len(calls)) == ((found, []), 1)
    snapshot, found, texts, counted, calls = several(24, "api-3", "api-17")
    kept, lines = proven(snapshot, found, found, texts, counted)
    assert {f.objects[0].name for f in kept if f.fix is None} == {"api-3", "api-17"}
    assert len(lines) == 2
    assert len(calls) < 12


def test_errors_that_are_known_elsewhere_are_not_the_fixs_doing():
    snapshot, found, texts, counted, _ = several(3)
    only, others = found[:1], found[1:]
    assert {f.severity.name for f in others} == {"ERROR"}, "these are left out, as those of a baseline are"
    assert proven(snapshot, only, found, texts, counted) == (only, [])


def test_what_is_left_of_another_finding_is_no_new_error():
    snapshot, found, texts, _, _ = several(2)
    wider = replace(found[1], objects=(*found[1].objects, ObjectRef("Deployment", "shop", "more")), fix=None)
    known = [found[0], wider]
    assert proven(snapshot, known, known, texts, lambda _: [found[1]]) == (known, [])


def test_a_fix_is_not_blamed_for_another_finding_of_its_rule_and_object():
    snapshot, (one, other), texts, _, _ = several(2)
    twin = replace(one, message="another place", fix=other.fix)
    worse = replace(other, message="an error", rule="MT999", objects=(ObjectRef("Pod", "shop", "x"),))

    def after(changed):
        opened = {p.meta.name for p in changed.network_policies.values() if p.names_port(15008)}
        left = [f for f, name in ((one, "api-0"), (twin, "api-1")) if name not in opened]
        return [*left, *([worse] if "api-1" in opened else [])]

    kept, lines = proven(snapshot, [one, twin], [one, twin], texts, after)
    assert [f.fix is not None for f in kept] == [True, False]
    assert "it would make an error: an error" in lines[0]


def test_a_fix_whose_object_cannot_be_read_is_left_as_it_is():
    assert proven(SNAPSHOT, FINDINGS, FINDINGS, {}, evaluate)[0] == FINDINGS


def test_a_baseline_takes_no_fix_away(capsys, tmp_path):
    policies = [closed_to_web("api-0"), closed_to_web("api-1")]
    first, both = tmp_path / "first.yaml", tmp_path / "both.yaml"
    common = [*OBJECTS[:2], api("api-0", "10.0.1.0"), api("api-1", "10.0.1.1")]
    first.write_text(yaml.safe_dump_all([*common, policies[0]]))
    both.write_text(yaml.safe_dump_all([*common, *policies]))
    baseline = str(tmp_path / "baseline")
    assert run(["check", "-f", str(first), "--write-baseline", baseline]) == 0
    capsys.readouterr()
    assert run(["check", "-f", str(both), "--baseline", baseline, "-o", "json"]) == 1
    out, err = capsys.readouterr()
    (one,) = [f for f in json.loads(out)["findings"] if f["rule"] == "MT301"]
    assert one["objects"][0]["name"] == "api-1"
    assert "15008" in one["fix"]["patch"]
    assert "no fix is offered" not in err
