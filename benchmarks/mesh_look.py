"""Measures a look at a hundred nodes' ztunnels: seconds, and the memory of the process that looks. The nodes are another one."""

import argparse
import asyncio
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import results

HERE = Path(__file__).resolve().parent
TEXT = """## A look at the mesh's own state

{machine}; load when it began {load:.1f}. Every ztunnel has {workloads:,} workloads in a dump of {size:.1f} MiB,
as ztunnel writes it; the nodes are one process beside, without TLS. The memory is that of the process that looks, which imported
what reads a kubeconfig; *held* is how late the event loop was at most. *compared* is the comparison of all
nodes with each other, with certificates and versions, in a thread. Both are to take at most {seconds:.0f} s and
{mebibytes:.0f} MiB, and one node's look at most 1 s.

| nodes | differing on each | s | compared: s | differences | MiB before | MiB at most | whole tables | held ms | one node: s |
| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
MOST_S, MOST_MIB, MOST_ONE_S = 60.0, 300.0, 1.0


async def _held() -> float:
    """How late the event loop was at most for something that wants to run every 5 ms, in milliseconds, until cancelled."""
    worst = 0.0
    try:
        while True:
            began = time.perf_counter()
            await asyncio.sleep(0.005)
            worst = max(worst, time.perf_counter() - began - 0.005)
    except asyncio.CancelledError:
        return 1000 * worst


async def look(port: int, nodes: int) -> dict:
    """The figures of one look, in this process."""
    from meshtui.mesh.compare import compare
    from meshtui.settings import Timeouts
    from meshtui.sources.kubernetes.api import Api
    from meshtui.sources.kubernetes.connection import Connection
    from meshtui.sources.kubernetes.mesh_look import look_at_mesh

    sys.path.insert(0, str(HERE.parent))
    import kubernetes  # noqa: F401  (what reads a kubeconfig counts too)

    from tests.fakes.forwards import pod

    pods = [pod(f"istio-system/ztunnel-{number}", node=f"node-{number}") for number in range(nodes)]
    pods.append(pod("istio-system/istiod-0", app="istiod"))
    api = Api(Connection(f"http://127.0.0.1:{port}", tls=False, authorization=lambda: ""), Timeouts())
    held = asyncio.create_task(_held())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    began = time.perf_counter()
    found = await look_at_mesh(api, pods)
    seconds = time.perf_counter() - began
    began = time.perf_counter()
    report = await asyncio.to_thread(compare, None, found)
    compared = time.perf_counter() - began
    held.cancel()
    await api.close()
    assert {each.node for each in report.nodes} == {each.node for each in found.nodes}
    assert len(found.nodes) == nodes
    assert not found.missing, found.missing
    assert not any(node.problems for node in found.nodes), found.nodes[0].problems
    assert found.synced
    assert all(len(node.dump.workloads) == len(found.nodes[0].dump.workloads) for node in found.nodes)
    return {
        "seconds": seconds,
        "compared": compared,
        "differences": len(report.differences),
        "before": before,
        "held": await held,
        "mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "whole": len({id(node.dump.workloads) for node in found.nodes if isinstance(node.dump.workloads, dict)}),
    }


def measured(port: int, nodes: int) -> dict:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--port", str(port), "--nodes", str(nodes)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main() -> None:
    """Both kinds of meshes: all nodes alike, and each differing a little."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nodes", type=int, default=100)
    parser.add_argument("--workloads", type=int, default=10_000)
    parser.add_argument("--port", type=int, default=0, help="look at nodes that are served there, and print the figures")
    args = parser.parse_args()
    if args.port:
        print(json.dumps(asyncio.run(look(args.port, args.nodes))))
        return
    rows, load, late = "", os.getloadavg()[0], []
    for differing in (0, 20):
        command = [sys.executable, HERE / "mesh_nodes.py", "--nodes", str(args.nodes), "--workloads", str(args.workloads)]
        with subprocess.Popen(
            [*command, "--differing", str(differing)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as server:
            port, size = map(int, server.stdout.readline().split())
            one, all_of_them = measured(port, 1), measured(port, args.nodes)
            server.stdin.close()
        figures = "{seconds:.1f} | {compared:.1f} | {differences:,} | {before:.0f} | {mebibytes:.0f} | {whole} | {held:.0f}"
        rows += f"| {args.nodes} | {differing} | {figures.format(**all_of_them)} | {one['seconds']:.2f} |\n"
        if (
            all_of_them["seconds"] + all_of_them["compared"] > MOST_S
            or all_of_them["mebibytes"] > MOST_MIB
            or one["seconds"] > MOST_ONE_S
        ):
            late.append(differing)
    text = TEXT.format(
        machine=results.machine(),
        load=load,
        workloads=args.workloads,
        size=size / (1 << 20),
        seconds=MOST_S,
        mebibytes=MOST_MIB,
    )
    print(results.write("35-mesh-look", text + rows))
    print(rows)
    if late:
        sys.exit(f"over the limit with {late} differing workloads")


if __name__ == "__main__":
    main()
