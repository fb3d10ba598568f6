"""Measures ``meshtui check`` with all rules beside ``meshtui matrix`` on the same files: whole commands, as ratios in one run."""

import argparse
import os
import sys

import large
import results
from inputs import WORK, cluster
from measure import runs

MESHTUI = [sys.executable, "-m", "meshtui"]
HEAD = """## Findings: `meshtui check`

{machine}; load when it began {load:.1f}. {pods:,} pods, {policies:,} policies of each kind; all rules, whole commands: seconds
(least / median of the runs). It is to take at most three times the time of the matrix.

| input | matrix s | check s | times | findings | MiB |
| --- | --- | --- | --- | --- | --- |
"""


def main() -> None:
    """NetworkPolicies, AuthorizationPolicies and PeerAuthentications of an ambient mesh, then half of the former a CNI's own."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    text = HEAD.format(machine=results.machine(), load=os.getloadavg()[0], pods=args.pods, policies=args.pods // 10)
    plain = cluster("checked", args.pods)
    for name, folder, words in (
        ("an ambient mesh", plain, ()),
        ("half of its NetworkPolicies Calico's own", large.half(plain, "calico"), ("--cni", "calico")),
        ("half of its NetworkPolicies Cilium's own", large.half(plain, "cilium"), ("--cni", "cilium")),
    ):
        out = WORK / f"{folder.name}.check"
        matrix = runs([*MESHTUI, "matrix", "-f", str(folder), "-o", "csv", *words], WORK / f"{folder.name}.csv", args.repeat)
        check = runs([*MESHTUI, "check", "-f", str(folder), "-o", "csv", "--fail-on", "never", *words], out, args.repeat)
        found = len(out.read_text().splitlines()) - 1
        text += f"| {name} | {matrix.best:.2f} / {matrix.median:.2f} | {check.best:.2f} / {check.median:.2f} "
        text += f"| {check.best / matrix.best:.1f} | {found:,} | {check.peak:.0f} |\n"
    results.write("26-check", text)


if __name__ == "__main__":
    main()
