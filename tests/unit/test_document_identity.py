"""Objects as plain data are told apart by API group, kind, namespace and name, wherever manifests are looked at again."""

import asyncio
import json

import pytest
import yaml

from meshtui.cli.check_patches import from_files
from meshtui.cli.main import run
from meshtui.kinds import ref_of
from meshtui.model.errors import ClusterError
from meshtui.model.finding import Edit, Finding, Fix, Severity
from meshtui.model.ids import ObjectRef
from meshtui.model.snapshot import Snapshot
from meshtui.sources.manifest_source import ManifestSource
from tests.fakes.requests import service
from tests.fakes.snapshots import namespace, pod

CLASSIC = {
    "apiVersion": "networking.istio.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "gate", "namespace": "g"},
    "spec": {"selector": {"istio": "gate"}, "servers": []},
}
NEW = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "Gateway",
    "metadata": {"name": "gate", "namespace": "g"},
    "spec": {"gatewayClassName": "istio", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
}
CALICO = {"apiVersion": "projectcalico.org/v3", "kind": "NetworkPolicy", "metadata": {"name": "n", "namespace": "a"}, "spec": {}}
PLAIN = {**CALICO, "apiVersion": "networking.k8s.io/v1"}


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (CLASSIC, ObjectRef("Gateway.networking.istio.io", "g", "gate")),
        (NEW, ObjectRef("Gateway", "g", "gate")),
        (CALICO, ObjectRef("NetworkPolicy.projectcalico.org", "a", "n")),
        (PLAIN, ObjectRef("NetworkPolicy", "a", "n")),
        ({**PLAIN, "metadata": {"name": "n"}}, ObjectRef("NetworkPolicy", "default", "n")),
        (namespace("a"), ObjectRef("Namespace", "", "a")),
        ({"kind": "Thing"}, ObjectRef("Thing", "default", "None")),
    ],
)
def test_an_object_is_named_as_snapshots_name_it(document, expected):
    assert ref_of(document) == expected


def written(tmp_path, *documents):
    file = tmp_path / "all.json"
    file.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))
    return str(file)


@pytest.mark.parametrize("order", [(CLASSIC, NEW), (NEW, CLASSIC)])
def test_the_object_that_is_shown_is_that_of_the_group(tmp_path, order):
    source = ManifestSource(Snapshot(), [written(tmp_path, *order)])
    for document in order:
        assert yaml.safe_load(asyncio.run(source.manifest(ref_of(document)))) == document
    with pytest.raises(ClusterError):
        asyncio.run(source.manifest(ObjectRef("Gateway", "other", "gate")))


@pytest.mark.parametrize("order", [(CALICO, PLAIN), (PLAIN, CALICO)])
def test_a_fix_patches_the_object_of_its_group(tmp_path, order):
    fix = Fix("", (Edit(ref_of(PLAIN)),))
    finding = Finding("MT301", "", Severity.ERROR, (ref_of(PLAIN),), "", fix=fix)
    found = from_files([written(tmp_path, *order)], [finding])
    assert yaml.safe_load(found[ref_of(PLAIN)])["apiVersion"] == "networking.k8s.io/v1"


@pytest.mark.parametrize("order", [(CLASSIC, NEW), (NEW, CLASSIC)])
def test_an_excerpt_holds_both_gateways_of_one_name(tmp_path, capsys, order):
    gate = pod("g/gate-1", "10.0.2.1", [80], labels={"gateway.networking.k8s.io/gateway-name": "gate"})
    world = [namespace("g"), namespace("a"), pod("a/api", "10.0.1.1", [8080]), service("a/api", [("http", 80, 8080)]), gate]
    assert run(["report-verdict", "-f", written(tmp_path, *world, *order), "--keep-names", "external", "a/svc/api:80"]) == 0
    made = list(yaml.safe_load_all(capsys.readouterr().out))
    assert sorted(each["apiVersion"] for each in made if each["kind"] == "Gateway") == sorted(
        each["apiVersion"] for each in (CLASSIC, NEW)
    )
