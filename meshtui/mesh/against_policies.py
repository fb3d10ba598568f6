"""Comparing a ztunnel's policies with those that istiod should have sent."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.mesh import rules
from meshtui.mesh.compared import ABSENT, NONE, Compared, Says
from meshtui.mesh.desired_policies import CONVERTED, IMPLICIT, STATIC_STRICT, WantedPolicy
from meshtui.ztunnel.dump import Policy, Table, policy_of

_OTHERWISE = "connections are let through or refused otherwise than it says"


def of_policies(compared: Compared) -> Iterator[Says]:
    """The differences of policies, sorted by their keys."""
    wanted, found = compared.desired.policies, compared.dump.policies
    if compared.why_no_policies:
        return
    for key in sorted(wanted.by_key.keys() | found.keys()):
        expected = wanted.by_key.get(key)
        if expected is None:
            namespace, _, name = key.partition("/")
            if wanted.excludes(namespace, name) and not _changing(compared, namespace, name):
                yield _extra(key, policy_of(found[key]))
        elif compared.changed(expected.objects):
            continue
        elif key in found:
            yield from _different(expected, policy_of(found[key]))
        elif not compared.may_lack(Table.POLICIES, key, expected.policy.namespace):
            yield _missing(expected)


def _changing(compared: Compared, namespace: str, name: str) -> bool:
    """Whether what a policy was made from has just been changed, so that istiod doesn't send it any more since a moment."""
    snapshot = compared.snapshot
    if name == STATIC_STRICT or name.startswith(CONVERTED):
        return bool({namespace, snapshot.mesh.root_namespace} & compared.changing_peers)
    if name.startswith(IMPLICIT):
        return compared.changed(gateway.meta for gateway in snapshot.gateways.values())
    return f"{namespace}/{name}" in compared.changing_policies


def _different(expected: WantedPolicy, found: Policy) -> Iterator[Says]:
    wanted = expected.policy
    name, ref = _name(expected.key, expected), expected.ref
    counts = not (wanted.dry_run and found.dry_run)
    for field, mine, other in (
        ("scope", wanted.scope, found.scope),
        ("action", wanted.action, found.action),
        ("dryRun", _yes(dry=wanted.dry_run), _yes(dry=found.dry_run)),
    ):
        if mine != other:
            yield Says(name, field, mine, other or NONE, ref, counts, _OTHERWISE)
    if rules.unknown_fields(found):
        return
    for path, mine, other in rules.differing(wanted, found, by_account=wanted.name.startswith(IMPLICIT)):
        yield Says(name, path, mine, other, ref, counts, _OTHERWISE)


def _missing(expected: WantedPolicy) -> Says:
    policy = expected.policy
    if policy.dry_run:
        text = "nothing is logged of what it would decide"
    elif policy.action == "Deny":
        text = "what it denies is let through"
    else:
        text = "who may connect isn't decided by it"
    return Says(_name(expected.key, expected), "", _words(policy), ABSENT, expected.ref, not policy.dry_run, text)


def _extra(key: str, policy: Policy) -> Says:
    how = "evaluated, but not enforced," if policy.dry_run else "enforced"
    text = f"it is {how} although no object asks for it"
    return Says(_name(key), "", ABSENT, _words(policy), dangerous=not policy.dry_run, consequence=text)


def _name(key: str, expected: WantedPolicy | None = None) -> str:
    """A policy as people write it: by its object, or one that istiod adds by its key."""
    namespace, _, name = key.partition("/")
    if name.startswith(CONVERTED):
        return f"PeerAuthentication {namespace}/{name.removeprefix(CONVERTED)}"
    if expected is not None and expected.ref is not None and not name.startswith(IMPLICIT):
        return str(expected.ref)
    return f"policy {key}" if "_" in name else f"AuthorizationPolicy {key}"


def _words(policy: Policy) -> str:
    whom = {"Global": "the mesh", "Namespace": "its namespace"}.get(policy.scope, "selected workloads")
    return f"{policy.action} for {whom}{', dry run' if policy.dry_run else ''}"


def _yes(*, dry: bool) -> str:
    return "true" if dry else "false"
