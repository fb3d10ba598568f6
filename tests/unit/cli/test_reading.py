"""Every command that reads files says in one line what its answer rests on, and ends with 2 where something was skipped."""

import json
import sys

import msgspec
import pytest
import yaml

from meshtui.cli.main import run
from meshtui.cli.schemas.flows import Read
from meshtui.sandbox import scenarios
from meshtui.sources.manifests import load_manifests
from tests.fakes.snapshots import namespace, pod, policy

CALL = ("ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000")


def custom(kind, version, name="x", namespace="shop", **spec):
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec}


@pytest.fixture(scope="module")
def bookstore(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bookstore")
    (folder / "all.yaml").write_text(yaml.safe_dump_all(scenarios.load("healthy")))
    return folder


@pytest.fixture
def partly(tmp_path, bookstore):
    """The bookstore, kinds that aren't read, and files that can't be."""
    folder = tmp_path / "partly"
    (folder / "chart").mkdir(parents=True)
    (folder / "all.yaml").write_text((bookstore / "all.yaml").read_text())
    routes = [custom("DestinationRule", "networking.istio.io/v1", f"v{n}") for n in range(3)]
    others = [
        custom("ClusterNetworkPolicy", "crd.antrea.io/v1beta1", "g"),
        custom("ConfigMap", "v1"),
        custom("Role", "rbac.authorization.k8s.io/v1"),
    ]
    (folder / "more.yaml").write_text(yaml.safe_dump_all([*routes, *others]))
    (folder / "broken.yaml").write_text("a: [1,\n")
    (folder / "chart" / "Chart.yaml").write_text("name: web\n")
    (folder / "chart" / "a.yaml").write_text("{{ a }}\n")
    return folder


COMMANDS = {
    "check": ["--fail-on", "never"],
    "matrix": [],
    "explain": list(CALL),
    "probe": [*CALL, "--plan"],
    "verify": ["--init"],
    "predict": ["--flows", "FLOWS"],
    "report-verdict": list(CALL),
    "diff": ["BOOKSTORE"],
}


def asked(capsys, name, folder, bookstore, *more):
    """A command on a folder: its exit code, standard output, and the lines of standard error."""
    flows = folder.parent / "flows.jsonl"
    flows.write_text('{"from": {"pod": "ecom/redis-0"}, "to": {"ip": "10.0.0.7", "port": 1}}\n')
    words = [{"FLOWS": str(flows), "BOOKSTORE": str(bookstore)}.get(word, word) for word in COMMANDS[name]]
    code = run([name, *words, "-f", str(folder), *more])
    out, err = capsys.readouterr()
    return code, out, err.splitlines()


LINE = "not read: DestinationRule ×3, ClusterNetworkPolicy ×1; skipped: 3 files ("


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_command_says_what_it_rests_on_and_ends_with_2(capsys, partly, bookstore, name):
    code, out, err = asked(capsys, name, partly, bookstore)
    assert code == 2
    assert out
    (line,) = [line for line in err if LINE in line]
    assert line.startswith("meshtui: note: ")
    assert "read 67 objects in 2 files; " in line
    assert f"{partly}/broken.yaml: line 2: " in line
    assert "--skip-unreadable" in err[-1]


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_exit_code_is_the_commands_own_where_that_is_accepted(capsys, partly, bookstore, name):
    own, _, _ = asked(capsys, name, bookstore, bookstore)
    code, _, err = asked(capsys, name, partly, bookstore, "--skip-unreadable")
    assert code == own
    assert any(LINE in line for line in err)


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_where_all_is_read_there_is_one_short_line(capsys, bookstore, name):
    _, _, err = asked(capsys, name, bookstore, bookstore)
    lines = [line.removeprefix("meshtui: note: ") for line in err if "read 67 objects" in line]
    if name == "diff":  # two inputs, each with its name
        assert lines == [f"{bookstore}: read 67 objects in 1 file"] * 2
    else:
        assert lines == ["read 67 objects in 1 file"]


def test_a_verdict_assumes_that_what_was_skipped_decides_nothing(capsys, partly, bookstore):
    _, out, _ = asked(capsys, "explain", partly, bookstore, "-o", "json")
    assumed = f"what was skipped of the manifests decides nothing: 3 files ({partly}/broken.yaml: line 2: "
    assert any(text.startswith(assumed) for text in json.loads(out)["assumptions"])
    _, out, _ = asked(capsys, "explain", bookstore, bookstore, "-o", "json")
    assert not any("skipped" in text for text in json.loads(out)["assumptions"])


def test_verbose_lists_each_file_and_kind(capsys, partly, bookstore):
    _, _, err = asked(capsys, "explain", partly, bookstore, "-v")
    said = [line.removeprefix("meshtui: note: ") for line in err]
    assert f"skipped {partly}/broken.yaml: line 2: did not find expected node content" in said
    assert f"skipped {partly}/chart: a Helm chart; render it: helm template web {partly}/chart | meshtui -f - … (2 files)" in said
    assert "not read: DestinationRule ×3 (networking.istio.io)" in said
    assert "not read: ClusterNetworkPolicy ×1 (crd.antrea.io)" in said
    assert any(line.startswith("ignored, since") and "ConfigMap ×1" in line and "Role ×1" in line for line in said)


@pytest.mark.parametrize("name", ["check", "explain", "probe", "diff", "verify"])
def test_a_json_object_carries_it(capsys, partly, bookstore, tmp_path, name):
    if name == "verify":
        (tmp_path / "e.yaml").write_text(
            yaml.safe_dump({"apiVersion": "meshtui/v1", "flows": [{"from": CALL[0], "to": CALL[1], "expect": "allow"}]})
        )
        assert run(["verify", str(tmp_path / "e.yaml"), "-f", str(partly), "-o", "json"]) == 2
        out = capsys.readouterr().out
    else:
        _, out, _ = asked(capsys, name, partly, bookstore, "-o", "json")
    read = json.loads(out)["read"]
    assert msgspec.to_builtins(msgspec.convert(read, Read)) == read
    assert read["not_read"][0] == {"kind": "DestinationRule", "group": "networking.istio.io", "count": 3}
    assert [each["files"] for each in read["skipped"]] == [1, 2]
    assert read["skipped"][1]["command"] == f"helm template web {partly}/chart"
    if name == "diff":
        assert json.loads(out)["read_new"]["skipped"] == []


def test_a_single_file_that_cannot_be_parsed_is_an_error(capsys, partly):
    for more in ((), ("--skip-unreadable",)):
        assert run(["matrix", "-f", str(partly / "broken.yaml"), *more]) == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert err.startswith(f"meshtui: {partly}/broken.yaml:2: ")


def test_where_nothing_is_left_the_error_has_the_command(capsys, partly):
    assert run(["matrix", "-f", str(partly / "chart"), "--skip-unreadable"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert f"helm template web {partly}/chart | meshtui -f - …" in err
    assert "--render" in err


def test_a_kustomization_file_that_is_given_itself_says_how_to_render_it(capsys, tmp_path):
    (tmp_path / "kustomization.yaml").write_text("kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1beta1\n")
    assert run(["matrix", "-f", str(tmp_path / "kustomization.yaml")]) == 2
    assert "--render" in capsys.readouterr().err


def test_an_error_that_may_come_from_a_skipped_file_says_what_was_skipped(capsys, partly):
    assert run(["explain", "ecom/deploy/gone", CALL[1], "-f", str(partly)]) == 2
    err = capsys.readouterr().err.splitlines()
    assert LINE in err[0]
    assert "gone" in err[-1]


def test_render_runs_the_program_and_says_so(capsys, partly, bookstore, tmp_path, monkeypatch):
    helm = tmp_path / "bin" / "helm"
    helm.parent.mkdir()
    helm.write_text(f"#!{sys.executable}\nprint('{json.dumps(pod('shop/rendered'))}')\n")
    helm.chmod(0o755)
    monkeypatch.setenv("PATH", str(helm.parent))
    code, out, err = asked(capsys, "matrix", partly, bookstore, "--render", "--skip-unreadable")
    assert code == 0
    assert "shop/" in out or "rendered" in out
    assert any(f"rendered: helm template web {partly}/chart; " in line for line in err)


def test_two_different_objects_of_one_name_are_an_error(capsys, bookstore, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(yaml.safe_dump(policy("ecom/ecom-netpol", {"podSelector": {}})))
    assert run(["explain", *CALL, "-f", str(bookstore), "-f", str(other)]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert f"{bookstore}/all.yaml (object " in err
    assert f"{other} (object 1)" in err


def test_a_path_cannot_forge_a_line(capsys, bookstore, tmp_path):
    folder = tmp_path / "x"
    folder.mkdir()
    (folder / "all.yaml").write_text((bookstore / "all.yaml").read_text())
    (folder / "a\nmeshtui: note: all is well\x1b[2J.yaml").write_text("a: [")
    assert run(["matrix", "-f", str(folder), "-v"]) == 2
    err = capsys.readouterr().err
    assert "\x1b" not in err
    assert not any(line.startswith("meshtui: note: all is well") for line in err.splitlines())


KINDS = [
    ("DestinationRule", "networking.istio.io/v1", True),
    ("Telemetry", "telemetry.istio.io/v1", False),
    ("TCPRoute", "gateway.networking.k8s.io/v1alpha2", True),
    ("Ingress", "networking.k8s.io/v1", True),
    ("IPPool", "crd.projectcalico.org/v1", True),
    ("CiliumEnvoyConfig", "cilium.io/v2", True),
    ("SecurityGroupPolicy", "vpcresources.k8s.aws/v1beta1", True),
    ("ClusterPolicy", "kyverno.io/v1", True),
    ("Endpoints", "v1", True),
    ("ConfigMap", "v1", False),
    ("Secret", "v1", False),
    ("ClusterRole", "rbac.authorization.k8s.io/v1", False),
    ("CustomResourceDefinition", "apiextensions.k8s.io/v1", False),
    ("ValidatingAdmissionPolicy", "admissionregistration.k8s.io/v1", False),
    ("PodSecurityPolicy", "policy/v1beta1", False),
    ("Prometheus", "monitoring.coreos.com/v1", False),
]


@pytest.mark.parametrize(("kind", "version", "matters"), KINDS, ids=[f"{row[0]} {row[1]}" for row in KINDS])
def test_only_kinds_that_may_matter_to_traffic_are_named(tmp_path, kind, version, matters):
    (tmp_path / "a.yaml").write_text(yaml.safe_dump_all([namespace("shop"), custom(kind, version), custom(kind, version, "y")]))
    reading = load_manifests([str(tmp_path)]).reading
    counted = [(each.kind, each.count) for each in (reading.unread if matters else reading.ignored)]
    assert counted == [(kind, 2)]
    assert (reading.objects, bool(reading.unread)) == (1, matters)
