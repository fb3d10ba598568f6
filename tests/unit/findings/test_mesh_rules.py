"""MT501 to MT507: what the last look at the ztunnels says becomes findings, each with its node, object and repair."""

from dataclasses import replace

import pytest

from meshtui.findings import look
from meshtui.findings.base import MESH, NOT_LOOKED
from meshtui.mesh.report import Between, CertificateFault, CertificateProblem, Difference, MeshReport
from meshtui.model.enrolment import Capture, Enrolment, Evidence, Seen
from meshtui.model.finding import Severity
from meshtui.model.ids import ObjectRef, Uid
from tests.fakes.snapshots import snapshot_of
from tests.fakes.ztunnels import NOW

TELLS = {"MT501", "MT502", "MT503", "MT504", "MT505", "MT506", "MT507"}
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: x}]}}}
---
apiVersion: v1
kind: Namespace
metadata: {name: shop, labels: {istio.io/dataplane-mode: ambient}}
---
apiVersion: v1
kind: Pod
metadata:
  name: web-1
  namespace: shop
  resourceVersion: "1"
  labels: {app: web, pod-template-hash: a}
  annotations: {ambient.istio.io/redirection: enabled}
  ownerReferences: [{apiVersion: apps/v1, kind: ReplicaSet, name: web-a, uid: u, controller: true}]
spec: {nodeName: a, containers: [{name: c, image: x}]}
status: {phase: Running, podIP: 10.0.0.1, conditions: [{type: Ready, status: "True"}]}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata:
  name: web-a
  namespace: shop
  ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: web, uid: d, controller: true}]
spec: {selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: {containers: [{name: c, image: x}]}}}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: ztunnel, namespace: istio-system}
spec:
  selector: {matchLabels: {app: ztunnel}}
  template: {metadata: {labels: {app: ztunnel}}, spec: {containers: [{name: c, image: x}]}}
---
apiVersion: v1
kind: Pod
metadata:
  name: ztunnel-a
  namespace: istio-system
  labels: {app: ztunnel}
  ownerReferences: [{apiVersion: apps/v1, kind: DaemonSet, name: ztunnel, uid: z, controller: true}]
spec: {nodeName: a, containers: [{name: c, image: x}]}
status: {phase: Running, podIP: 10.0.0.9, conditions: [{type: Ready, status: "True"}]}
"""
SNAPSHOT = replace(snapshot_of(WEB), live=True)
UID = Uid("Pod/shop/web-1")
DEPLOYMENT, ZTUNNEL = ObjectRef("Deployment", "shop", "web"), ObjectRef("Pod", "istio-system", "ztunnel-a")
POLICY = ObjectRef("AuthorizationPolicy", "shop", "allow")
RESTART = ("spec", "template", "metadata", "annotations", "kubectl.kubernetes.io/restartedAt")


def enrolled(capture, says=False):
    evidence = (Evidence(Seen.ZTUNNEL_LACKS, says, "the ztunnel on a doesn't have it", NOW, "a"),)
    return {"enrolments": {UID: Enrolment(capture, evidence)}}


def different(between, node="a", *, name="AuthorizationPolicy shop/allow", found="missing", dangerous=True, ref=POLICY):
    return Difference(between, node, name, "", "there", found, "the API", ref, dangerous, "so it is")


def fault(kind):
    return {"certificates": (CertificateProblem(kind, "a", "spiffe://cluster.local/ns/shop/sa/web", "why", NOW),)}


def differing(*several):
    return {"differences": several}


E, W = Severity.ERROR, Severity.WARNING
CASES = [
    ("MT501", enrolled(Capture.LOST), [(E, DEPLOYMENT, "Deployment")]),
    ("MT501", enrolled(Capture.UNPROVEN), []),
    ("MT501", enrolled(Capture.PENDING), []),
    ("MT502", fault(CertificateFault.STUCK), [(W, ZTUNNEL, "DaemonSet")]),
    ("MT502", fault(CertificateFault.EXPIRED), [(E, ZTUNNEL, "DaemonSet")]),
    ("MT502", fault(CertificateFault.EXPIRED_INTERMEDIATE), [(E, ZTUNNEL, "")]),
    ("MT502", fault(CertificateFault.EXPIRED_ROOT), [(E, ZTUNNEL, "")]),
    ("MT502", fault(CertificateFault.NOT_YET_VALID), [(E, ZTUNNEL, "")]),
    ("MT502", fault(CertificateFault.NEVER_VALID), [(E, ZTUNNEL, "")]),
    ("MT502", fault(CertificateFault.MISSING), [(E, ZTUNNEL, "DaemonSet")]),
    ("MT502", fault(CertificateFault.UNKNOWN_ROOT), [(W, ZTUNNEL, "")]),
    ("MT502", {}, []),
    ("MT503", differing(different(Between.ZTUNNELS)), [(E, ZTUNNEL, "DaemonSet")]),
    ("MT503", differing(different(Between.API, dangerous=False)), [(W, ZTUNNEL, "DaemonSet")]),
    ("MT503", differing(different(Between.ISTIOD, found="not acknowledged", dangerous=False)), [(W, ZTUNNEL, "DaemonSet")]),
    ("MT503", differing(different(Between.ISTIOD, found="refused: x")), []),
    ("MT503", differing(different(Between.VERSIONS)), []),
    ("MT504", differing(different(Between.ISTIOD, name="update of policies", found="refused: x")), [(E, ZTUNNEL, "")]),
    ("MT504", differing(different(Between.ISTIOD, found="not acknowledged")), []),
    ("MT505", differing(different(Between.STATUS)), [(W, POLICY, "")]),
    ("MT505", differing(different(Between.API)), []),
    ("MT506", differing(different(Between.VERSIONS, dangerous=False, ref=None)), [(W, ZTUNNEL, "")]),
    ("MT506", differing(different(Between.VERSIONS)), [(E, ZTUNNEL, "")]),
    ("MT506", differing(different(Between.STATUS)), []),
    ("MT507", enrolled(Capture.PENDING), [(E, DEPLOYMENT, "Deployment")]),
    ("MT507", enrolled(Capture.LOST), []),
]


def found(rule, report):
    return [f for f in look(SNAPSHOT, {MESH: report}).findings if f.rule == rule]


@pytest.mark.parametrize(("rule", "report", "expected"), CASES)
def test_the_rule_and_its_repair(rule, report, expected):
    several = found(rule, MeshReport(NOW, **report))
    told = [(f.severity, f.objects[0], f.fix.edits[0].ref.kind if f.fix else "") for f in several]
    assert told == expected
    for each in several:
        assert each.message
        assert each.why
        for edit in each.fix.edits if each.fix else ():
            assert [(one.op, one.path, one.value) for one in edit.operations] == [("add", RESTART, "2026-01-01T12:00:00Z")]


def test_the_message_names_pod_node_and_evidence():
    (lost,) = found("MT501", MeshReport(NOW, **enrolled(Capture.LOST)))
    assert "web-1 on a" in lost.message
    assert "the ztunnel on a doesn't have it" in lost.message


def test_a_pod_that_was_never_captured_did_not_fall_out_of_the_mesh():
    never = snapshot_of(WEB.replace("annotations: {ambient.istio.io/redirection: enabled}", ""), live=True)
    said = {}
    for snapshot in (SNAPSHOT, never):
        (lost,) = (f for f in look(snapshot, {MESH: MeshReport(NOW, **enrolled(Capture.LOST))}).findings if f.rule == "MT501")
        said[snapshot is never] = f"{lost.message} {lost.why}"
    assert "fell out" in said[False]
    assert "annotation stays" in said[False]
    assert "are not in the mesh" in said[True]
    assert "hasn't annotated it" in said[True]


def test_a_node_without_a_known_ztunnel_is_the_object_itself():
    (behind,) = found("MT503", MeshReport(NOW, **differing(different(Between.ZTUNNELS, "b"))))
    assert behind.objects[0] == ObjectRef("Node", "", "b")
    assert behind.fix is None


def test_without_a_look_the_rules_say_that_they_could_not_be_evaluated():
    silent = {each.rule: each.reason for each in look(SNAPSHOT).not_evaluated}
    assert {rule: silent[rule] for rule in TELLS} == dict.fromkeys(TELLS, NOT_LOOKED)


def test_manifests_have_no_ztunnels_and_nothing_is_missing():
    report = look(replace(SNAPSHOT, live=False))
    assert not TELLS & {each.rule for each in (*report.findings, *report.not_evaluated)}


def test_the_pages_order_says_the_worst_first():
    rest = different(Between.API, name="Pod shop/web-1", dangerous=False)
    (one,) = found("MT503", MeshReport(NOW, **differing(rest, different(Between.ZTUNNELS))))
    assert one.message.index("AuthorizationPolicy") < one.message.index("Pod shop/web-1")
