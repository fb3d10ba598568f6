"""A ztunnel's ``GET /config_dump``, in the form of its version."""

from __future__ import annotations

import base64
import datetime as dt
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import serialization

from meshtui.sandbox.dataplane.certs import MeshCa
from meshtui.sandbox.dataplane.world import Pod, World
from meshtui.sandbox.dataplane.ztunnels.connections import Passing, connections_by_pod
from meshtui.sandbox.dataplane.ztunnels.convert import CLUSTER, policies, services, speaks_hbone, workloads

Json = dict[str, Any]

_LISTS_SINCE = (1, 23)
"""Before, workloads, services and policies were maps, and the root stood at the end of the chain, as PEM."""
_SINCE = {("policies", "dryRun"): (1, 29), ("services", "visibility"): (1, 31)}
_ISTIOD = "https://istiod.istio-system.svc:15012"


def istio_version(pod: Pod) -> str:
    """The version that the tag of a ztunnel's image names."""
    tag = re.search(r":([\w.-]+?)(-distroless|-debug)?$", pod.image.partition("@")[0])
    return tag[1] if tag else "unknown"


def config_dump(world: World, ztunnel: Pod, ca: MeshCa, passing: Iterable[Passing] = ()) -> bytes:
    """The dump of a node's ztunnel; ``world`` is what the data plane has applied, ``passing`` are the open connections."""
    version = istio_version(ztunnel)
    made_of = connections_by_pod(world, passing)
    made: Json = {
        "certificates": _certificates(world, ztunnel, ca),
        "config": _config(ztunnel, version),
        "policies": policies(world.seen_by(ztunnel.node)),
        "services": services(world),
        "stagedServices": {},
        "staticConfig": {"policies": [], "services": [], "workloads": []},
        "version": _version(version),
        "workloadState": {pod.uid: _state(pod, made_of) for pod in world.pods if pod.node == ztunnel.node and _is_here(pod)},
        "workloads": workloads(world),
    }
    number = _number(version)
    for (key, name), since in _SINCE.items():
        if number < since:
            made[key] = [{field: value for field, value in each.items() if field != name} for each in made[key]]
    if number < _LISTS_SINCE:
        made = _old(made)
    return json.dumps(made, indent=2, sort_keys=True, ensure_ascii=False).encode()


def _number(version: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (99, 0)


def _is_here(pod: Pod) -> bool:
    """Whether the CNI agent has handed a pod over, and not taken it back."""
    return pod.captured or pod.pending


def _state(pod: Pod, connections: Mapping[str, Json]) -> Json:
    info = {"name": pod.name, "namespace": pod.namespace, "serviceAccount": pod.service_account}
    if pod.pending:
        return {"info": info, "state": "Pending"}
    return {"connections": connections.get(pod.uid, {"inbound": [], "outbound": []}), "info": info, "state": "Up"}


def _certificates(world: World, ztunnel: Pod, ca: MeshCa) -> list[Json]:
    identities = {world.identity(pod) for pod in world.pods if pod.node == ztunnel.node and speaks_hbone(pod)}
    return [
        {
            "certChain": [_certificate(ca.issued(identity, ztunnel.node).certificate)],
            "identity": identity,
            "rootCerts": [_certificate(ca.certificate)],
            "state": "Available",
        }
        for identity in sorted(identities)
    ]


def _certificate(certificate: x509.Certificate) -> Json:
    return {
        "expirationTime": _time(certificate.not_valid_after_utc),
        "pem": base64.b64encode(certificate.public_bytes(serialization.Encoding.PEM)).decode(),
        "serialNumber": str(certificate.serial_number),
        "validFrom": _time(certificate.not_valid_before_utc),
    }


def _time(moment: dt.datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _old(dump: Json) -> Json:
    """The form of versions before 1.23."""
    vips = {vip: each for each in dump["services"] for vip in each["vips"]}
    return dump | {
        "certificates": [_old_certificate(each) for each in dump["certificates"]],
        "policies": {f"{each['namespace']}/{each['name']}": each for each in dump["policies"]},
        "services": {vip: _old_service(each, dump["workloads"]) for vip, each in vips.items()},
        "workloads": {f"/{address}": each for each in dump["workloads"] for address in each["workloadIps"]},
    }


def _old_certificate(found: Json) -> Json:
    chain = [each | {"pem": base64.b64decode(each["pem"]).decode()} for each in (*found["certChain"], *found["rootCerts"])]
    return {"certChain": chain, "identity": found["identity"], "state": found["state"]}


def _old_service(service: Json, every: list[Json]) -> Json:
    addresses = {each["uid"]: each["workloadIps"][0] for each in every}
    host = f"{service['namespace']}/{service['hostname']}"
    endpoints = {
        f"{uid}:/{addresses[uid]}": {
            "address": f"/{addresses[uid]}",
            "port": each["port"],
            "service": host,
            "workloadUid": uid,
        }
        for uid, each in service["endpoints"].items()
    }
    kept = ("hostname", "name", "namespace", "ports", "subjectAltNames", "vips")
    return {key: service[key] for key in kept} | {"endpoints": endpoints}


def _version(version: str) -> Json:
    return {
        "buildProfile": "release",
        "buildStatus": "Clean",
        "cryptoProvider": "tls-aws-lc",
        "gitRevision": "sandbox",
        "istioVersion": version,
        "rustVersion": "none",
        "version": "sandbox",
    }


def _duration(seconds: int) -> Json:
    return {"nanos": 0, "secs": seconds}


def _config(ztunnel: Pod, version: str) -> Json:
    root = {"File": "./var/run/secrets/istio/root-cert.pem"}
    account = ztunnel.service_account
    return {
        "adminAddr": {"Localhost": [True, 15000]},
        "altCaHostname": None,
        "altXdsHostname": None,
        "caAddress": _ISTIOD,
        "caHeaders": [],
        "caRootCert": root,
        "clusterDomain": "cluster.local",
        "clusterId": CLUSTER,
        "connectionWindowSize": 16777216,
        "crlPath": None,
        "dnsProxy": True,
        "dnsProxyAddr": {"Localhost": [True, 15053]},
        "dnsResolverCfg": {"domain": None, "name_servers": [], "search": ["istio-system.svc.cluster.local"]},
        "dnsResolverOpts": {"attempts": 2, "ndots": 5, "timeout": 5},
        "enableEnhancedBaggage": True,
        "fakeCa": False,
        "fakeSelfInbound": False,
        "frameSize": 1048576,
        "illegalPorts": [15008, 15006, 15001],
        "inboundAddr": "[::]:15008",
        "inboundPlaintextAddr": "[::]:15006",
        "inpodPortReuse": True,
        "inpodUds": "/var/run/ztunnel/ztunnel.sock",
        "ipv6Enabled": True,
        "localNode": ztunnel.node,
        "localhostAppTunnel": True,
        "network": "",
        "numWorkerThreads": 2,
        "outboundAddr": "[::]:15001",
        "packetMark": 1337,
        "poolMaxStreamsPerConn": 100,
        "poolUnusedReleaseTimeout": _duration(300),
        "preferedServiceNamespace": None,
        "proxy": True,
        "proxyArgs": "proxy ztunnel",
        "proxyMetadata": {"CLUSTER_ID": CLUSTER, "ENABLE_HBONE": "true", "ISTIO_VERSION": version},
        "proxyMode": "Shared",
        "proxyWorkloadInformation": None,
        "readinessAddr": {"SocketAddr": "[::]:15021"},
        "requireOriginalSource": None,
        "secretTtl": _duration(86400),
        "selfTerminationDeadline": _duration(25),
        "socketConfig": {
            "keepaliveEnabled": True,
            "keepaliveInterval": _duration(180),
            "keepaliveRetries": 9,
            "keepaliveTime": _duration(180),
            "userTimeoutEnabled": False,
        },
        "socks5Addr": None,
        "statsAddr": {"SocketAddr": "[::]:15020"},
        "windowSize": 4194304,
        "xdsAddress": _ISTIOD,
        "xdsHeaders": [],
        "xdsOnDemand": False,
        "xdsRootCert": root,
        "ztunnelIdentity": f"spiffe://cluster.local/ns/{ztunnel.namespace}/sa/{account}",
        "ztunnelWorkload": {"name": ztunnel.name, "namespace": ztunnel.namespace, "serviceAccount": account},
    }
