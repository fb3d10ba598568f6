"""Versions of the mesh's parts: what is further apart than Istio supports, and what changes verdicts.

istio.io, supported releases: the data plane may be one minor version older than the control plane, and not newer.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from meshtui.mesh.report import Between, Difference
from meshtui.model.snapshot import Snapshot
from meshtui.model.workload import Pod
from meshtui.ztunnel.dump import policy_of
from meshtui.ztunnel.look import NodeLook

Minor = tuple[int, int]
_VERSION = re.compile(r"\A[vV]?(\d{1,3})\.(\d{1,3})(?=\D|\Z)")
_KNOWS_DRY_RUNS = (1, 29)


def minor_of(version: str) -> Minor | None:
    """Major and minor of a version or an image's tag; None if it has none (``latest``, a hash)."""
    found = _VERSION.match(version)
    return (int(found[1]), int(found[2])) if found else None


def tag_of(image: str) -> str:
    """The tag of an image; empty without one."""
    _, colon, tag = image.partition("@")[0].rpartition("/")[2].partition(":")
    return tag if colon else ""


def own_images(pod: Pod, part: str) -> tuple[str, ...]:
    """The images of a pod that have a word in their name, where any has: others may have put containers into it."""
    return tuple(image for image in pod.images if part in image.partition("@")[0].rpartition("/")[2]) or pod.images


def version_of(look: NodeLook) -> str:
    """The version of a node's ztunnel: what its dump says, else its metrics, else the tag of its image."""
    said = look.dump.version if look.dump else ""
    return said or (look.metrics.version if look.metrics else "") or tag_of(look.image)


def istiod_versions(snapshot: Snapshot | None) -> tuple[str, ...]:
    """The tags of istiod's images, sorted."""
    if snapshot is None:
        return ()
    return tuple(sorted({tag for tag in _tags(snapshot.pods.values(), "app", "istiod") if minor_of(tag)}))


def version_differences(
    looks: Sequence[NodeLook], snapshot: Snapshot | None = None, control_plane: Iterable[str] = ()
) -> tuple[Difference, ...]:
    """Versions that don't fit together, each with its node, and dry runs that an old ztunnel enforces."""
    versions = {look.node: version_of(look) for look in looks}
    istiods = [version for version in (*control_plane, *istiod_versions(snapshot)) if minor_of(version)]
    skewed = tuple(_against_istiod(versions, istiods))
    told = {each.node for each in skewed}
    others = (each for each in _among_ztunnels(versions) if each.node not in told)
    return (*skewed, *others, *_dry_runs(looks, versions), *_cni(snapshot, istiods))


def _against_istiod(versions: dict[str, str], istiods: Sequence[str]) -> Iterator[Difference]:
    if not istiods:
        return
    newest = max(istiods, key=lambda each: minor_of(each) or (0, 0))
    oldest = min(istiods, key=lambda each: minor_of(each) or (0, 0))
    newest_minor, oldest_minor = minor_of(newest), minor_of(oldest)
    for node, version in versions.items():
        minor = minor_of(version)
        if minor is None or newest_minor is None or oldest_minor is None:
            continue
        if minor > newest_minor:
            words = "a ztunnel newer than istiod isn't supported: it may expect what istiod doesn't send"
            yield _skew(node, "ztunnel", newest, version, "istiod", words)
        elif minor[0] != newest_minor[0] or oldest_minor[1] - minor[1] > 1:
            words = "more than one minor version behind istiod isn't supported: policies may be read otherwise, or refused"
            yield _skew(node, "ztunnel", newest, version, "istiod", words)


def _among_ztunnels(versions: dict[str, str]) -> Iterator[Difference]:
    """The nodes whose ztunnel has another minor version than most."""
    minors = Counter(minor for version in versions.values() if (minor := minor_of(version)))
    if len(minors) < 2:
        return
    usual = max(minors, key=lambda minor: (minors[minor], minor))
    example = next(version for version in versions.values() if minor_of(version) == usual)
    for node, version in versions.items():
        minor = minor_of(version)
        if minor is not None and minor != usual:
            words = "the same policy may be decided otherwise on this node; during an upgrade that passes"
            yield _skew(node, "ztunnel", example, version, f"{minors[usual]} of {len(versions)} ztunnels", words)


def _dry_runs(looks: Sequence[NodeLook], versions: dict[str, str]) -> Iterator[Difference]:
    """A ztunnel before 1.29 doesn't know dry runs, and enforces those that istiod sends (upgrade notes of Istio 1.29)."""
    dry = {key for look in looks if look.dump for key, entry in look.dump.policies.items() if policy_of(entry).dry_run}
    for look in looks if dry else ():
        minor = minor_of(versions[look.node])
        if look.dump is None or minor is None or minor >= _KNOWS_DRY_RUNS:
            continue
        for key in sorted(dry & look.dump.policies.keys()):
            yield Difference(
                Between.VERSIONS,
                look.node,
                f"AuthorizationPolicy {key}",
                "dryRun",
                "a dry run",
                f"enforced: ztunnel {versions[look.node]} doesn't know dry runs",
                "the policy",
                dangerous=True,
                consequence="a policy that should only be tried decides connections",
            )


def _cni(snapshot: Snapshot | None, istiods: Sequence[str]) -> Iterator[Difference]:
    if snapshot is None or not istiods:
        return
    newest = max(istiods, key=lambda each: minor_of(each) or (0, 0))
    for pod in snapshot.pods.values():
        if pod.labels.get("k8s-app") != "istio-cni-node" or pod.completed:
            continue
        for tag in map(tag_of, own_images(pod, "cni")):
            minor, wanted = minor_of(tag), minor_of(newest)
            if minor and wanted and (minor > wanted or minor[0] != wanted[0] or wanted[1] - minor[1] > 1):
                yield _skew(pod.node, "istio-cni", newest, tag, "istiod", "this pair of versions isn't supported")


def _skew(node: str, part: str, expected: str, found: str, by: str, words: str) -> Difference:
    return Difference(Between.VERSIONS, node, f"version of {part}", "", expected, found, by, consequence=words)


def _tags(pods: Iterable[Pod], label: str, value: str) -> Iterator[str]:
    for pod in pods:
        if pod.labels.get(label) == value and not pod.completed:
            yield from (tag for image in own_images(pod, "pilot") if (tag := tag_of(image)))
