"""Certificates made for tests: an authority, its intermediate and servers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID


@dataclass(frozen=True)
class Issued:
    """A certificate with its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def key_pem(self, passphrase: bytes | None = None, *, old_form: bool = False) -> bytes:
        return self.key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL if old_form else serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption(),
        )

    def pkcs12(self, *issuers: Issued, passphrase: bytes = b"", key: bool = True) -> bytes:
        lock = serialization.BestAvailableEncryption(passphrase) if passphrase else serialization.NoEncryption()
        own, rest = (self.key, [each.certificate for each in issuers]) if key else (None, [self.certificate])
        return pkcs12.serialize_key_and_certificates(b"tls", own, self.certificate if key else None, rest, lock)


def issue(
    name: str,
    issuer: Issued | None = None,
    *,
    days: int = 90,
    started: int = 1,
    names: tuple[str, ...] = (),
    ca: bool = False,
    rsa_bits: int = 0,
    subject: x509.Name | None = None,
    key: Any = None,
    path_length: int | None = None,
    usages: tuple[x509.ObjectIdentifier, ...] = (),
    constraints: bool = True,
) -> Issued:
    """Make a certificate: self-signed without ``issuer``; valid ``days`` from ``started`` days ago.

    ``subject`` in place of the one whose only part is ``name``; ``key`` in place of a new one on P-256.
    """
    key = key or (rsa.generate_private_key(65537, rsa_bits) if rsa_bits else ec.generate_private_key(ec.SECP256R1()))
    subject = subject or x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    start = datetime.now(UTC) - timedelta(days=started)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
    )
    if constraints:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=path_length), critical=True)
    if usages:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(n) for n in names]), critical=False)
    signer = issuer.key if issuer else key
    plain = None if isinstance(signer, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Issued(builder.sign(signer, plain), key)


@cache
def authority() -> Issued:
    """The root of the tests' chains."""
    return issue("Test Root", ca=True, days=3650)


@cache
def intermediate() -> Issued:
    """Signed by the root."""
    return issue("Test Intermediate", authority(), ca=True, days=1825)


@cache
def server() -> Issued:
    """Signed by the intermediate, for www.example.org."""
    return issue("www.example.org", intermediate(), names=("www.example.org", "example.org"))
