"""Where findings are (file, line, field; of a cluster, who changed the object last), and fixes as files and replacements."""

import json
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest
import yaml

from meshtui.cli.check_places import places_of
from meshtui.cli.main import run
from meshtui.findings import look
from meshtui.model.finding import Finding, Severity
from meshtui.model.ids import ObjectRef
from meshtui.sandbox.scenarios import load
from meshtui.sources.manifest_edits import Replacement, applied
from meshtui.sources.manifest_lines import LARGEST, Place
from meshtui.sources.manifest_lines import places_of as places_in
from meshtui.sources.manifests import load_manifests, read_documents
from tests.fakes.snapshots import ambient, pod, snapshot_of

CLOSED = """\
# what the database lets in
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: db
  namespace: shop
spec:
  podSelector: {matchLabels: {app: db}}
  ingress:
  - from: [{podSelector: {matchLabels: {app: web}}}]
    ports:
    - port: 5432  # PostgreSQL
"""
CAPTURED = {"annotations": {"ambient.istio.io/redirection": "enabled"}}
PODS = [
    ambient("shop"),
    pod("shop/web", "10.0.0.1", [8080], account="web", metadata=CAPTURED),
    pod("shop/db", "10.0.0.2", [5432], account="db", metadata=CAPTURED),
]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder with manifests, which is the working directory."""
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "pods.yaml").write_text(yaml.safe_dump_all(PODS))
    (tmp_path / "deploy" / "netpol ü.yaml").write_text(CLOSED)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def answer(capsys, *words):
    run(["check", *words])
    return capsys.readouterr().out


def of_rule(found, rule):
    return next(each for each in found if each["rule"] == rule)


def test_text_names_file_and_line(capsys, folder):
    out = answer(capsys, "-f", "deploy")
    after = out[out.index("MT301") :]
    assert "at: deploy/netpol ü.yaml:10 (spec.ingress[0])" in after[: after.index("fix:")]


def test_json_has_the_place(capsys, folder):
    finding = of_rule(json.loads(answer(capsys, "-f", "deploy", "-o", "json"))["findings"], "MT301")
    place = finding["place"]
    assert (place["file"], place["line"], place["field"]) == ("deploy/netpol ü.yaml", 10, "spec.ingress[0]")
    assert (place["changed_by"], place["changed_at"]) == (None, None)


def test_junit_has_the_place(capsys, folder):
    cases = ET.fromstring(answer(capsys, "-f", "deploy", "-o", "junit")).iter("testcase")
    (case,) = [case for case in cases if case.get("classname") == "MT301"]
    assert (case.get("file"), case.get("line")) == ("deploy/netpol ü.yaml", "10")
    assert "at: deploy/netpol ü.yaml:10" in case.find("failure").text


def test_sarif_has_the_place_relative_to_the_working_directory(capsys, folder):
    results = json.loads(answer(capsys, "-f", str(folder / "deploy"), "-o", "sarif"))["runs"][0]["results"]
    (result,) = [each for each in results if each["ruleId"] == "MT301"]
    physical = result["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"] == {"uri": "deploy/netpol%20%C3%BC.yaml", "uriBaseId": "%SRCROOT%"}
    assert physical["region"]["startLine"] == 10


def test_a_file_elsewhere_has_its_whole_path(capsys, folder, monkeypatch):
    monkeypatch.chdir("/")
    results = json.loads(answer(capsys, "-f", str(folder / "deploy"), "-o", "sarif"))["runs"][0]["results"]
    place = next(each for each in results if each["ruleId"] == "MT301")["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"].lstrip("file:/").startswith(str(folder).lstrip("/"))


def test_the_fix_in_sarif_heals_the_file_and_keeps_its_comments(capsys, folder):
    results = json.loads(answer(capsys, "-f", "deploy", "-o", "sarif"))["runs"][0]["results"]
    (fix,) = next(each for each in results if each["ruleId"] == "MT301")["fixes"]
    (change,) = fix["artifactChanges"]
    pieces = [
        Replacement(
            (piece["deletedRegion"]["startLine"], piece["deletedRegion"]["startColumn"]),
            (piece["deletedRegion"]["endLine"], piece["deletedRegion"]["endColumn"]),
            piece["insertedContent"]["text"],
        )
        for piece in change["replacements"]
    ]
    file = folder / "deploy" / "netpol ü.yaml"
    file.write_text(applied(file.read_text(), pieces))
    assert "# PostgreSQL" in file.read_text()
    assert "MT301" not in {finding.rule for finding in look(load_manifests(["deploy"])).findings}


def test_what_a_fix_creates_is_no_replacement(capsys, tmp_path, monkeypatch):
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all(load("open-databases")))
    monkeypatch.chdir(tmp_path)
    results = json.loads(answer(capsys, "-f", "all.yaml", "-o", "sarif"))["runs"][0]["results"]
    found = [each for each in results if each["ruleId"] == "MT208"]
    assert found
    assert all("fixes" not in each for each in found)


# ---- lines


def test_places_of_objects_and_fields(folder):
    ref, snapshot = ObjectRef("NetworkPolicy", "shop", "db"), load_manifests(["deploy"])
    file = "deploy/netpol ü.yaml"
    wanted = {
        "": Place(file, 2, 1),
        "spec.ingress[0].ports[0].port": Place(file, 12, 7),
        "spec.ingress[0]": Place(file, 10, 5),
        "spec.ingress[3].from": Place(file, 9, 3),
        "spec.gone": Place(file, 7, 1),
        "metadata.labels['a.b/c']": Place(file, 4, 1),
    }
    assert {field: places_in(snapshot, [(ref, field)])[ref, field] for field in wanted} == wanted


A_LIST = """\
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Namespace, metadata: {name: ns}}
-
  apiVersion: v1
  kind: ServiceAccount
  metadata: {name: a, namespace: ns}
"""
TYPED = "apiVersion: v1\nkind: ServiceAccountList\nitems:\n-\n\n  metadata: {name: a, namespace: ns}\n"
SECOND = "---\n# nothing\n---\n\n\napiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, namespace: ns}\n"
AS_JSON = {"apiVersion": "v1", "kind": "ServiceAccountList", "items": [{"metadata": {"name": "a", "namespace": "ns"}}]}


@pytest.mark.parametrize("text", [A_LIST, TYPED, SECOND, json.dumps(AS_JSON, indent=1)])
def test_members_of_lists_have_lines(tmp_path, text):
    file = tmp_path / "a.yaml"
    file.write_text(text)
    ref = ObjectRef("ServiceAccount", "ns", "a")
    place = places_in(load_manifests([str(file)]), [(ref, "")])[ref, ""]
    assert "".join(text.splitlines()[place.line - 1 :]).lstrip(" {\"'").startswith(("apiVersion", "metadata", "kind"))


def test_a_very_large_file_has_a_name_and_no_line(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text("# " + "x" * LARGEST + "\n" + CLOSED)
    ref = ObjectRef("NetworkPolicy", "shop", "db")
    assert places_in(load_manifests([str(file)]), [(ref, "")])[ref, ""] == Place(str(file))


def test_what_is_in_no_file_has_no_place():
    snapshot = read_documents([*PODS], "the change")
    ref = ObjectRef("Pod", "shop", "web")
    assert places_in(snapshot, [(ref, ""), (ObjectRef("Pod", "shop", "gone"), "")]) == {}


# ---- a cluster


def test_of_a_cluster_who_changed_it_last():
    managed = [
        {"manager": "helm", "operation": "Update", "time": "2026-11-20T08:00:00Z"},
        {"manager": "kubectl-edit", "operation": "Update", "time": "2026-11-24T10:03:00Z"},
        {"manager": "kubelet", "operation": "Update", "time": "2026-11-25T00:00:00Z", "subresource": "status"},
    ]
    edited = pod("shop/db", "10.0.0.2", [5432], account="db", metadata={**CAPTURED, "managedFields": managed})
    snapshot = snapshot_of([*PODS[:2], edited], live=True)
    finding = Finding("MT208", "open database", Severity.ERROR, (ObjectRef("Pod", "shop", "db"),), "open", field="spec")
    places = places_of(snapshot, [finding])
    assert places.in_words(finding) == "last changed by kubectl-edit 2026-11-24 10:03 UTC (spec)"
    assert places.to_json(finding)["changed_by"] == "kubectl-edit"
    assert places.to_json(finding)["changed_at"] == "2026-11-24T10:03:00Z"


def test_of_a_cluster_since_when_it_is_there():
    made = datetime(2026, 11, 20, 8, tzinfo=UTC).isoformat()
    new = pod("shop/db", "10.0.0.2", [5432], account="db", metadata={**CAPTURED, "creationTimestamp": made})
    finding = Finding("MT208", "open database", Severity.ERROR, (ObjectRef("Pod", "shop", "db"),), "open")
    assert places_of(snapshot_of([new], live=True), [finding]).in_words(finding) == "created 2026-11-20 08:00 UTC"


# ---- fixes as files


def test_fixes_are_written_and_heal_together(capsys, tmp_path):
    before = tmp_path / "all.yaml"
    before.write_text(yaml.safe_dump_all(load("as-found")))
    fixes = tmp_path / "fixes"
    assert run(["check", "-f", str(before), "--fix-dir", str(fixes), "--fail-on", "never"]) == 0
    out, err = capsys.readouterr()
    assert "11 objects" in err
    assert "together they open 1 and close 21" in err
    assert "not ended" not in err
    assert "MT208" in out
    texts = [file.read_text() for file in sorted(fixes.iterdir())]
    assert all(text.startswith("# MT") for text in texts)
    run(["diff", str(fixes), "-f", str(before), "-o", "json"])
    said = json.loads(capsys.readouterr().out)
    assert (len(said["opened"]), len(said["closed"])) == (1, 21)


def test_several_fixes_of_one_object_are_one_file(capsys, tmp_path):
    second = CLOSED.replace("name: db", "name: web").replace("app: db}", "app: web}").replace("app: web}}}]", "app: db}}}]")
    (tmp_path / "in.yaml").write_text(yaml.safe_dump_all(PODS) + "---\n" + CLOSED + "---\n" + second)
    run(["check", "-f", str(tmp_path / "in.yaml"), "--fix-dir", str(tmp_path / "out"), "--fail-on", "never"])
    names = [file.name for file in (tmp_path / "out").iterdir()]
    assert len(names) == len({name.partition("-")[2] for name in names})
    assert any(name.endswith("networkpolicy-shop-db.yaml") for name in names)


def test_a_folder_with_something_in_it_stays_as_it_is(capsys, tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    before = tmp_path / "all.yaml"
    before.write_text(yaml.safe_dump_all(load("as-found")))
    assert run(["check", "-f", str(before), "--fix-dir", str(tmp_path)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert sorted(file.name for file in tmp_path.iterdir()) == ["all.yaml", "mine.txt"]


def test_without_a_fix_nothing_is_written(capsys, tmp_path):
    (tmp_path / "in.yaml").write_text(yaml.safe_dump_all([PODS[0]]))
    assert run(["check", "-f", str(tmp_path / "in.yaml"), "--fix-dir", str(tmp_path / "out")]) == 0
    assert "no finding has a fix" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


# ---- pages


def test_explain_prints_the_page_of_a_rule_without_a_cluster(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    assert run(["explain", "mt301"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("# MT301: HBONE closed\n")
    assert "no cluster to look at" in err
    assert run(["explain", "MT301", "-o", "json"]) == 2


def test_explain_prints_the_page_and_what_the_rule_finds_here(capsys, folder):
    assert run(["explain", "MT301", "-f", "deploy"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# MT301: HBONE closed\n")
    assert "MT301 HBONE closed (error): 1 found" in out
    assert "at: deploy/netpol ü.yaml:10 (spec.ingress[0])" in out
