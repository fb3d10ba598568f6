"""Kustomizations and Helm charts in a folder: recognised, not judged as if they were whole, and rendered if that is allowed."""

import json
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest
import yaml

from meshtui.cli.main import run
from meshtui.model.errors import ManifestError
from meshtui.model.reading import KindCount, Reading, Skipped
from meshtui.sources import manifest_render
from meshtui.sources.manifests import documents_of, load_manifests
from tests.fakes.snapshots import pod

NEEDS_KUBECTL = "kubectl isn't on the PATH: install it (https://kubernetes.io/docs/tasks/tools/), these tests render with it"


def lay_out(folder, files):
    """Write files by their paths; a value that isn't text is YAML."""
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return folder


def names(snapshot):
    return sorted(pod.name for pod in snapshot.pods.values())


def skipped(snapshot, folder):
    """The skipped places: path, how many files, and the command, all with the folder left out."""
    return sorted(
        (each.path.replace(f"{folder}", "").lstrip("/"), each.files, bare(each.command, folder))
        for each in snapshot.reading.skipped
    )


def bare(text, folder):
    return text.replace(f"{folder}/", "").replace(str(folder), ".")


def refers(*entries, **more):
    return {"apiVersion": "kustomize.config.k8s.io/v1beta1", "resources": list(entries), **more}


PATCH = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "base", "namespace": "shop", "labels": {"patched": "yes it is"}}}
OVERLAY = {
    "plain.yaml": pod("shop/plain"),
    "base/kustomization.yaml": refers("pod.yaml"),
    "base/pod.yaml": pod("shop/base"),
    "overlays/prod/kustomization.yml": refers("../../base", patches=[{"path": "patch.yaml"}]),
    "overlays/prod/patch.yaml": PATCH,
}
CHART = {
    "chart/Chart.yaml": {"apiVersion": "v2", "name": "web", "version": "1.0.0"},
    "chart/values.yaml": {"image": {"kind": "Pod"}},
    "chart/templates/pod.yaml": "{{- if .Values.x }}\nkind: Pod\n{{- end }}\n",
    "chart/charts/sub/Chart.yaml": {"apiVersion": "v2", "name": "sub", "version": "1.0.0"},
    "chart/charts/sub/templates/a.yaml": "kind: {{ .x }}\n",
}
NOT_WHOLE = [
    ("an overlay over a base", OVERLAY, [("overlays/prod", 4, "kubectl kustomize overlays/prod")]),
    ("a chart with a subchart", CHART | {"plain.yaml": pod("shop/plain")}, [("chart", 5, "helm template web chart")]),
    (
        "a file with the third name",
        {"plain.yaml": pod("shop/plain"), "k/Kustomization": refers("a.yaml"), "k/a.yaml": pod("shop/a")},
        [("k", 2, "kubectl kustomize k")],
    ),
    (
        "a kustomization that nothing refers to, with folders below that it doesn't name",
        {
            "plain.yaml": pod("shop/plain"),
            "k/kustomization.yaml": refers("a.yaml"),
            "k/a.yaml": {},
            "k/deep/b.yaml": pod("shop/b"),
        },
        [("k", 3, "kubectl kustomize k")],
    ),
    (
        "a base in the parent of its overlay",
        {
            "plain.yaml": pod("shop/plain"),
            "k/kustomization.yaml": refers("a.yaml"),
            "k/a.yaml": pod("shop/a"),
            "k/overlay/kustomization.yaml": refers(".."),
        },
        [("k/overlay", 3, "kubectl kustomize k/overlay")],
    ),
    (
        "files beside the kustomization that names them",
        {"plain.yaml": pod("shop/plain"), "a.yaml": pod("shop/a"), "k/kustomization.yaml": refers("../a.yaml")},
        [("k", 1, "kubectl kustomize k")],
    ),
    (
        "a component that nothing includes",
        {"plain.yaml": pod("shop/plain"), "c/kustomization.yaml": refers("a.yaml", kind="Component"), "c/a.yaml": pod("shop/a")},
        [("c", 2, "")],
    ),
    (
        "kustomizations that include each other",
        {"plain.yaml": pod("shop/plain"), "a/kustomization.yaml": refers("../b"), "b/kustomization.yaml": refers("../a")},
        [("a", 1, ""), ("b", 1, "")],
    ),
    (
        "a name that a shell would take apart",
        {"plain.yaml": pod("shop/plain"), "my app/kustomization.yaml": refers()},
        [("my app", 1, "kubectl kustomize 'my app'")],
    ),
    (
        "a kustomization that fetches charts, with one of them",
        {
            "plain.yaml": pod("shop/plain"),
            "k/kustomization.yaml": refers(helmCharts=[{"name": "web"}]),
            "k/charts/web/Chart.yaml": {"name": "web"},
        },
        [("k", 2, "kubectl kustomize --enable-helm k")],
    ),
    (
        "a chart below a kustomization that doesn't use it",
        {"plain.yaml": pod("shop/plain"), "k/kustomization.yaml": refers(), "k/web/Chart.yaml": {"name": "web"}},
        [("k", 1, "kubectl kustomize k"), ("k/web", 1, "helm template web k/web")],
    ),
    (
        "a chart whose name is a flag",
        {"plain.yaml": pod("shop/plain"), "web/Chart.yaml": {"name": "--post-renderer=/bin/true"}},
        [("web", 1, "helm template web web")],
    ),
]


@pytest.mark.parametrize(("name", "files", "expected"), NOT_WHOLE, ids=[row[0] for row in NOT_WHOLE])
def test_what_has_to_be_rendered_is_skipped_with_the_command_that_renders_it(tmp_path, name, files, expected):
    snapshot = load_manifests([str(lay_out(tmp_path, files))])
    assert names(snapshot) == ["plain"]
    assert [
        (path, files, bare(command.replace(f"'{tmp_path}/my app'", "'my app'"), tmp_path))
        for path, files, command in skipped(snapshot, tmp_path)
    ] == expected
    assert [d["metadata"]["name"] for d in documents_of([str(tmp_path)])] == ["plain"]


def test_a_folder_of_flux_objects_is_no_kustomization(tmp_path):
    flux = {"apiVersion": "kustomize.toolkit.fluxcd.io/v1", "kind": "Kustomization", "metadata": {"name": "a"}, "spec": {}}
    snapshot = load_manifests([str(lay_out(tmp_path, {"kustomization.yaml": flux, "a.yaml": pod("shop/a")}))])
    assert (names(snapshot), snapshot.reading.skipped) == (["a"], ())


def test_overlays_of_one_base_are_ambiguous_and_each_is_named(tmp_path):
    files = OVERLAY | {"overlays/dev/kustomization.yaml": refers("../../base")}
    for render in (False, True):
        snapshot = load_manifests([str(lay_out(tmp_path, files))], render=render)
        assert names(snapshot) == ["plain"]
        assert [path for path, _, _ in skipped(snapshot, tmp_path)] == ["overlays/dev", "overlays/prod"]
        dev, prod = sorted(snapshot.reading.skipped)
        assert f"shares a base with {tmp_path}/overlays/prod: give one of them" in dev.reason
        assert f"shares a base with {tmp_path}/overlays/dev: give one of them" in prod.reason


def test_overlays_that_share_only_a_component_are_not_ambiguous(tmp_path):
    component = {"apiVersion": "kustomize.config.k8s.io/v1alpha1", "kind": "Component"}
    files = {
        "plain.yaml": pod("shop/plain"),
        "c/kustomization.yaml": component,
        "a/kustomization.yaml": refers(components=["../c"]),
        "b/kustomization.yaml": refers(components=["../c"]),
    }
    snapshot = load_manifests([str(lay_out(tmp_path, files))])
    assert [command for _, _, command in skipped(snapshot, tmp_path)] == ["kubectl kustomize a", "kubectl kustomize b"]


def test_a_folder_that_is_given_itself_is_one_whole(tmp_path):
    lay_out(tmp_path, OVERLAY)
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(refers("plain.yaml")))
    snapshot = load_manifests([str(tmp_path)])
    assert names(snapshot) == []
    assert skipped(snapshot, tmp_path) == [("", 6, "kubectl kustomize .")]


def test_a_file_that_is_given_itself_is_always_read(tmp_path):
    lay_out(tmp_path, OVERLAY)
    snapshot = load_manifests([str(tmp_path / "base" / "pod.yaml")])
    assert (names(snapshot), snapshot.reading.skipped) == (["base"], ())


TEMPLATES = [
    ("an expression that is no YAML", "kind: Pod\nmetadata:\n  name: {{ .Values.name }}\n"),
    ("an expression that is YAML by chance", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: '{{ .Values.name }}'\n"),
]


@pytest.mark.parametrize(("name", "text"), TEMPLATES, ids=[row[0] for row in TEMPLATES])
def test_a_template_without_its_chart_is_named_as_one(tmp_path, name, text):
    snapshot = load_manifests([str(lay_out(tmp_path, {"t.yaml": text, "plain.yaml": pod("shop/plain")}))])
    assert names(snapshot) == ["plain"]
    (each,) = snapshot.reading.skipped
    assert each.reason.startswith("a template that has to be rendered (")
    with pytest.raises(ManifestError, match="a template"):
        load_manifests([str(tmp_path / "t.yaml")])


def test_braces_in_a_value_are_no_template(tmp_path):
    made = pod("shop/a", metadata={"annotations": {"text": "{{ $labels.pod }} is down"}})
    assert names(load_manifests([str(lay_out(tmp_path, {"a.yaml": made}))])) == ["a"]


def test_the_templates_folder_of_a_chart_names_the_chart(tmp_path):
    lay_out(tmp_path, CHART)
    snapshot = load_manifests([str(tmp_path / "chart" / "templates")])
    assert [command for _, _, command in skipped(snapshot, tmp_path)] == ["helm template web chart"]


# ---- rendering


@pytest.fixture
def kubectl():
    if shutil.which("kubectl") is None:
        pytest.fail(NEEDS_KUBECTL)
    manifest_render.rendered.cache_clear()


def program(folder, monkeypatch, name, body):
    """A program of this name on the PATH, which is Python."""
    file = folder / "bin" / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"#!{sys.executable}\nimport sys\n{body}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(file.parent))
    manifest_render.rendered.cache_clear()


def test_a_rendered_overlay_is_judged(tmp_path, kubectl):
    snapshot = load_manifests([str(lay_out(tmp_path, OVERLAY))], render=True)
    assert names(snapshot) == ["base", "plain"]
    assert snapshot.pod_by_key["shop/base"].labels["patched"] == "yes it is"
    assert snapshot.reading.skipped == ()
    assert snapshot.reading.rendered == (f"kubectl kustomize {tmp_path}/overlays/prod",)
    assert {d["metadata"]["name"] for d in documents_of([str(tmp_path)], render=True)} == {"base", "plain"}


def test_a_given_overlay_is_rendered_though_its_siblings_share_its_base(tmp_path, kubectl):
    lay_out(tmp_path, OVERLAY | {"overlays/dev/kustomization.yaml": refers("../../base")})
    snapshot = load_manifests([str(tmp_path / "overlays" / "dev")], render=True)
    assert (names(snapshot), snapshot.reading.skipped) == (["base"], ())


def test_a_kustomization_that_is_wrong_is_skipped_with_what_the_program_says(tmp_path, kubectl):
    files = {"plain.yaml": pod("shop/plain"), "k/kustomization.yaml": refers("gone.yaml")}
    snapshot = load_manifests([str(lay_out(tmp_path, files))], render=True)
    assert names(snapshot) == ["plain"]
    (each,) = snapshot.reading.skipped
    assert "kubectl kustomize ended with 1" in each.reason
    assert "gone.yaml" in each.reason


def test_a_chart_is_rendered_under_its_own_name(tmp_path, monkeypatch):
    program(
        tmp_path, monkeypatch, "helm", "print('apiVersion: v1\\nkind: Pod\\nmetadata: {name: ' + '.'.join(sys.argv[1:3]) + '}')"
    )
    snapshot = load_manifests([str(lay_out(tmp_path / "in", CHART))], render=True)
    assert names(snapshot) == ["template.web"]
    assert snapshot.reading.rendered == (f"helm template web {tmp_path}/in/chart",)


FAULTS = [
    ("it fails", "sys.exit('Error: token=abc123 no such chart')", "helm template ended with 1: Error:"),
    ("it prints too much", "print('x' * 100_000)", "helm template printed more than"),
    ("it takes too long", "import time; time.sleep(60)", "helm template took longer than"),
]


@pytest.mark.parametrize(("name", "body", "reason"), FAULTS, ids=[row[0] for row in FAULTS])
def test_a_program_that_fails_is_named_and_the_rest_is_judged(tmp_path, monkeypatch, name, body, reason):
    monkeypatch.setattr("meshtui.sources.kubernetes.limits.RENDER_BYTES", 10_000)
    monkeypatch.setattr("meshtui.sources.kubernetes.limits.RENDER_S", 5.0 if "long" not in name else 0.5)
    program(tmp_path, monkeypatch, "helm", body)
    snapshot = load_manifests([str(lay_out(tmp_path / "in", CHART | {"plain.yaml": pod("shop/plain")}))], render=True)
    assert names(snapshot) == ["plain"]
    (each,) = snapshot.reading.skipped
    assert reason in each.reason


def test_a_program_that_is_not_there(tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, "other", "")
    snapshot = load_manifests([str(lay_out(tmp_path / "in", CHART | {"plain.yaml": pod("shop/plain")}))], render=True)
    (each,) = snapshot.reading.skipped
    assert "helm isn't on the PATH" in each.reason
    assert each.command == f"helm template web {tmp_path}/in/chart"


def test_no_program_runs_without_permission(tmp_path, monkeypatch):
    for name in ("kubectl", "helm"):
        program(tmp_path, monkeypatch, name, f"open({str(tmp_path / 'ran')!r}, 'w')")
    load_manifests([str(lay_out(tmp_path / "in", CHART | OVERLAY))])
    assert not (tmp_path / "ran").exists()


def test_a_kustomization_that_fetches_charts_is_never_run(tmp_path, monkeypatch):
    program(tmp_path, monkeypatch, "kubectl", f"open({str(tmp_path / 'ran')!r}, 'w')")
    files = {"plain.yaml": pod("shop/plain"), "k/kustomization.yaml": refers(helmCharts=[{"name": "web"}])}
    (each,) = load_manifests([str(lay_out(tmp_path / "in", files))], render=True).reading.skipped
    assert "fetches Helm charts" in each.reason
    assert not (tmp_path / "ran").exists()


def test_two_renderings_that_define_one_object_are_an_error(tmp_path, kubectl):
    files = {
        f"{name}/{path}": content
        for name in "ab"
        for path, content in {"kustomization.yaml": refers("p.yaml"), "p.yaml": pod("shop/p", account=name)}.items()
    }
    with pytest.raises(ManifestError, match=r"kubectl kustomize .*/a \(object 1\)"):
        load_manifests([str(lay_out(tmp_path, files))], render=True)


# ---- folders as they are


def test_a_mounted_config_map_is_read_once(tmp_path):
    """Kubernetes mounts `..data` as a link to a folder, and each file as a link into it."""
    lay_out(tmp_path, {"..2026/a.yaml": pod("shop/a")})
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    snapshot = load_manifests([str(tmp_path)])
    assert (names(snapshot), snapshot.problems, snapshot.reading.files) == (["a"], (), 1)


def test_what_is_no_file_is_left_alone(tmp_path):
    lay_out(tmp_path, {"a.yaml": pod("shop/a"), "k/b.yaml": pod("shop/b")})
    (tmp_path / "gone.yaml").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.yaml")
    os.mkfifo(tmp_path / "k" / "kustomization.yaml")
    snapshot = load_manifests([str(tmp_path)])
    assert names(snapshot) == ["a"]
    assert [path for path, _, _ in skipped(snapshot, tmp_path)] == ["k"]


def test_a_file_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    lay_out(tmp_path, {"a.yaml": pod("shop/a"), "b.yaml": pod("shop/b")})
    read = Path.read_bytes

    def denied(self):
        if self.name == "b.yaml":
            raise PermissionError(13, "Permission denied")
        return read(self)

    monkeypatch.setattr(Path, "read_bytes", denied)
    snapshot = load_manifests([str(tmp_path)])
    assert (names(snapshot), [each.reason for each in snapshot.reading.skipped]) == (["a"], ["Permission denied"])
    with pytest.raises(ManifestError, match="Permission denied"):
        load_manifests([str(tmp_path / "b.yaml")])


def test_the_line_about_what_was_read():
    reading = Reading(
        objects=214,
        files=31,
        unread=(
            KindCount("DestinationRule", "networking.istio.io", 11),
            KindCount("GlobalNetworkPolicy", "projectcalico.org", 2),
        ),
        skipped=(Skipped("deploy/web", "a Helm chart", "helm template web deploy/web", 3),),
    )
    assert reading.summary() == (
        "read 214 objects in 31 files; not read: DestinationRule ×11, GlobalNetworkPolicy ×2; "
        "skipped: 3 files (deploy/web: a Helm chart; render it: helm template web deploy/web | meshtui -f - …)"
    )
    assert Reading(objects=1, files=1).summary() == "read 1 object in 1 file"


@pytest.mark.parametrize("given", ["the folder", "the file", "a list"])
def test_a_template_of_openshift_is_named_and_not_read(tmp_path, given):
    """openshift/library-go pkg/template/templateprocessing: processing takes the namespaces away that its objects have."""
    policy = {"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "deny", "namespace": "b"}}
    template = {"apiVersion": "template.openshift.io/v1", "kind": "Template", "metadata": {"name": "t"}, "objects": [policy]}
    file = tmp_path / "t.json"
    written = {"apiVersion": "v1", "kind": "List", "items": [template]} if given == "a list" else template
    file.write_text(json.dumps(written))
    snapshot = load_manifests([str(tmp_path if given == "the folder" else file)])
    assert not snapshot.authorization_policies
    (left,) = snapshot.reading.skipped
    assert (left.path, left.command) == (str(file), f"oc process --local -f {file}")
    assert "Template t" in left.reason
    assert "oc process" in snapshot.reading.summary()
    assert not snapshot.reading.ignored
    assert not snapshot.reading.unread


def test_verdicts_beside_a_template_assume_that_it_decides_nothing_and_the_exit_code_says_so(tmp_path, capsys):
    (tmp_path / "t.yaml").write_text("apiVersion: template.openshift.io/v1\nkind: Template\nmetadata: {name: t}\nobjects: []\n")
    pods = [pod("a/p", "10.0.0.1"), pod("a/q", "10.0.0.2", [80])]
    (tmp_path / "pods.json").write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": pods}))
    asked = ["explain", "-f", str(tmp_path), "a/pod/p", "a/pod/q:80"]
    assert run(asked) == 2
    assert "what was skipped of the manifests decides nothing" in capsys.readouterr().out
    assert run([*asked, "--skip-unreadable"]) == 0
