"""Measures judging alone, inside one process, and prints it as JSON: decode, all pairs, every change, one explain."""

import gc
import json
import random
import resource
import statistics
import sys
import time
from collections import defaultdict
from dataclasses import replace
from pathlib import Path

import msgspec

from meshtui.engine import Engine
from meshtui.engine.classes.bitsets import members
from meshtui.engine.matrix.matrix import Matrix, Touched
from meshtui.kinds import BY_GROUP_KIND, decode_json
from meshtui.model.flow import EndpointKind, Flow, FlowEndpoint
from meshtui.model.snapshot import Snapshot
from meshtui.sources.manifests import load_manifests


class _Named(msgspec.Struct):
    name: str
    namespace: str = ""
    labels: dict[str, str] = {}


class _Pod(msgspec.Struct):
    metadata: _Named


class _List(msgspec.Struct):
    items: list[_Pod]


def floor(folder: Path) -> float:
    """The least that any tool can take: parsing the pods' file for names and labels, with msgspec."""
    decoder, best = msgspec.json.Decoder(_List), 9e9
    for _ in range(5):
        started = time.perf_counter()
        decoder.decode((folder / "pods.json").read_bytes())
        best = min(best, time.perf_counter() - started)
    return best


def judged(snapshot: Snapshot) -> tuple[float, Matrix, int]:
    """A matrix with all of its cells worked out: seconds, and the matrix."""
    started = time.perf_counter()
    matrix = Matrix(snapshot)
    pairs = sum(len(row) for _, row in matrix.rows())
    return time.perf_counter() - started, matrix, pairs


def changes(folder: Path, snapshot: Snapshot, matrix: Matrix) -> dict[str, list[float]]:
    """Milliseconds from a new snapshot to the new verdicts of all pairs that a change touches, by what changed."""
    found: dict[str, list[float]] = defaultdict(list)
    for line in (folder / "changes.jsonl").read_bytes().splitlines():
        event = json.loads(line)
        version, kind = event["object"]["apiVersion"], event["object"]["kind"]
        known = BY_GROUP_KIND[version.rpartition("/")[0], kind]
        changed = decode_json(known, json.dumps(event["object"]).encode(), "changes")
        objects = dict(getattr(snapshot, known.field))
        if event["type"] == "DELETED":
            objects.pop(changed.meta.uid, None)
        else:
            objects[changed.meta.uid] = changed
        snapshot = replace(snapshot, **{known.field: objects})
        started = time.perf_counter()
        look_up(matrix, matrix.update(snapshot))
        found[f"{event['type'].lower()} {kind}"].append((time.perf_counter() - started) * 1000)
    return found


def look_up(matrix: Matrix, touched: Touched) -> None:
    """Compute the new cells of the pairs that an update touched: by whole rows if they are many."""
    alive = sum(1 << member.number for member in matrix.classes if member.pods)
    rows: dict[int, int] = {number: bits & alive for number, bits in touched.rows.items() if alive >> number & 1}
    for number, bits in touched.columns.items():
        for source in members(bits & alive) if alive >> number & 1 else ():
            rows[source] = rows.get(source, 0) | 1 << number
    for number, bits in list(rows.items()):
        if bits.bit_count() * 8 <= len(matrix.classes):
            del rows[number]
            for target in members(bits):
                matrix.cell(matrix.classes[number], matrix.classes[target])
    for _ in matrix.rows(rows):
        pass


def mesh_wide(snapshot: Snapshot, matrix: Matrix) -> float | None:
    """Milliseconds after one edit to a policy that covers the whole mesh."""
    root = snapshot.mesh.root_namespace
    policies = dict(snapshot.authorization_policies)
    uid = next((uid for uid, policy in policies.items() if policy.meta.namespace == root), None)
    if uid is None:
        return None
    policies[uid] = replace(policies[uid], rules=())
    started = time.perf_counter()
    look_up(matrix, matrix.update(replace(snapshot, authorization_policies=policies)))
    return (time.perf_counter() - started) * 1000


def explains(snapshot: Snapshot) -> list[float]:
    """Milliseconds for one verdict with its whole ladder, on an engine that is loaded."""
    engine, rng, pods, found = Engine(snapshot), random.Random(1), list(snapshot.pods.values()), []
    for _ in range(300):
        ends = [FlowEndpoint(EndpointKind.POD, pod.namespace, pod.name) for pod in rng.sample(pods, 2)]
        started = time.perf_counter()
        engine.judge(Flow(*ends, 8080))
        found.append((time.perf_counter() - started) * 1000)
    return found[1:]


def main() -> None:
    folder = Path(sys.argv[1])
    started = time.perf_counter()
    snapshot = load_manifests([str(folder)])
    decode = time.perf_counter() - started
    gc.collect()
    gc.freeze()
    seconds, matrix, pairs = judged(snapshot)
    seconds = min(seconds, *(judged(snapshot)[0] for _ in range(2)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    wide = mesh_wide(snapshot, matrix)
    _, matrix, _ = judged(snapshot)
    by_kind = changes(folder, snapshot, matrix)
    every = [ms for found in by_kind.values() for ms in found]
    explained = explains(snapshot)
    answer = {
        "pods": len(snapshot.pods),
        "policies": len(snapshot.network_policies) + len(snapshot.authorization_policies),
        "namespaces": len(snapshot.namespaces),
        "classes": len(matrix.classes),
        "pairs": pairs,
        "floor_s": floor(folder),
        "decode_s": decode,
        "judge_s": seconds,
        "peak_mib": peak,
        "change_ms": {"median": statistics.median(every), "worst": max(every)},
        "by_kind_ms": {
            kind: {"median": statistics.median(f), "worst": max(f), "count": len(f)} for kind, f in sorted(by_kind.items())
        },
        "mesh_wide_ms": wide,
        "explain_ms": {"median": statistics.median(explained), "worst": max(explained)},
    }
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
