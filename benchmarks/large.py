"""Measures ``meshtui matrix`` on 100,000 pods, and with half of the policies a CNI's own beside NetworkPolicies alone."""

import argparse
import csv
import json
import os
import shutil
import sys
from pathlib import Path

import peers
import results
from inputs import WORK, cluster
from measure import Runs, run, runs

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
from tests.reference.calico import as_calico
from tests.reference.cilium import as_cilium

MESHTUI = [sys.executable, "-m", "meshtui"]
ONLY = ("--only", "networkpolicies", "--mesh", "none")


def measured(folder: Path, repeat: int, *more: str) -> Runs:
    """The whole command, its output in a file."""
    return runs([*MESHTUI, "matrix", "-f", str(folder), "-o", "csv", *more], WORK / f"{folder.name}.csv", repeat)


WRITTEN = {"calico": as_calico, "cilium": as_cilium}


def half(folder: Path, cni: str) -> Path:
    """The same cluster with every second NetworkPolicy written as one of the CNI's own."""
    other = folder.with_name(f"{folder.name}-half-{cni}")
    if not other.exists():
        shutil.copytree(folder, other)
        file = other / "networkpolicies.json"
        written = json.loads(file.read_text())
        written = {**written, "kind": "List", "apiVersion": "v1"}
        written["items"] = [WRITTEN[cni](obj) if place % 2 else obj for place, obj in enumerate(written["items"])]
        for obj in written["items"]:
            obj["spec"].pop("tier", None)  # the default one: the peer doesn't know the field
        file.write_text(json.dumps(written))
    return other


def answers(folder: Path) -> list[list[str]]:
    """What the command wrote, without the objects that decide."""
    with (WORK / f"{folder.name}.csv").open(newline="") as file:
        return [row[:5] for row in csv.reader(file)]


LARGE = """## A large cluster

{machine}; load when it began {load:.1f}. The whole command, once: seconds, and MiB at most.

| pods | policies | what | s | MiB |
| --- | --- | --- | --- | --- |
"""
OWN = """## A CNI's own policies

{machine}. {pods:,} pods, {policies:,} policies; every second NetworkPolicy is written as the policy of the CNI's own kind that
means the same. The whole command, beside NetworkPolicies alone, as the same CNI reads them.

| CNI | NetworkPolicies alone: s (least / median) | MiB | half of them its own: s | MiB | times | pairs answered differently |
| --- | --- | --- | --- | --- | --- | --- |
"""
PEER = """### Beside network-config-analyzer

Half of the policies Calico's own, on the same files; the pods' addresses are cut out of the blocks, as the peer matches no pod by
its address. Seconds (least of the runs); a run of the peer is stopped after {limit} s.

| pods | policies | meshtui s | network-config-analyzer {version} s | times as fast | connected pairs | answered differently |
| --- | --- | --- | --- | --- | --- | --- |
"""
LIMIT_S = 300
BESIDE = (100, 300, 1000, 3000)
"""The pods of the clusters that the peer reads too: its time grows with the square."""


def large(pods: int) -> None:
    """NetworkPolicies alone, then both kinds, with a policy for twenty pods."""
    policies = pods // 20
    text = LARGE.format(machine=results.machine(), load=os.getloadavg()[0])
    for what, name, words in (
        ("NetworkPolicies alone", "large", ONLY),
        ("NetworkPolicies, AuthorizationPolicies and PeerAuthentications", "large-ambient", ()),
    ):
        found = measured(cluster(name, pods, *words, "--policies", str(policies)), 1)
        text += f"| {pods:,} | {policies:,} | {what} | {found.best:.1f} | {found.peak:.0f} |\n"
    results.write("25-large", text)


def own(pods: int, repeat: int) -> None:
    """Half of the policies a CNI's own, beside NetworkPolicies alone."""
    plain = cluster("network", pods, *ONLY, "--uniform-labels")
    text = OWN.format(machine=results.machine(), pods=pods, policies=pods // 10)
    for cni in WRITTEN:
        mixed = half(plain, cni)
        one, other = (measured(folder, repeat, "--cni", cni) for folder in (plain, mixed))
        pairs = list(zip(answers(plain), answers(mixed), strict=True))[1:]
        differ = sum(before != after for before, after in pairs)
        text += f"| {cni} | {one.best:.2f} / {one.median:.2f} | {one.peak:.0f} | {other.best:.2f} / {other.median:.2f} "
        text += f"| {other.peak:.0f} | {other.best / one.best:.1f} | {differ} of {len(pairs):,} |\n"
    results.write("27-own-policies", f"{text}\n{beside_peer(repeat)}")


def beside_peer(repeat: int) -> str:
    """The Python peer on Calico's policies, its answers compared with ours."""
    command = peers.install(WORK)
    text = PEER.format(limit=LIMIT_S, version=peers.VERSION)
    examples: list[str] = []
    for pods in BESIDE:
        plain = cluster("network", pods, *ONLY, "--uniform-labels")
        folder = half(peers.without_pods_in_blocks(plain, plain.with_name(f"{plain.name}-cut")), "calico")
        mine, answer = measured(folder, repeat, "--cni", "calico"), WORK / f"{folder.name}.peer.txt"
        log = WORK / f"{folder.name}.peer.log"
        theirs = run(peers.arguments(command, folder, answer), log, LIMIT_S, peers.FINE)
        ours = peers.answers_of_ours(WORK / f"{folder.name}.csv")
        said = peers.answers_of_peer(answer) if theirs.finished else None
        differ = peers.differences(ours, said) if said is not None else []
        examples += [f"- {pods} pods: {each}\n" for each in differ[:5]]
        time = f"{theirs.seconds:.1f} | {theirs.seconds / mine.best:.0f}" if theirs.finished else f"over {LIMIT_S} | – "
        words = f"{len(ours):,} | {'–' if said is None else len(differ)}"
        text += f"| {pods} | {max(4, pods // 10)} | {mine.best:.2f} | {time} | {words} |\n"
    return text + ("\nThe first that differ:\n\n" + "".join(examples) if examples else "")


def main() -> None:
    """Both parts."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=100_000, help="the pods of the large cluster")
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    large(args.most)
    own(args.most // 10, args.repeat)


if __name__ == "__main__":
    main()
