"""The Python peer, network-config-analyzer: installed in a venv of its own, run on the same input, its answers compared."""

import csv
import json
import re
import subprocess
import sys
import venv
from pathlib import Path

VERSION = "2.1.0"
FINE = frozenset({0, 1})
"""Its exit codes when it has an answer."""
ALL = dict.fromkeys(("TCP", "UDP", "SCTP"), ((1, 65535),))
_LINE = re.compile(r"^(\S+)\[(\w+)\] => (\S+)\[(\w+)\] : (.*)$")


def install(work: Path) -> Path:
    """The peer's command; installed once."""
    home = work / f"nca-{VERSION}"
    command = home / "bin" / "nca"
    if not command.exists():
        sys.stderr.write("installing network-config-analyzer into a venv of its own\n")
        venv.create(home, with_pip=True)
        pip = [str(home / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, f"network-config-analyzer=={VERSION}"], check=True)
    return command


def arguments(command: Path, folder: Path, answer: Path) -> list[str]:
    """Its command line for all-pairs connectivity of workloads; it appends to its answer, which is removed here."""
    answer.unlink(missing_ok=True)
    files = [("-n", "namespaces"), ("-p", "pods"), ("-r", "networkpolicies")]
    named = [word for flag, name in files for word in (flag, str(folder / f"{name}.json"))]
    return [str(command), "--connectivity", *named, "-o", "txt_no_fw_rules", "-f", str(answer)]


def answers_of_peer(answer: Path) -> dict[tuple[str, str], dict]:
    """Open ports by pair of workloads, as it prints them; what it says about addresses outside is left out."""
    found: dict[tuple[str, str], dict] = {}
    for line in answer.read_text().splitlines():
        match = _LINE.match(line)
        if match:
            source, source_kind, target, target_kind, words = match.groups()
            pair = _name(source, source_kind), _name(target, target_kind)
            found.setdefault(pair, {}).update(_peer_ports(words))  # one line for each set of ports
    return found


def _name(name: str, kind: str) -> str:
    """Its ReplicaSets are our Deployments: their names end in a hash."""
    space, _, workload = name.partition("/")
    if kind == "ReplicaSet":
        return f"{space}/Deployment/{workload.rpartition('-')[0]}"
    return f"{space}/{kind}/{workload}"


def _peer_ports(words: str) -> dict:
    if words == "All connections":
        return dict(ALL)
    found: dict = {}
    for part in re.findall(r"\{([^}]*)\}", words):
        protocols, _, ports = part.removeprefix("protocols:").partition(",dst_ports:")
        ranges = _ranges(ports) if ports else ((1, 65535),)
        for protocol in protocols.split(","):
            found[protocol.strip()] = ranges
    return found


def answers_of_ours(answer: Path) -> dict[tuple[str, str], dict]:
    """Open ports by pair of workloads, from ``meshtui matrix -o csv``; pairs without one are left out."""
    found = {}
    with answer.open() as file:
        for row in csv.DictReader(file):
            if row["allowed"] and row["from"] != row["to"]:
                found[row["from"], row["to"]] = _our_ports(row["allowed"])
    return found


def _our_ports(words: str) -> dict:
    if words == "all":
        return dict(ALL)
    parts = (part.split(" ") for part in words.split("; "))
    return {protocol: ((1, 65535),) if ports == "all" else _ranges(ports) for protocol, ports in parts}


def _ranges(text: str) -> tuple:
    ends = (part.strip().partition("-") for part in text.split(","))
    return tuple((int(first), int(last or first)) for first, _, last in ends)


def differences(ours: dict, theirs: dict) -> list[str]:
    """Every pair that is answered differently."""
    return [
        f"{pair[0]} → {pair[1]}: meshtui {ours.get(pair) or 'closed'}, peer {theirs.get(pair) or 'closed'}"
        for pair in sorted(ours.keys() | theirs.keys())
        if ours.get(pair) != theirs.get(pair)
    ]


def without_pods_in_blocks(folder: Path, target: Path) -> Path:
    """The same input with all pods' addresses (10.0.0.0/8) cut out of the ipBlocks, which is how the peer reads them:
    an ipBlock never matches a pod. Kubernetes leaves it to the CNI; meshtui compares the pod's address, and says so.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in ("namespaces", "pods"):
        (target / f"{name}.json").write_bytes((folder / f"{name}.json").read_bytes())
    policies = json.loads((folder / "networkpolicies.json").read_text())
    rules = (rule for p in policies["items"] for side in ("ingress", "egress") for rule in p["spec"].get(side) or [])
    for peer in (peer for rule in rules for peer in (*rule.get("from", ()), *rule.get("to", ()))):
        block = peer.get("ipBlock")
        if block and block["cidr"] == "0.0.0.0/0":
            block["except"] = sorted({*block.get("except", ()), "10.0.0.0/8"})
    (target / "networkpolicies.json").write_text(json.dumps(policies))
    return target
