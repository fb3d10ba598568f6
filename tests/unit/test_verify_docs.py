"""What docs/guide/verify.md gives people to copy is true: its file is one, and its roles are what meshtui reads."""

import re
from pathlib import Path

import yaml

from meshtui.cli.expectations import read_expectations
from meshtui.engine import Engine
from meshtui.engine.expect.expectations import expand
from meshtui.engine.expect.verification import Status, verify
from meshtui.kinds import KINDS
from meshtui.probe.launch import needed
from meshtui.probe.plan import make_plan
from meshtui.settings import Probe
from tests.fakes.frozen import bookstore

TEXT = (Path(__file__).parents[2] / "docs" / "guide" / "verify.md").read_text("utf-8")
BLOCKS = [list(yaml.safe_load_all(block)) for block in re.findall(r"^```yaml\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)]
FILES = [documents for documents in BLOCKS if "flows" in documents[0]]
MANIFESTS = [documents for documents in BLOCKS if "kind" in documents[0]]


def objects(kind):
    return [obj for documents in MANIFESTS for obj in documents if obj["kind"] == kind]


def granted(role):
    """Every (verb, group, resource) of a role."""
    rules = role["rules"]
    return {(verb, g, r) for rule in rules for verb in rule["verbs"] for g in rule["apiGroups"] for r in rule["resources"]}


def test_its_files_hold_on_the_bookstore():
    engine = Engine(bookstore())
    (config,) = objects("ConfigMap")
    texts = [yaml.safe_dump(documents[0]) for documents in FILES] + [config["data"]["flows.yaml"]]
    assert len(texts) == 2
    for text in texts:
        results = verify(engine, expand(engine, read_expectations("docs", text.encode())))
        assert len(results) >= 3
        assert {result.status for result in results} == {Status.PASS}


def test_the_role_may_list_what_is_read_and_nothing_else():
    role, _ = objects("ClusterRole")
    assert granted(role) == {("list", kind.group, kind.plural) for kind in KINDS.values()}
    (config,) = objects("Role")
    assert (config["metadata"]["namespace"], granted(config)) == ("istio-system", {("list", "", "configmaps")})


def test_the_probes_role_is_what_a_probe_needs():
    engine = Engine(bookstore())
    (entry,) = read_expectations("f", b"""
apiVersion: meshtui/v1
flows: [{from: ecom/deploy/ecom-service, to: 'inventory/svc/inventory-service:8000', expect: allow}]
""")  # fmt: skip
    plan = make_plan(engine, [each.flow for each in expand(engine, [entry])], Probe())
    reading, role = objects("ClusterRole")
    wanted = {(a.verb, a.group, f"{a.resource}/{a.subresource}" if a.subresource else a.resource) for a in needed(plan)}
    assert granted(role) == wanted - granted(reading)
