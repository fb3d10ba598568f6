"""Trust domains that count as one: a policy's principal of one of them means the same identity in all of them.

Source: istio/istio pilot/pkg/security/trustdomain/bundle.go (ReplaceTrustDomainAliases, replaceTrustDomains).
"""

from __future__ import annotations

from functools import lru_cache

from meshtui.engine.matching.strings import string_matches
from meshtui.model.snapshot import MeshConfig

_LOCAL = "cluster.local"
"""Stands for the mesh's own trust domain and its aliases, whatever they are."""
_PARTS = 5
"""Of TRUST_DOMAIN/ns/NAMESPACE/sa/ACCOUNT."""


def principals_meant(principal: str, mesh: MeshConfig) -> tuple[str, ...]:
    """The principals that istiod makes of one in a policy for sidecars, gateways and waypoints.

    A principal that isn't of the whole form, or of a trust domain that is none of the mesh's, stays as it is. A trust domain
    with a ``*`` in front stays as it is for the domains that it matches.
    """
    return _meant(principal, (mesh.trust_domain, *mesh.trust_domain_aliases))


@lru_cache(maxsize=4096)
def _meant(principal: str, domains: tuple[str, ...]) -> tuple[str, ...]:
    parts = principal.split("/")
    if len(parts) != _PARTS or (len(domains) == 1 and parts[0] == domains[0]):
        return (principal,)
    domain = parts[0]
    if domain != _LOCAL and not any(string_matches(domain, each) for each in domains):
        return (principal,)
    rest = "/".join(parts[1:])
    suffix = domain.removeprefix("*") if domain.startswith("*") else None
    kept = (suffix is not None and each.endswith(suffix) for each in domains)
    return tuple(dict.fromkeys(principal if keep else f"{each}/{rest}" for keep, each in zip(kept, domains, strict=True)))
