"""Comparing a ztunnel's workloads with the pods of the API."""

from __future__ import annotations

from collections.abc import Iterator

from meshtui.mesh.compared import ABSENT, NONE, Compared, Says, address, listed, some
from meshtui.mesh.desired import DOMAIN, HEALTHY, WantedWorkload
from meshtui.mesh.desired_policies import CONVERTED, IMPLICIT, STATIC_STRICT
from meshtui.model.workload import Pod
from meshtui.ztunnel.dump import Table, Workload

_STANDARD = "Standard"
_DEFAULT = "default"
"""What a pod without a ServiceAccount counts as here: those that a kubelet runs from files have none, and istiod sends none."""
_MISSING = "its traffic is treated as plaintext of nobody: without an identity, no policy about identities lets it through"
_OTHER_ACCOUNT = "connections to it expect another identity, and its own traffic is judged by that one"
_OTHER_DOMAIN = "connections to it expect an identity of another trust domain"
_UNLABELLED = "istiod attaches every policy with a selector to a pod without labels"
"""As seen of it: a filter by no labels counts as no filter (istio/istio pkg/kube/krt/filter.go, FilterSelects)."""
_OTHER_ADDRESS = "traffic with its address isn't known to be its own: it counts as plaintext of nobody"


def of_workloads(compared: Compared) -> Iterator[Says]:
    """The differences of workloads, sorted by their uids."""
    if compared.why_no_workloads:
        return
    wanted, found = compared.desired.workloads, compared.ours
    for uid in sorted(wanted.keys() | found.keys()):
        expected, there = wanted.get(uid), found.get(uid)
        if expected is None:
            compared.explained.add(uid)
            if there is not None:
                yield from _extra(compared, there)
        elif not compared.is_settled(expected.pod):
            compared.explained.add(uid)
        elif there is None:
            compared.explained.add(uid)
            if not compared.may_lack(Table.WORKLOADS, uid, expected.pod.namespace):
                yield _missing(expected)
        else:
            if there.status != expected.workload.status:
                compared.explained.add(uid)
            yield from _different(compared, expected, there)


def _missing(expected: WantedWorkload) -> Says:
    return Says(f"Pod {expected.pod.key}", "", _words(expected.workload), ABSENT, expected.pod.meta.ref, True, _MISSING)


def _words(workload: Workload) -> str:
    return f"{listed(sorted(workload.workload_ips))}, ServiceAccount {workload.service_account or NONE}"


def _extra(compared: Compared, there: Workload) -> Iterator[Says]:
    """An entry of a pod that there isn't, or that istiod doesn't send (any more)."""
    snapshot, seen = compared.snapshot, compared.seen
    key = f"{there.namespace}/{there.name}"
    pod = snapshot.pod_by_key.get(key)
    waits = pod is not None and not pod.completed and (not pod.ips or not compared.is_settled(pod))
    own = any(probe.key == key for probe in snapshot.own_probes.values())
    if own or waits or not seen.reads_all("Pod") or seen.namespace(there.namespace) is None:
        return
    why = "" if pod is None else ": the pod has ended" if pod.completed else ": istiod doesn't look into its namespace"
    taken = _taken(compared, there)
    stale = taken is not None and _identity(taken) != (there.namespace, there.service_account)
    text = "traffic to its address is sent to a pod that isn't there"
    if taken is not None and stale:
        text = (
            f"an address of it belongs to Pod {taken.key} now: connections to that expect the wrong identity, and its own have it"
        )
    yield Says(f"Pod {key}", "", f"{ABSENT}{why}", _words(there), dangerous=stale, consequence=text)


def _taken(compared: Compared, there: Workload) -> Pod | None:
    """The pod to which an address of an entry belongs now, if it is another one."""
    if there.network_mode != _STANDARD:
        return None
    pods = (compared.snapshot.pod_by_ip.get(address(ip)) for ip in there.workload_ips)
    others = (pod for pod in pods if pod is not None and pod.key != f"{there.namespace}/{there.name}")
    return next(filter(compared.is_settled, others), None)


def _identity(pod: Pod) -> tuple[str, str]:
    return pod.namespace, pod.service_account


def _different(compared: Compared, expected: WantedWorkload, there: Workload) -> Iterator[Says]:
    pod, wanted = expected.pod, expected.workload
    name, ref = f"Pod {pod.key}", pod.meta.ref
    yield from _addresses(compared, pod, there)
    if there.service_account != wanted.service_account and (there.service_account or wanted.service_account != _DEFAULT):
        found = there.service_account or NONE
        yield Says(name, "serviceAccount", wanted.service_account, found, ref, True, _OTHER_ACCOUNT)
    domain = there.trust_domain or DOMAIN
    if domain != wanted.trust_domain and not compared.seen.config_doubt:
        yield Says(name, "trustDomain", wanted.trust_domain, domain, ref, True, _OTHER_DOMAIN)
    if there.node != wanted.node:
        text = "its node's ztunnel may not take its certificate and its connections for its own"
        yield Says(name, "node", wanted.node or NONE, there.node or NONE, ref, False, text)
    if there.network_mode != wanted.network_mode:
        text = (
            "its address is taken for its node's"
            if wanted.network_mode == _STANDARD
            else "its node's address is taken for its own"
        )
        yield Says(name, "networkMode", wanted.network_mode, there.network_mode, ref, False, text)
    if there.status != wanted.status:
        gets = "Services send it no traffic" if wanted.status == HEALTHY else "Services send it traffic although it isn't ready"
        yield Says(name, "status", wanted.status, there.status, ref, False, gets)
    yield from compared.waypoint(name, ref, expected.binding, there)
    yield from _attached(compared, expected, there)


def _addresses(compared: Compared, pod: Pod, there: Workload) -> Iterator[Says]:
    wanted, found = {address(ip) for ip in pod.ips}, {address(ip) for ip in there.workload_ips}
    if wanted == found:
        return
    taken = _taken(compared, there)
    text = _OTHER_ADDRESS
    if taken is not None and _identity(taken) != _identity(pod):
        text = f"the address of Pod {taken.key} counts as its own: connections to that expect the wrong identity"
    yield Says(f"Pod {pod.key}", "workloadIps", listed(sorted(wanted)), listed(sorted(found)), pod.meta.ref, True, text)


def _attached(compared: Compared, expected: WantedWorkload, there: Workload) -> Iterator[Says]:
    pod, wanted, found = expected.pod, expected.attached.keys, frozenset(there.authorization_policies)
    if wanted == found or compared.why_not_attached(pod.namespace):
        return
    told = {key for key in wanted ^ found if _tells_attached(compared, expected, key)}
    missing, extra = sorted(told - found), sorted(told - wanted)
    changed = [*(f"{key} isn't enforced for it" for key in missing), *(f"{key} is enforced for it" for key in extra)]
    if changed:
        text = some(changed) + (f": {_UNLABELLED}" if extra and not pod.labels else "")
        shown = listed(sorted(wanted)), listed(sorted(found))
        yield Says(f"Pod {pod.key}", "authorizationPolicies", *shown, pod.meta.ref, True, text)


def _tells_attached(compared: Compared, expected: WantedWorkload, key: str) -> bool:
    """Whether it is known if a policy is attached to a pod: what it depends on can be read, and hasn't just been changed."""
    namespace, policies = expected.pod.namespace, compared.desired.policies
    if key in expected.attached.undetermined or not policies.tells_attached(key, namespace):
        return False
    name = key.partition("/")[2]
    if name == STATIC_STRICT or name.startswith(CONVERTED):
        return not {namespace, compared.snapshot.mesh.root_namespace} & compared.changing_peers
    if name.startswith(IMPLICIT):
        return _tells_waypoints(compared, expected)
    return key not in compared.changing_policies


def _tells_waypoints(compared: Compared, expected: WantedWorkload) -> bool:
    """Whether the waypoints of a pod and of all that selects it are known: those of ServiceEntries aren't."""
    services = (compared.desired.services.get(key) for key in expected.workload.services)
    bindings = [expected.binding, *(service.binding for service in services if service is not None)]
    known = all(binding.known and not compared.changed(binding.objects) for binding in bindings)
    entries = (e for e in compared.snapshot.service_entries.values() if e.meta.namespace == expected.pod.namespace)
    return known and compared.seen.reads_all("Service") and not any(entry.selector is not None for entry in entries)
