"""Names that identify objects and workloads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NewType

Uid = NewType("Uid", str)
"""metadata.uid; for manifests, which have none, a string made of kind, namespace and name."""

Principal = NewType("Principal", str)
"""``TRUST_DOMAIN/ns/NAMESPACE/sa/SERVICE_ACCOUNT``: a SPIFFE id without its scheme, as policies write it."""


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """One Kubernetes object. ``namespace`` is empty for cluster-scoped kinds."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        """``Kind namespace/name``, as people write it."""
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


def principal(trust_domain: str, namespace: str, service_account: str) -> Principal:
    """The principal of a ServiceAccount (istio.io: Security, identity)."""
    return Principal(f"{trust_domain}/ns/{namespace}/sa/{service_account}")


def spiffe_id(identity: Principal) -> str:
    """The full SPIFFE URI of a principal."""
    return f"spiffe://{identity}"
