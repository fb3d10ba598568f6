"""Hosts and requests on the command line: what is read, what is answered, and what is proposed."""

import json

import pytest
import yaml

from meshtui.cli.completing import hosts_of
from meshtui.cli.flowfile import flow_from_json, flow_to_json
from meshtui.cli.main import run
from meshtui.engine import Engine
from meshtui.engine.explain.advice import advise
from meshtui.engine.path.references import parse_flow
from meshtui.kinds.mesh_config import ConfigMap, mesh_config
from meshtui.kinds.wire import ObjectMeta
from meshtui.model.errors import UsageError
from meshtui.model.flow import EndpointKind, FlowEndpoint, HttpRequest
from meshtui.probe.plan import make_plan
from meshtui.settings.model import Probe
from tests.fakes.egress import (
    BASE,
    CAR,
    FLOW,
    GATEWAY_REF,
    HOST,
    HTTP,
    PODS,
    REGISTRY,
    STAR,
    THROUGH,
    authz,
    egress,
    entry,
    static,
)
from tests.fakes.snapshots import snapshot_of

FROM_NOBODY = [{"from": [{"source": {"principals": ["cluster.local/ns/shop/sa/nobody"]}}]}]


@pytest.fixture
def mesh(tmp_path):
    (tmp_path / "mesh.yaml").write_text(
        yaml.safe_dump_all([*BASE, *THROUGH, authz([{"to": [{"operation": {"methods": ["GET"]}}]}])])
    )
    return str(tmp_path)


def explained(capsys, mesh, *words):
    assert run(["explain", "-f", mesh, "-o", "json", *words]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "verdict"),
    [
        ((), "unknown"),
        (("--path", "/x"), "allow"),
        (("--method", "post"), "deny"),
        (("--host", "other.example"), "allow"),
        (("--header", "x-tenant: blue"), "allow"),
    ],
)
def test_explain_takes_a_request(capsys, mesh, words, verdict):
    assert explained(capsys, mesh, "shop/web", f"{HOST}:80", *words)["verdict"] == verdict


def test_a_host_in_a_flow_of_a_file(capsys, mesh, tmp_path):
    line = {"from": {"pod": "shop/web"}, "to": {"host": HOST, "port": 80}, "http": {"method": "POST"}}
    (tmp_path / "flows").write_text(json.dumps(line))
    assert run(["predict", "-f", f"{mesh}/mesh.yaml", "--flows", str(tmp_path / "flows")]) == 0
    assert json.loads(capsys.readouterr().out)["layer"] == "waypoint"


def test_a_flow_to_a_host_as_json():
    flow = flow_from_json({"from": {"pod": "a/b"}, "to": {"host": "API.example.com.", "port": 443}})
    assert flow.destination == FlowEndpoint(EndpointKind.HOST, name=HOST)
    assert flow_to_json(flow)["to"] == {"host": HOST, "port": 443}
    service = flow_from_json({"from": {"pod": "a/b"}, "to": {"host": "db.shop.svc", "port": 443}})
    assert service.destination == FlowEndpoint(EndpointKind.SERVICE, "shop", "db")
    with pytest.raises(UsageError, match="can't be 'from'"):
        flow_from_json({"from": {"host": HOST}, "to": {"pod": "a/b"}})


@pytest.mark.parametrize("text", ["x-tenant", ": blue", "a b: c"])
def test_a_header_that_is_none(capsys, mesh, text):
    assert run(["explain", "-f", mesh, "shop/web", f"{HOST}:80", "--header", text]) == 2
    assert "is not NAME:VALUE (write it as" in capsys.readouterr().err


def test_a_request_is_probed_at_named_destinations_only(capsys, mesh):
    assert run(["probe", "-f", mesh, "--plan", "--all", "shop/web", "--path", "/x"]) == 2
    assert "name TO:PORT" in capsys.readouterr().err


def test_a_probe_of_a_host_sends_to_its_name():
    engine = Engine(snapshot_of(BASE, [entry(ports=[HTTP])]))
    flow = parse_flow("shop/web", f"{HOST}:80", http=HttpRequest("GET", "/x"))
    (batch,) = make_plan(engine, [flow], Probe()).batches
    (target,) = batch.targets
    assert (target.address, target.port, target.request.host) == (HOST, 80, HOST)


def test_hosts_are_completed_without_wildcards(tmp_path):
    (tmp_path / "all.yaml").write_text(yaml.safe_dump_all([*BASE, entry(), entry("shop/star", [STAR])]))
    assert hosts_of({"filenames": (str(tmp_path),)}) == [f"{HOST}:443"]


def advice(flow, *objects, **more):
    engine = Engine(snapshot_of(BASE, objects, **more))
    asked = parse_flow(*flow.split(" > "))
    return advise(engine, asked, engine.judge(asked))


def test_no_rule_is_proposed_for_an_address_that_isnt_known():
    (change,) = advice(FLOW, entry(), egress(PODS)).changes
    assert (change.why.code, change.edit) == ("change_host_address", None)


def test_what_isnt_registered_needs_an_entry():
    (change,) = advice(CAR, mesh=REGISTRY).changes
    assert (change.why.code, change.edit) == ("change_register", None)


def test_an_address_that_is_known_is_proposed_as_a_block():
    (change,) = advice(FLOW, static("203.0.113.7"), egress(PODS)).changes
    assert "203.0.113.7/32" in str(change.edit)


def test_a_rule_at_an_egress_waypoint_is_for_the_serviceentry():
    (change,) = advice(FLOW, *THROUGH, authz(FROM_NOBODY, "egress/g", GATEWAY_REF)).changes
    assert change.edit.create["spec"]["targetRefs"] == [{"group": "networking.istio.io", "kind": "ServiceEntry", "name": "ext"}]


def test_what_settles_an_address_that_isnt_known():
    found = advice(FLOW, entry(), egress({"ipBlock": {"cidr": "203.0.113.0/24"}}))
    assert "203.0.113.7:443" in found.next_step


@pytest.mark.parametrize(
    ("written", "only"),
    [("{mode: REGISTRY_ONLY}", True), ("{mode: ALLOW_ANY}", False), ("{}", False), ("x", False)],
)
def test_the_outbound_policy_of_the_mesh(written, only):
    raw = ConfigMap(ObjectMeta("istio", "istio-system"), {"mesh": f"outboundTrafficPolicy: {written}"})
    assert mesh_config(raw).registry_only is only


def test_the_export_of_the_mesh():
    raw = ConfigMap(
        ObjectMeta("istio", "istio-system"), {"mesh": "defaultServiceExportTo: ['.']\nserviceEntryVisibility: {x: y}"}
    )
    assert (mesh_config(raw).export_to, mesh_config(raw).entries_hidden) == ((".",), True)
    assert (mesh_config(ConfigMap()).export_to, mesh_config(ConfigMap()).entries_hidden) == ((), False)
