"""What a fix does: it is applied to the manifests, and findings and verdicts of before and after are compared."""

import itertools

from meshtui.engine import Engine
from meshtui.engine.matching.selectors import matches
from meshtui.engine.path.references import parse_flow
from meshtui.findings import look
from meshtui.kinds import KINDS
from meshtui.model.finding import Severity
from meshtui.model.policy import NetworkPolicy
from meshtui.model.selectors import LabelSelector
from meshtui.model.verdict import Decision
from meshtui.sources.edits import edited
from tests.fakes.snapshots import snapshot_of

OPENING = {"MT104", "MT201", "MT206", "MT214", "MT301", "MT303", "MT305", "MT306"}
"""Rules whose fixes let something through, and close nothing."""
CLOSING = {"MT208"}
"""Rules whose fixes close something, and let nothing through."""


def after(objects, fix):
    """The objects with the edits of a fix."""
    objects = list(objects)
    for edit in fix.edits:
        kind = KINDS[edit.ref.kind]
        place = [
            number
            for number, obj in enumerate(objects)
            if (obj["kind"], obj["metadata"]["name"]) == (edit.ref.kind.partition(".")[0], edit.ref.name)
            and obj["metadata"].get("namespace", "") == edit.ref.namespace
            and obj["apiVersion"].rpartition("/")[0] == kind.group
        ]
        if place:
            objects[place[0]] = edited(objects[place[0]], edit)
        else:
            assert edit.create is not None, edit
            objects.append(edited({}, edit))
    return objects


def changes(before, now, pairs=None):
    """The decisions on TCP between pods that change, at the ports that the destination declares and one more."""
    pods = [pod for pod in before.snapshot.pods.values() if not pod.completed]
    found = []
    for source, target in pairs or itertools.permutations(pods, 2):
        for port in sorted({80} | {port.number for port in target.ports}):
            flow = parse_flow(f"{source.namespace}/{source.name}", f"{target.namespace}/{target.name}:{port}")
            was, is_now = before.judge(flow).decision, now.judge(flow).decision
            if was is not is_now:
                found.append((source, target, was, is_now))
    return found


def assert_it_heals(objects, finding, pairs=None, **more):
    """The finding is gone, no error is new, and flows change only as the rule's fixes may, at pods of the finding's objects."""
    healed = after(objects, finding.fix)
    before, now = (snapshot_of(each, **more) for each in (objects, healed))
    had = {(f.rule, f.objects) for f in look(before).findings}
    report = look(now).findings
    assert (finding.rule, finding.objects, finding.message) not in {(f.rule, f.objects, f.message) for f in report}
    assert [f.message for f in report if f.severity is Severity.ERROR and (f.rule, f.objects) not in had] == []
    for source, target, was, is_now in changes(Engine(before), Engine(now), pairs(before) if pairs else None):
        told = f"{finding.message}: {source.key} → {target.key} {was} → {is_now} by {finding.fix}"
        if finding.rule in OPENING:
            assert is_now is Decision.ALLOW, told
        else:
            assert finding.rule in CLOSING, told
            assert was is Decision.ALLOW, told
        assert any(_concerns(edit, source, now) or _concerns(edit, target, now) for edit in finding.fix.edits), told


def _concerns(edit, pod, snapshot):
    """Whether a pod is selected by an edited policy."""
    written = (*snapshot.network_policies.values(), *snapshot.authorization_policies.values())
    policy = next((policy for policy in written if policy.meta.ref == edit.ref), None)
    if policy is None or pod.namespace != edit.ref.namespace:
        return False
    return matches(policy.pod_selector if isinstance(policy, NetworkPolicy) else policy.selector or LabelSelector(), pod.labels)
