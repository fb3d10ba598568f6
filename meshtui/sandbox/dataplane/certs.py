"""The mesh's CA, and one certificate per identity."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from meshtui.sandbox.user import User, open_folder, write_for

_LIFETIME = dt.timedelta(days=30)
_BACKDATED = dt.timedelta(hours=1)


class MeshCa:
    """Signs SPIFFE certificates, which are deleted with the sandbox."""

    def __init__(self, folder: Path, user: User | None = None) -> None:
        open_folder(folder, user)
        self._user = user
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "sandbox mesh CA")])
        self._certificate = self._sign(self._name, self._key.public_key(), None)
        self._issued: dict[str, tuple[Path, Path]] = {}
        self.root = folder / "ca.pem"
        write_for(self.root, self._certificate.public_bytes(serialization.Encoding.PEM), user)

    def issue(self, identity: str) -> tuple[Path, Path]:
        """Return the files of an identity's certificate chain and key, created on first use."""
        if identity not in self._issued:
            stem = hashlib.sha256(identity.encode()).hexdigest()[:12]
            chain, key_file = self._folder / f"{stem}.pem", self._folder / f"{stem}.key"
            key = ec.generate_private_key(ec.SECP256R1())
            certificate = self._sign(x509.Name([]), key.public_key(), identity)
            private = key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
            write_for(chain, certificate.public_bytes(serialization.Encoding.PEM), self._user)
            write_for(key_file, private, self._user)
            self._issued[identity] = (chain, key_file)
        return self._issued[identity]

    def _sign(self, subject: x509.Name, public_key: ec.EllipticCurvePublicKey, identity: str | None) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public_key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _BACKDATED)
            .not_valid_after(now + _LIFETIME)
            .add_extension(x509.BasicConstraints(ca=identity is None, path_length=None), critical=True)
        )
        if identity is not None:
            usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
            builder = builder.add_extension(
                x509.SubjectAlternativeName([x509.UniformResourceIdentifier(identity)]), critical=True
            ).add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        return builder.sign(self._key, hashes.SHA256())
