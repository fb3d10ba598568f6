"""Measures ``meshtui matrix`` on made-up clusters, beside the Python peer and the floor, and writes RESULTS.md and a plot."""

import argparse
import json
import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import peers
import plot
import results
from inputs import GENERATOR, WORK, cluster
from measure import Runs, run, runs

HERE = Path(__file__).resolve().parent
MESHTUI = [sys.executable, "-m", "meshtui"]
SIZES = (100, 300, 1000, 3000, 10000)
# np-guard netpol-analyzer, commit e54a334, compiled Go: seconds (least of several) on a 2-core AMD EPYC, on clusters like these
NETPOL_ANALYZER = {100: 0.06, 300: 0.16, 1000: 0.83, 3000: 5.07, 10000: 137.0}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--most", type=int, default=10000, help="the largest cluster, in pods")
    parser.add_argument("--peer-most", type=int, default=3000, help="the largest cluster for the peer")
    parser.add_argument("--peer-limit", type=float, default=600, help="when the peer is stopped, in seconds")
    parser.add_argument("--repeat", type=int, default=3)
    return parser.parse_args()


def ours(folder: Path, repeat: int) -> tuple[Runs, Path]:
    """The whole command, its output in a file."""
    out = WORK / f"{folder.name}.csv"
    return runs([*MESHTUI, "matrix", "-f", str(folder), "-o", "csv"], out, repeat), out


def against_peer(args: argparse.Namespace) -> tuple[list[dict], list[str]]:
    """NetworkPolicies alone, without a mesh, which the peer doesn't know: times, and the differences that nothing explains."""
    command, rows, unexplained = peers.install(WORK), [], []
    for pods in (size for size in SIZES if size <= args.most):
        folder = cluster("network", pods, "--only", "networkpolicies", "--uniform-labels", "--mesh", "none")
        mine, out = ours(folder, args.repeat)
        row = {"pods": pods, "ours": mine, "peer": None, "pairs": len(peers.answers_of_ours(out)), "differ": None}
        if pods <= args.peer_most:
            answer = WORK / f"{folder.name}.peer.txt"
            times = range(args.repeat if pods <= 300 else 1)
            log, limit = WORK / "peer.log", args.peer_limit
            row["peer"] = Runs(tuple(run(peers.arguments(command, folder, answer), log, limit, peers.FINE) for _ in times))
            if row["peer"].finished:
                theirs = peers.answers_of_peer(answer)
                row["differ"] = len(peers.differences(peers.answers_of_ours(out), theirs))
                _, cut = ours(peers.without_pods_in_blocks(folder, folder.with_name(f"{folder.name}-cut")), 1)
                unexplained += [f"{pods} pods: {text}" for text in peers.differences(peers.answers_of_ours(cut), theirs)]
        rows.append(row)
        say(f"network policies, {pods} pods: {mine.best:.2f} s, peer {row['peer'].best if row['peer'] else float('nan'):.2f} s")
    return rows, unexplained


def with_mesh(args: argparse.Namespace) -> list[dict]:
    """NetworkPolicies, AuthorizationPolicies and PeerAuthentications of an ambient mesh: the command, and judging alone."""
    rows = []
    for pods in (size for size in SIZES if 1000 <= size <= args.most):
        folder = cluster("ambient", pods)
        whole, _ = ours(folder, args.repeat)
        done = subprocess.run([sys.executable, str(HERE / "judging.py"), str(folder)], check=True, capture_output=True, text=True)
        rows.append({"pods": pods, "whole": whole, **json.loads(done.stdout)})
        say(f"ambient, {pods} pods: {whole.best:.2f} s, judging {rows[-1]['judge_s']:.2f} s")
    return rows


def say(text: str) -> None:
    """Tell the person how far it is."""
    sys.stderr.write(text + "\n")


def report(rows: list[dict], differ: list[str], mesh: list[dict], load: tuple[float, ...]) -> str:
    """RESULTS.md."""
    own = "benchmarks/cluster.py" if GENERATOR.startswith(str(HERE)) else "the generator that BENCH_GENERATOR named"
    words = {"before": load[0], "after": os.getloadavg()[0], "own": own, "peer": peers.VERSION, "msgspec": version("msgspec")}
    parts = [INTRODUCTION.format(machine=results.machine(), **words)]
    parts.append(NETWORK + "".join(map(network_row, rows)))
    parts.append(f"{CITED}\nDifferences that remain: {len(differ) or 'none'}.\n")
    parts[-1] += "".join(f"- {text}\n" for text in differ[:50])
    parts.append(AMBIENT + "".join(map(ambient_row, mesh)))
    parts.append(CHANGES + "".join(map(change_row, mesh)))
    if mesh:
        parts.append(
            f"By what changed, at {mesh[-1]['pods']} pods:\n\n| change | count | median | worst |\n| --- | --- | --- | --- |\n"
        )
        kinds = mesh[-1]["by_kind_ms"].items()
        parts[-1] += "".join(f"| {kind} | {f['count']} | {f['median']:.1f} | {f['worst']:.1f} |\n" for kind, f in kinds)
    return "\n".join(parts)


INTRODUCTION = """## All pairs: `meshtui matrix`

{machine}; load when it began {before:.1f}, when it ended {after:.1f}. Other work may run beside: take
the least of the runs for the tool, and the median for the noise. msgspec {msgspec},
network-config-analyzer {peer} (in a venv of its own). Clusters are made by {own}, seed 1: PODS/10 policies,
PODS/50 namespaces.

![Time against pods](time-against-pods.svg)
"""

NETWORK = """### NetworkPolicies alone, all pairs of workloads, the whole command

Seconds (least / median of the runs) and MiB at most. The peer (network-config-analyzer) reads the same files; its pairs and ports
are compared with ours.

| pods | meshtui s | MiB | peer s | MiB | times as fast | netpol-analyzer s (cited) | connected pairs | answered differently |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""

CITED = """netpol-analyzer's figures are of its commit `e54a334` (compiled Go), measured on a machine of the same kind on clusters
of the same shape; it is not run here.

Why pairs are answered differently: an ipBlock with pods' addresses in it. The peer never matches a pod by an ipBlock; meshtui
compares the pod's address, and states that as an assumption (Kubernetes leaves it to the CNI). So each input is also asked with
the pods' addresses cut out of its ipBlocks, which must give the peer's answers.
"""

AMBIENT = """### NetworkPolicies, AuthorizationPolicies and PeerAuthentications of an ambient mesh

*Judging* is all that comes after decoding: all pairs, all ports, TCP, UDP and SCTP, with the deciding object of each. The *floor*
is parsing pods.json for names and labels with msgspec: no tool that reads the file can be faster.

| pods | policies | classes | class pairs | whole command s | MiB | decode s | judging s | floor s | judging / floor |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""

CHANGES = """### One change

Milliseconds from a new snapshot to the new verdicts of every pair that it touches; 200 changes, one after the other. A mesh-wide
edit empties the rules of a policy in the root namespace. *explain* is one verdict with its ladder, after load.

| pods | median | worst | a mesh-wide edit | explain median | explain worst |
| --- | --- | --- | --- | --- | --- |
"""


def network_row(row: dict) -> str:
    """One row of the comparison."""
    mine, peer, cited = row["ours"], row["peer"], NETPOL_ANALYZER.get(row["pods"], "")
    theirs = "not run | | "
    if peer is not None and peer.finished:
        theirs = f"{peer.best:.2f} / {peer.median:.2f} | {peer.peak:.0f} | {peer.best / mine.best:.0f}"
    elif peer is not None:
        theirs = f"stopped at {peer.best:.0f} | {peer.peak:.0f} | over {peer.best / mine.best:.0f}"
    times = f"{mine.best:.2f} / {mine.median:.2f} | {mine.peak:.0f}"
    return (
        f"| {row['pods']} | {times} | {theirs} | {cited} | {row['pairs']} | {'–' if row['differ'] is None else row['differ']} |\n"
    )


def ambient_row(m: dict) -> str:
    """One row of what judging takes."""
    whole = f"{m['whole'].best:.2f} / {m['whole'].median:.2f} | {m['whole'].peak:.0f}"
    parts = f"{m['decode_s']:.2f} | {m['judge_s']:.2f} | {m['floor_s']:.3f} | {m['judge_s'] / m['floor_s']:.1f}"
    return f"| {m['pods']} | {m['policies']} | {m['classes']} | {m['pairs']:,} | {whole} | {parts} |\n"


def change_row(m: dict) -> str:
    """One row of what a change takes."""
    wide = "–" if m["mesh_wide_ms"] is None else f"{m['mesh_wide_ms']:.1f}"
    change, explain = m["change_ms"], m["explain_ms"]
    explained = f"{explain['median']:.2f} | {explain['worst']:.2f}"
    return f"| {m['pods']} | {change['median']:.1f} | {change['worst']:.1f} | {wide} | {explained} |\n"


def main() -> None:
    args = arguments()
    WORK.mkdir(exist_ok=True)
    load = os.getloadavg()
    mesh = with_mesh(args)
    rows, differ = against_peer(args)
    series = {"meshtui (network policies)": [(row["pods"], row["ours"].best) for row in rows]}
    series["network-config-analyzer"] = [(row["pods"], row["peer"].best) for row in rows if row["peer"]]
    series["netpol-analyzer (cited)"] = [(pods, s) for pods, s in NETPOL_ANALYZER.items() if pods <= args.most]
    series["meshtui (ambient mesh)"] = [(m["pods"], m["whole"].best) for m in mesh]
    series["floor: parsing"] = [(m["pods"], m["floor_s"]) for m in mesh]
    drawn = {name: line for name, line in series.items() if line}
    (HERE / "time-against-pods.svg").write_text(plot.svg(drawn, "All pairs: time against pods"))
    say(f"wrote {results.write('20-matrix', report(rows, differ, mesh, load))}")


if __name__ == "__main__":
    main()
