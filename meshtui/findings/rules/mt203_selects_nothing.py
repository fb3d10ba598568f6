"""MT203: a mesh policy whose selector selects no pod."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from meshtui.engine.matching.selectors import describe, matches
from meshtui.findings.base import Found, Rule
from meshtui.findings.context import Context
from meshtui.findings.pods import is_ambient
from meshtui.findings.unseen import unseen
from meshtui.model.finding import Severity
from meshtui.model.policy import AuthorizationPolicy, PeerAuthentication
from meshtui.model.selectors import LabelSelector


def _look(context: Context) -> Iterator[Found]:
    """AuthorizationPolicies, PeerAuthentications and RequestAuthentications; ztunnel matches nothing with ``selector: {}``.

    A PeerAuthentication of the root namespace counts for no pod if it has a selector, whomever that selects (MT225).
    """
    snapshot = context.snapshot
    kinds = (snapshot.authorization_policies, snapshot.peer_authentications, snapshot.request_authentications)
    for policy in (p for kind in kinds for p in kind.values()):
        selector, ref = policy.selector, policy.meta.ref
        if selector is None or (isinstance(policy, PeerAuthentication) and ref.namespace == snapshot.mesh.root_namespace):
            continue
        if selector.is_empty:
            ambient = any(is_ambient(member) for member in context.classes_in(ref.namespace))
            stray = any(path.startswith("spec.selector.") for path in policy.unmodelled)  # MT229's
            if isinstance(policy, AuthorizationPolicy) and ambient and not policy.target_refs and not stray:
                why = "an empty selector selects nothing at ztunnel: leave it out to mean the whole namespace"
                yield Found((ref,), f"{ref} has an empty selector", why, field="spec.selector")
        elif _has_pods(context, ref.namespace) and not _selects(context, ref.namespace, selector):
            why = "it is enforced nowhere: whom it was written for is judged without it"
            missing = unseen(context.snapshot, _namespaces(context, ref.namespace))
            what = f"{ref} selects no pod: {describe(selector)}{missing}"
            yield Found((ref,), what, why, Severity.INFO if missing else None, field="spec.selector")


def _namespaces(context: Context, namespace: str) -> Iterable[str]:
    """The namespaces whose pods a selector may match: in the root namespace, all."""
    return context.snapshot.namespace_by_name if namespace == context.snapshot.mesh.root_namespace else [namespace]


def _has_pods(context: Context, namespace: str) -> bool:
    if namespace == context.snapshot.mesh.root_namespace:
        return context.snapshot.live or bool(context.running)
    return namespace in context.namespaces_with_pods


def _selects(context: Context, namespace: str, selector: LabelSelector) -> bool:
    """Whether the selector matches a running or future pod of its namespace; in the root namespace, of any namespace.

    Workloads outside the cluster count (WorkloadEntry), and the pods of Gateways that aren't deployed yet.
    """
    everywhere = namespace == context.snapshot.mesh.root_namespace
    pods = context.running if everywhere else context.snapshot.pods_by_namespace.get(namespace, ())
    if any(not pod.completed and matches(selector, pod.labels) for pod in pods):
        return True
    snapshot = context.snapshot
    others = [(c.meta.namespace, c.template.labels) for c in context.makers]
    others += [(g.meta.namespace, end.labels) for g, several in context.gateways for end in several]
    others += [(e.meta.namespace, {**e.meta.labels, **e.endpoint.labels}) for e in snapshot.workload_entries.values()]
    others += [(e.meta.namespace, end.labels) for e in snapshot.service_entries.values() for end in e.endpoints]
    return any(matches(selector, labels) for home, labels in others if everywhere or home == namespace)


RULE = Rule(
    "MT203",
    "policy that selects nothing",
    Severity.WARNING,
    _look,
    ("Pod", "AuthorizationPolicy", "PeerAuthentication", "RequestAuthentication"),
)
