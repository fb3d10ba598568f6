"""What is attached to a report of a wrong verdict: little, nothing secret, and it gives the same verdict."""

import json
import re
import shlex

import pytest
import yaml

from meshtui.cli.main import run
from meshtui.cni import named
from meshtui.engine import Engine
from meshtui.engine.path.references import parse_flow
from meshtui.engine.path.relations import flows_from
from meshtui.model.cni import UNKNOWN_CNI
from meshtui.model.errors import ClusterError
from meshtui.model.snapshot import MeshConfig
from meshtui.sandbox.scenarios import load, names
from meshtui.session.excerpt import excerpt
from meshtui.sources.manifests import read_documents
from meshtui.sources.slim import Pseudonyms, slim
from tests.fakes.gateway_routes import AT_WEB
from tests.fakes.gateway_routes import WORLD as GATEWAYS
from tests.fakes.requests import policy as auth_policy
from tests.fakes.snapshots import ambient, namespace, pod, policy, snapshot_of


def fetcher(objects):
    by_ref = {}
    for obj in objects:
        metadata = obj["metadata"]
        by_ref[obj["kind"], metadata.get("namespace", ""), metadata["name"]] = obj

    async def fetch(ref):
        found = by_ref.get((ref.kind, ref.namespace, ref.name))
        if found is None:
            raise ClusterError("it isn't there")
        return found

    return fetch


@pytest.mark.parametrize("scenario", names())
@pytest.mark.parametrize("rename", [False, True], ids=["as it is", "renamed"])
async def test_an_excerpt_gives_the_verdict_that_the_whole_gives(scenario, rename):
    objects = load(scenario)
    snapshot = snapshot_of(objects)
    engine, compared = Engine(snapshot), 0
    for workload in snapshot.workloads.values():
        for flow in flows_from(snapshot, workload)[:3]:
            made = await excerpt(engine, flow, fetcher(objects), rename=rename)
            assert made.missing == ()
            assert made.same, (flow, made.verdict)
            compared += 1
    assert compared > 10


async def test_nothing_of_the_cluster_is_left_in_it_but_what_verdicts_read():
    objects = load("healthy")
    for obj in objects:
        obj["metadata"].setdefault("annotations", {})["kubectl.kubernetes.io/last-applied-configuration"] = "hunter2"
        obj["metadata"]["annotations"]["team"] = "hunter2"
        template = (obj.get("spec") or {}).get("template")
        if template:
            for container in template["spec"]["containers"]:
                container["env"] = [{"name": "PASSWORD", "value": "hunter2"}]
                container["image"] = "registry.hunter2/x"
                container["command"] = ["hunter2"]
            template["spec"]["volumes"] = [{"name": "hunter2"}]
    flow = parse_flow("ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000")
    made = await excerpt(Engine(snapshot_of(objects)), flow, fetcher(objects), rename=True)
    text = json.dumps(made.objects)
    for word in ("hunter2", "ecom", "inventory", "keycloak", "prometheus"):
        assert word not in text, word
    assert made.same
    assert "ecom" not in made.source + made.destination


@pytest.mark.parametrize(
    ("obj", "gone"),
    [
        ({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"x": "c2VjcmV0"}}, "c2VjcmV0"),
        ({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "a"}, "data": {"x": "mine"}}, "mine"),
        (
            {
                "kind": "RequestAuthentication",
                "apiVersion": "security.istio.io/v1",
                "metadata": {"name": "a"},
                "spec": {"jwtRules": [{"issuer": "i", "jwks": "keys"}]},
            },
            "keys",
        ),
        ({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a", "managedFields": ["f"]}, "spec": {"volumes": ["v"]}}, "v"),
    ],
)
def test_a_slim_object_has_no_more_than_is_read(obj, gone):
    assert f'"{gone}"' not in json.dumps(slim(obj))


def test_a_name_gets_the_same_word_wherever_it_stands_whole():
    objects = [
        namespace("shop"),
        pod("shop/web", "10.0.0.1", labels={"app": "web"}, account="web-sa"),
        policy("shop/p", "rules: []", "AuthorizationPolicy"),
    ]
    words = Pseudonyms(objects)
    of = words.of(["cluster.local/ns/shop/sa/web-sa", "web.shop.svc.cluster.local", "*/shop", "web-shop", "website"])
    assert of == ["cluster.local/ns/n1/sa/n3", "n2.n1.svc.cluster.local", "*/n1", "web-shop", "website"]


async def test_a_verdict_that_the_excerpt_does_not_give_is_told():
    world = [ambient("a"), pod("a/web", "10.0.0.1"), pod("a/db", "10.0.0.2", [5432]), policy("a/np", "podSelector: {}")]
    engine = Engine(snapshot_of(world))
    made = await excerpt(engine, parse_flow("a/web", "a/db:5432"), fetcher(world[:3]), rename=False)
    assert not made.same
    assert made.missing == ("NetworkPolicy a/np: it isn't there",)


def test_the_command_writes_a_file_that_answers_as_the_cluster_does(tmp_path, capsys):
    whole, part = tmp_path / "whole.yaml", tmp_path / "part.yaml"
    whole.write_text(yaml.safe_dump_all(load("wrong-identity")))
    words = ["ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000"]
    assert run(["explain", "-f", str(whole), *words, "-o", "json"]) == 0
    known = json.loads(capsys.readouterr().out)
    assert run(["report-verdict", "-f", str(whole), *words]) == 0
    text = capsys.readouterr().out
    assert "# the same verdict as on the whole cluster: yes\n" in text
    assert "ecom" not in text
    part.write_text(text)
    (asked,) = re.findall(r"^# asked: meshtui explain -f THIS_FILE (\S+) (\S+) ", text, re.MULTILINE)
    assert run(["explain", "-f", str(part), *asked, "-o", "json"]) == 0
    again = json.loads(capsys.readouterr().out)
    for key in ("verdict", "outcome", "layer"):
        assert again[key] == known[key]
    assert again["decided_by"]["kind"] == known["decided_by"]["kind"]


async def test_the_excerpt_is_read_as_the_cluster_is():
    world = [ambient("a"), pod("a/web", "10.0.0.1"), pod("a/db", "10.0.0.2", [5432])]
    block = policy("a/np", "{podSelector: {}, policyTypes: [Ingress], ingress: [{from: [{ipBlock: {cidr: 10.0.0.0/8}}]}]}")
    switched = {"trust_domain_aliases": ("old",), "path_normalization": "NONE", "sidecars_send_hbone": True, "auto_mtls": False}
    mesh = MeshConfig("example.org", "mesh", found=True, home="mesh", **switched)
    for cni, decision in ((named("calico"), "allow"), (named("cilium"), "deny"), (UNKNOWN_CNI, "unknown")):
        engine = Engine(snapshot_of([*world, block], cni=cni, mesh=mesh))
        made = await excerpt(engine, parse_flow("a/web", "a/db:5432"), fetcher([*world, block]), rename=False)
        assert (made.same, made.verdict.decision.value, made.cni) == (True, decision, cni.name)
        assert read_documents(made.objects, "x").mesh == mesh


def test_the_question_can_be_pasted_with_its_request(tmp_path, capsys):
    whole, part = tmp_path / "whole.yaml", tmp_path / "part.yaml"
    when = {"key": "request.headers[x-a]", "values": ["it's me"]}
    guarded = auth_policy([{"to": [{"operation": {"hosts": ["web.back.svc"]}}], "when": [when]}], **AT_WEB)
    whole.write_text(yaml.safe_dump_all([*GATEWAYS, guarded]))
    asked = ["front/client", "back/svc/web:80", "--path", "/a?b=1&c='d e'", "--host", "web.back.svc", "--header", "x-a: it's me"]
    asked += ["--header", "Authorization: Bearer eyJhbGciOiJI.eyJzdWIi.c2lnbmF0", "--header", "Cookie: a=secret; b=c"]
    for more in ([], ["--keep-names"]):
        assert run(["report-verdict", "-f", str(whole), *asked, *more]) == 0
        text = capsys.readouterr().out
        assert "# the same verdict as on the whole cluster: yes\n" in text
        assert "eyJ" not in text
        assert "secret" not in text
        part.write_text(text)
        (line,) = re.findall(r"^# asked: meshtui (.*)$", text, re.MULTILINE)
        words = shlex.split(line.replace("THIS_FILE", str(part)))
        assert words[words.index("--path") + 1] == "/a?b=1&c='d e'"
        assert {"x-a: it's me", "Authorization: Bearer x.x.x", "Cookie: a=x; b=x"} <= set(words)
        assert run([*words, "-o", "json"]) == 0
        assert json.loads(capsys.readouterr().out)["verdict"] == "allow"


def test_names_stay_where_that_is_asked_for(tmp_path, capsys):
    whole = tmp_path / "whole.yaml"
    whole.write_text(yaml.safe_dump_all(load("healthy")))
    words = ["ecom/deploy/ecom-service", "inventory/svc/inventory-service:8000"]
    assert run(["report-verdict", "-f", str(whole), *words, "--keep-names"]) == 0
    text = capsys.readouterr().out
    assert "inventory-service-policy" in text
    assert "image:" not in text


def test_policies_of_a_cni_go_with_what_they_name_and_without_values_of_labels(tmp_path, capsys):
    def calico(kind, name, space="", labels=None, **spec):
        metadata = {"name": name, "labels": labels or {}, **({"namespace": space} if space else {})}
        return {"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": metadata, "spec": spec}

    source = {"selector": "zone == 'secretzone'", "serviceAccounts": {"selector": 'trust != "secrettrust"'}}
    rule = {"action": "Allow", "source": source}
    world = [
        namespace("a"),
        namespace("far"),
        {
            "apiVersion": "v1",
            "kind": "ServiceAccount",
            "metadata": {"name": "db-sa", "namespace": "a", "labels": {"level": "secretlevel"}},
        },
        pod("a/web", "10.0.0.1"),
        pod("a/db", "10.0.0.2", [5432], account="db-sa"),
        calico("Tier", "first", order=10),
        calico("GlobalNetworkPolicy", "first.p", tier="first", serviceAccountSelector="level == 'secretlevel'", ingress=[rule]),
        calico("NetworkSet", "set", "far", {"zone": "secretzone"}, nets=["10.0.0.0/30"]),
    ]
    file = tmp_path / "world.yaml"
    file.write_text(yaml.safe_dump_all(world))
    assert run(["report-verdict", "--cni", "calico", "-f", str(file), "a/web", "a/db:5432"]) == 0
    text = capsys.readouterr().out
    assert "# the same verdict as on the whole cluster: yes\n" in text
    assert "# answer: allow" in text
    assert "secret" not in text
