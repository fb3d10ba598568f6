"""Config dumps of ztunnels, made of a few entries, as text and read."""

import json
from datetime import UTC, datetime, timedelta

from meshtui.ztunnel.look import MeshLook, NodeLook
from meshtui.ztunnel.reading import Shared, read_dump

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)


def stamp(at):
    return at.isoformat().replace("+00:00", "Z")


LONG = {"validFrom": stamp(NOW - 3650 * DAY), "expirationTime": stamp(NOW + 3650 * DAY)}
"""The dates of a root."""


def workload(namespace, name, ip="10.0.0.1", **fields):
    return {
        "capacity": 1,
        "clusterId": "Kubernetes",
        "name": name,
        "namespace": namespace,
        "networkMode": "Standard",
        "node": "a",
        "protocol": "HBONE",
        "serviceAccount": name.rpartition("-")[0] or name,
        "status": "Healthy",
        "trustDomain": "cluster.local",
        "uid": f"Kubernetes//Pod/{namespace}/{name}",
        "workloadIps": [ip],
        **fields,
    }


def service(namespace, name, vip="10.96.0.1", **fields):
    return {
        "endpoints": {},
        "hostname": f"{name}.{namespace}.svc.cluster.local",
        "name": name,
        "namespace": namespace,
        "ports": {"80": 8080},
        "subjectAltNames": [],
        "vips": [f"/{vip}"],
        **fields,
    }


def policy(namespace, name, **fields):
    return {
        "action": "Allow",
        "dryRun": False,
        "name": name,
        "namespace": namespace,
        "rules": [[[{"serviceAccounts": [{"namespace": namespace, "serviceAccount": "web"}]}]]],
        "scope": "Namespace",
        **fields,
    }


def pem(text):
    import base64

    body = base64.b64encode(text.encode()).decode()
    return base64.b64encode(f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n".encode()).decode()


def certificate(identity, *, begins=NOW - DAY / 4, ends=NOW + DAY * 3 / 4, root="root", state="Available"):
    one = {"serialNumber": "7", "validFrom": stamp(begins), "expirationTime": stamp(ends)}
    there = state == "Available"
    return {
        "identity": identity,
        "state": state,
        "certChain": [{**one, "pem": pem(identity)}] if there else [],
        "rootCerts": [{**one, **LONG, "pem": pem(root)}] if there else [],
    }


def dump(node="a", *, pods=(), version="1.29.1", network="", **parts):
    """A dump as text. ``pods`` are (uid, namespace, name, account, state) or without the state."""
    states = {}
    for uid, namespace, name, account, *state in pods:
        word = state[0] if state else "Up"
        states[uid] = {"info": {"name": name, "namespace": namespace, "serviceAccount": account}, "state": word}
        if word == "Up":
            states[uid]["connections"] = {"inbound": [], "outbound": []}
    return json.dumps(
        {
            "certificates": parts.get("certificates", []),
            "config": {"localNode": node, "network": network, "clusterId": "Kubernetes", "proxyMode": "Shared"},
            "policies": parts.get("policies", []),
            "services": parts.get("services", []),
            "stagedServices": {},
            "version": {"istioVersion": version, "gitRevision": "abc"},
            "workloadState": states,
            "workloads": parts.get("workloads", []),
        }
    ).encode()


def look_of(*dumps, at=NOW, **fields):
    """A look at nodes with these dumps, which share what is equal."""
    shared = Shared()
    read = [read_dump(each, shared) for each in dumps]
    return MeshLook(
        at, tuple(NodeLook(each.node, f"istio-system/ztunnel-{each.node}", at=at, dump=each) for each in read), **fields
    )
