"""Saved config dumps: files, standard input, istioctl's YAML, folders, bug reports; and what isn't a dump."""

import io
import json
import os
import subprocess
import sys
import tarfile
from datetime import UTC, datetime, timedelta

import pytest
import yaml

from meshtui.model.errors import ManifestError
from meshtui.sources.dumps import read_dumps
from tests.fakes.ztunnels import NOW, certificate, dump, policy, workload

WEB = "spiffe://cluster.local/ns/shop/sa/web"
A, B = dump("a", policies=[policy("shop", "x")]), dump("b", policies=[policy("shop", "x", action="Deny")])
ENVOY = json.dumps({"configs": [{"@type": "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump"}]}).encode()


def nodes(*paths):
    return [(look.node, len(look.dump.policies)) for look in read_dumps(map(str, paths)).nodes]


def test_a_file_has_its_own_time(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(A)
    os.utime(file, (NOW.timestamp(), NOW.timestamp()))
    look = read_dumps([str(file)])
    assert look.saved
    assert look.nodes[0].at == look.at == NOW


def test_istioctl_writes_yaml_too(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_text(yaml.safe_dump(json.loads(A)))
    assert nodes(file) == [("a", 1)]


@pytest.mark.parametrize("begins", [b"", b"\n  ", b"\xef\xbb\xbf"])
def test_a_list_of_something_else_is_passed_over_without_reading_it_as_yaml(tmp_path, monkeypatch, begins):
    (tmp_path / "a.json").write_bytes(begins + A)
    (tmp_path / "clusters.json").write_bytes(begins + json.dumps([{"name": "x"}] * 1000).encode())
    monkeypatch.setattr("meshtui.sources.dumps.yaml_documents", None)
    assert nodes(tmp_path) == [("a", 1)]


def test_a_bug_report_has_dumps_among_others(tmp_path):
    for name, content in {
        "istio-system/ztunnel-a/config_dump": A,
        "shop/waypoint-x/config_dump": ENVOY,
        "cluster.log": b"x",
    }.items():
        path = tmp_path / "report" / "proxies" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    assert nodes(tmp_path / "report") == [("a", 1)]
    with tarfile.open(tmp_path / "report.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "report", "report")
    assert nodes(tmp_path / "report.tar.gz") == [("a", 1)]


def test_of_one_node_the_newest_counts(tmp_path):
    for name, content, at in (("new.json", A, NOW), ("old.json", dump("a"), NOW - timedelta(hours=1))):
        (tmp_path / name).write_bytes(content)
        os.utime(tmp_path / name, (at.timestamp(), at.timestamp()))
    assert nodes(tmp_path / "new.json", tmp_path / "old.json") == [("a", 1)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "isn't a ztunnel's config dump"),
        (b"{", "isn't a ztunnel's config dump"),
        (b"[]", "isn't a ztunnel's config dump"),
        (ENVOY, "neither workloads nor policies nor config"),
        (b"[" * 100_000, "isn't a ztunnel's config dump"),
        (b"x: " + b"[" * 100_000, "neither JSON nor YAML"),
        (b'{"a":' * 100_000, "isn't a ztunnel's config dump"),
        (b"\xff\xfe", "isn't a ztunnel's config dump"),
        (b"a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]\n", "isn't a ztunnel's config dump"),
        (b"- kind: Pod\n", "isn't a ztunnel's config dump"),
    ],
    ids=["empty", "cut", "list", "envoy", "deep list", "deep YAML", "deep map", "bytes", "aliases", "pods"],
)
def test_what_is_no_dump_is_refused_in_words(tmp_path, content, words):
    file = tmp_path / "x"
    file.write_bytes(content)
    with pytest.raises(ManifestError) as raised:
        read_dumps([str(file)])
    assert words in str(raised.value)
    assert len(str(raised.value)) < 600


@pytest.mark.parametrize("path", ["nowhere.json", "empty", "broken.tar.gz"])
def test_what_cannot_be_read(tmp_path, path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.tar.gz").write_bytes(b"no archive")
    with pytest.raises(ManifestError):
        read_dumps([str(tmp_path / path)])


def test_a_part_that_cannot_be_read_is_named_and_the_rest_counts(tmp_path):
    broken = json.loads(A)
    broken["policies"].append({"name": 7})
    broken["certificates"] = "none"
    file = tmp_path / "a.json"
    file.write_text(json.dumps(broken))
    (look,) = read_dumps([str(file)]).nodes
    assert len(look.dump.policies) == 1
    assert sorted(problem.partition(":")[0] for problem in look.dump.problems) == ["certificates", "policies[1]"]


def test_an_archive_unpacks_nothing_on_the_disk(tmp_path):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        for name in ("../../ztunnel.json", "/etc/ztunnel.json"):
            info = tarfile.TarInfo(name)
            info.size = len(A)
            archive.addfile(info, io.BytesIO(A))
    assert nodes(tmp_path / "x.tar") == [("a", 1)]
    assert sorted(each.name for each in tmp_path.iterdir()) == ["x.tar"]


@pytest.mark.parametrize("mtime", [1 << 60, -(1 << 50)])
def test_a_time_that_no_calendar_has_is_none(tmp_path, mtime):
    with tarfile.open(tmp_path / "x.tar", "w") as archive:
        info = tarfile.TarInfo("ztunnel.json")
        info.size, info.mtime = len(A), mtime
        archive.addfile(info, io.BytesIO(A))
    (look,) = read_dumps([str(tmp_path / "x.tar")]).nodes
    assert (look.node, look.at) == ("a", None)


def test_a_dump_that_is_cut_off_is_named_among_others(tmp_path, monkeypatch):
    folder = tmp_path / "report" / "ztunnel"
    folder.mkdir(parents=True)
    for name, content in (("a.json", A), ("b.json", B[:-40]), ("envoy.json", ENVOY), ("b.log", b'{"x": 1}\n' * 3)):
        (folder / name).write_bytes(content)
    with tarfile.open(tmp_path / "report.tgz", "w:gz") as archive:
        archive.add(folder, "ztunnel")
    for path in (folder, tmp_path / "report.tgz"):
        look = read_dumps([str(path)])
        assert [each.node for each in look.nodes] == ["a"]
        assert [text.partition("b.json: ")[2] for text in look.missing] == [
            "this isn't a ztunnel's config dump: Input data was truncated"
        ]
    monkeypatch.setattr("meshtui.sources.dumps.LARGEST", len(A) + 10)
    (folder / "b.json").write_bytes(B + b" " * 50)
    with tarfile.open(tmp_path / "report.tgz", "w:gz") as archive:
        archive.add(folder, "ztunnel")
    for path in (folder, tmp_path / "report.tgz"):
        look = read_dumps([str(path)])
        assert [each.node for each in look.nodes] == ["a"]
        assert [text.partition("b.json: ")[2] for text in look.missing] == ["it is larger than 0 MiB"]


def test_texts_without_an_end_are_cut(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(
        dump("a" * 9999, version="1" * 9999, certificates=[certificate(WEB * 999, state="Unavailable: " + "x" * 9999)])
    )
    (look,) = read_dumps([str(file)]).nodes
    (held,) = look.dump.certificates
    assert [len(text) for text in (look.node, look.dump.version, held.identity, held.error)] == [253, 253, 2000, 2000]


# ---- the command


def mesh(*words, stdin=b""):
    return subprocess.run(
        [sys.executable, "-m", "meshtui", "mesh", *map(str, words)], input=stdin, capture_output=True, check=False, timeout=60
    )


@pytest.fixture
def two(tmp_path):
    for name, content in (("a.json", A), ("b.json", B)):
        (tmp_path / name).write_bytes(content)
    return ["--dump", tmp_path / "a.json", "--dump", tmp_path / "b.json"]


def test_drift_ends_with_1_and_names_object_field_and_both_values(two):
    done = mesh("drift", *two)
    assert done.returncode == 1, done.stderr
    text = done.stdout.decode()
    assert "AuthorizationPolicy shop/x" in text
    assert "action" in text
    assert '"Allow"' in text
    assert '"Deny"' in text


def test_no_drift_ends_with_0(tmp_path):
    for node in "ab":
        (tmp_path / f"{node}.json").write_bytes(dump(node))
    done = mesh("drift", "--dump", tmp_path)
    assert (done.returncode, done.stdout.decode()) == (0, "no drift: 2 ztunnels were compared\n")


def test_one_dump_alone_is_compared_with_nothing(two):
    done = mesh("drift", *two[:2])
    assert (done.returncode, done.stdout.decode()) == (4, "drift isn't known: nothing could be compared\n")
    assert json.loads(mesh("drift", *two[:2], "-o", "json").stdout)["compared"] == []
    done = mesh("status", *two[:2])
    assert (done.returncode, "no drift" in done.stdout.decode()) == (0, False)


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("policies", "no drift in what could be compared:\n{}: workloads, Services; not compared: policies\n"),
        ("workloads", "no drift in what could be compared:\n{}: Services, policies; not compared: workloads\n"),
        ("workloads services policies", "drift isn't known: nothing could be compared\n"),
    ],
)
def test_a_list_that_is_in_one_dump_only_is_not_compared(tmp_path, missing, said):
    parts = {"workloads": [workload("shop", "web")], "policies": [policy("shop", "x")]}
    bare = json.loads(dump("b", **parts))
    for name in missing.split():
        del bare[name]
    (tmp_path / "a.json").write_bytes(dump("a", **parts))
    (tmp_path / "b.json").write_text(json.dumps(bare))
    done = mesh("drift", "--dump", tmp_path)
    first, _, line = said.partition("{}")
    expected = first + "".join(f"  {node}{line}" for node in "ab") if line else said
    assert (done.returncode, done.stdout.decode()) == (4, expected)
    found = json.loads(mesh("drift", "--dump", tmp_path, "-o", "json").stdout)["not_compared"]
    words = {"workloads": "workloads", "services": "Services", "policies": "policies"}
    assert found == [{"node": node, "what": [words[name] for name in missing.split()]} for node in "ab"]


@pytest.mark.parametrize("policies", ["abc", None, "absent", [{**policy("shop", "x"), "dryRun": "false"}]])
def test_policies_that_could_not_be_read_are_not_compared_with_manifests_either(tmp_path, policies):
    parts = json.loads(A)
    parts["policies"] = policies
    if policies == "absent":
        del parts["policies"]
    (tmp_path / "a.json").write_text(json.dumps(parts))
    manifest = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "x", "namespace": "shop"},
        "spec": {"rules": [{}]},
    }
    (tmp_path / "x.yaml").write_text(json.dumps(manifest))
    done = mesh("drift", "--dump", tmp_path / "a.json", "-f", tmp_path / "x.yaml")
    some = "some " if isinstance(policies, list) else ""
    assert done.returncode == 4
    assert f"not compared: {some}policies" in done.stdout.decode()
    assert b"policies" in done.stderr


def test_ztunnels_that_all_have_nothing_are_said_to_have_nothing(tmp_path):
    for node in "ab":
        (tmp_path / f"{node}.json").write_bytes(dump(node))
    done = mesh("drift", "--dump", tmp_path)
    assert done.stderr.count(b"it has nothing of istiod") == 2


def test_dumps_that_were_taken_at_different_times_are_noted(two):
    for path, hour in ((two[1], 1), (two[3], 2)):
        os.utime(path, (hour * 3600, hour * 3600))
    assert b"60 minutes apart" in mesh("drift", *two).stderr


def test_a_node_without_a_dump_is_named_and_so_are_the_others(two):
    for what in ("status", "drift", "certificates"):
        done = mesh(what, *two, "--node", "c")
        assert (done.returncode, done.stdout) == (2, b"")
        assert b"no dump is of node c (there are dumps of a, b)" in done.stderr


def test_standard_input(two):
    done = mesh("drift", *two[:2], "--dump", "-", stdin=B)
    assert done.returncode == 1, done.stderr


@pytest.mark.parametrize("what", ["status", "drift", "certificates"])
@pytest.mark.parametrize("form", ["text", "table", "wide", "json", "jsonl", "yaml", "csv", "name"])
def test_every_form(two, what, form):
    done = mesh(what, *two, "-o", form)
    assert done.returncode in {0, 1}, done.stderr
    assert b"Traceback" not in done.stderr


def test_certificates_are_compared_with_the_time_that_is_given(tmp_path):
    file = tmp_path / "a.json"
    file.write_bytes(dump(certificates=[certificate(WEB)]))
    at = [NOW + timedelta(hours=hours) for hours in (0, 10, 40)]
    said = [mesh("certificates", "--dump", file, "--now", each.isoformat()) for each in at]
    assert [done.returncode for done in said] == [0, 1, 1]
    assert b"stuck renewal" in said[1].stdout
    assert b"expired" in said[2].stdout


def test_a_copys_time_is_not_believed_when_every_certificate_would_be_old(tmp_path):
    """A copy has the time of the copying: then all renewals would be stuck at once, which is said and not believed."""
    file = tmp_path / "a.json"
    file.write_bytes(dump(certificates=[certificate(WEB)]))
    later = datetime(2026, 6, 1, tzinfo=UTC).timestamp()
    os.utime(file, (later, later))
    done = mesh("certificates", "--dump", file)
    assert done.returncode == 4
    assert done.stdout == b"no faulty certificate among 1, but whether those of a are old isn't known\n"
    assert b"--now" in done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["certificates", "--now", "2026-01-01"],
        ["drift", "--dump", "FILE", "--now", "soon"],
        ["drift", "--dump", "FILE", "--wait", "soon"],
        ["drift", "--dump", "FILE", "--yes"],
        ["status", "--yes"],
        ["certificates", "--dump", "FILE", "--probe-image", "x"],
        ["frift"],
        [],
        ["drift", "-f", "FILE"],
    ],
)
def test_bad_usage(tmp_path, words):
    (tmp_path / "a.json").write_bytes(A)
    done = mesh(*(tmp_path / "a.json" if word == "FILE" else word for word in words))
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


def test_a_namespace_has_no_effect_on_dumps_and_that_is_said(two):
    done = mesh("drift", *two, "-n", "other")
    assert (done.returncode, b"a namespace has no effect here" in done.stderr) == (1, True)
    assert b"no effect" not in mesh("drift", *two).stderr


def test_no_text_of_a_dump_begins_a_line(tmp_path):
    forged = "x\nworker-1  spiffe://y: ok\r\x85\u2028z"
    (tmp_path / "a.json").write_bytes(A)
    held = [certificate(WEB, state=f"Unavailable: {forged}"), certificate(forged, state="Initializing")]
    bad = [policy("shop", forged), policy("shop", "x", scope=forged)]
    (tmp_path / "b.json").write_bytes(dump(f"b{forged}", policies=bad, certificates=held))
    for what, lines in (("drift", 7), ("certificates", 3)):
        done = mesh(what, "--dump", tmp_path)
        assert done.returncode == 1
        assert not [line for line in done.stdout.decode().splitlines() if line.startswith("worker-1")]
        assert len(done.stdout.decode().splitlines()) == lines, done.stdout
        assert "x\\x0aworker-1" in done.stdout.decode()


def test_that_policies_come_from_elsewhere_is_said_of_the_files_that_lack_the_control_plane(tmp_path):
    """Files needn't have all that is in the cluster."""
    pods = [workload("shop", "web"), workload("shop", "far", "10.0.0.2", uid="east//Pod/shop/far")]
    (tmp_path / "a.json").write_bytes(dump(policies=[policy("shop", "x")], workloads=pods))
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}
    (tmp_path / "x.yaml").write_text(json.dumps(manifest))
    done = mesh("drift", "--dump", tmp_path / "a.json", "-f", tmp_path / "x.yaml")
    assert done.returncode == 4
    assert b"policies: the control plane isn't in these files, and they may come from another cluster's" in done.stderr
    assert b"isn't in this cluster" not in done.stderr
    assert b"not compared: policies" in done.stdout


def test_a_policy_with_hundreds_of_addresses_fills_no_screen(tmp_path):
    many = [f"10.0.{number // 256}.{number % 256}/32" for number in range(2000)]
    manifest = {
        "apiVersion": "security.istio.io/v1",
        "kind": "AuthorizationPolicy",
        "metadata": {"name": "x", "namespace": "shop"},
        "spec": {"rules": [{"from": [{"source": {"ipBlocks": many}}]}]},
    }
    (tmp_path / "x.yaml").write_text(json.dumps(manifest))
    (tmp_path / "a.json").write_bytes(A)
    words = ["drift", "--dump", tmp_path / "a.json", "-f", tmp_path / "x.yaml"]
    done = mesh(*words)
    assert done.returncode == 1, done.stderr
    assert len(done.stdout) < 2500
    assert b"10.0.7.200" in mesh(*words, "-o", "json").stdout
