"""The mesh's CA, and one certificate per identity and node."""

from __future__ import annotations

import datetime as dt
import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from meshtui.sandbox.user import User, open_folder, write_for

_LIFETIME = dt.timedelta(days=1)
"""What ztunnels ask for."""
_BACKDATED = dt.timedelta(minutes=2)
_ROOT_LIFETIME = dt.timedelta(days=3650)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate, and the files of its chain and key."""

    certificate: x509.Certificate
    chain: Path
    key: Path

    @property
    def is_due(self) -> bool:
        """Whether half of its lifetime is over: then ztunnels renew it."""
        begin, end = self.certificate.not_valid_before_utc, self.certificate.not_valid_after_utc
        return dt.datetime.now(dt.UTC) > begin + (end - begin) / 2


class MeshCa:
    """Signs SPIFFE certificates, which are deleted with the sandbox. Each node's ztunnel has its own for each identity."""

    def __init__(self, folder: Path, user: User | None = None) -> None:
        open_folder(folder, user)
        self._user = user
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "cluster.local")])
        self.certificate = self._sign(self._name, self._key.public_key(), None, _ROOT_LIFETIME)
        self._issued: dict[tuple[str, str], Issued] = {}
        self._stuck: set[tuple[str, str]] = set()
        self.root = folder / "ca.pem"
        write_for(self.root, self.certificate.public_bytes(serialization.Encoding.PEM), user)

    def issue(self, identity: str, node: str = "") -> tuple[Path, Path]:
        """Return the files of an identity's certificate chain and key on a node: made on first use, and renewed in time."""
        found = self.issued(identity, node)
        return found.chain, found.key

    def issued(self, identity: str, node: str = "") -> Issued:
        """An identity's certificate on a node."""
        key = (node, identity)
        if key not in self._issued or (self._issued[key].is_due and key not in self._stuck):
            self._issued[key] = self._make(identity, node, dt.timedelta(0))
        return self._issued[key]

    def is_due(self) -> bool:
        """Whether a certificate that is in use should be renewed."""
        return any(found.is_due and key not in self._stuck for key, found in self._issued.items())

    def stick(self, identity: str, node: str, age: dt.timedelta) -> Issued:
        """Replace a certificate by one of this age that isn't renewed any more."""
        self._stuck.add((node, identity))
        self._issued[node, identity] = made = self._make(identity, node, age)
        return made

    def renew(self, node: str) -> None:
        """Give a ztunnel that has just started new certificates."""
        self._stuck = {key for key in self._stuck if key[0] != node}
        self._issued = {key: found for key, found in self._issued.items() if key[0] != node}

    def release(self, identity: str, node: str) -> None:
        """Let a certificate be renewed again."""
        self._stuck.discard((node, identity))

    def _make(self, identity: str, node: str, age: dt.timedelta) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(x509.Name([]), key.public_key(), identity, _LIFETIME, age)
        # Envoy reads a file once: a new certificate has a new name.
        stem = hashlib.sha256(f"{identity} {node} {certificate.serial_number}".encode()).hexdigest()[:12]
        chain, key_file = self._folder / f"{stem}.pem", self._folder / f"{stem}.key"
        private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        write_for(chain, certificate.public_bytes(serialization.Encoding.PEM), self._user)
        write_for(key_file, private, self._user)
        return Issued(certificate, chain, key_file)

    def _sign(
        self,
        subject: x509.Name,
        public_key: ec.EllipticCurvePublicKey,
        identity: str | None,
        lifetime: dt.timedelta,
        age: dt.timedelta = dt.timedelta(0),
    ) -> x509.Certificate:
        begin = dt.datetime.now(dt.UTC) - age
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin - _BACKDATED)
            .not_valid_after(begin + lifetime)
            .add_extension(x509.BasicConstraints(ca=identity is None, path_length=None), critical=True)
        )
        if identity is not None:
            usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=True
            ).add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder.sign(self._key, hashes.SHA256())
