"""Makes keys, certificate requests and self-signed certificates. Pure but for the randomness of keys."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .errors import BadName

MAX_NAMES = 100
"""Names of one certificate; what the common authorities take."""
MAX_DAYS = 825
"""Days of a self-signed certificate; some clients refuse any that is valid for longer."""
_LABEL = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)\Z")
_MAX_COMMON_NAME = 64
_MAX_DNS_NAME = 253
_BACKDATED = timedelta(hours=1)
"""So that a client whose clock is a little behind takes it at once."""

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class KeyKind(StrEnum):
    """The keys that are made here."""

    P256 = "p256"
    P384 = "p384"
    RSA2048 = "rsa2048"
    RSA3072 = "rsa3072"
    RSA4096 = "rsa4096"


def parse_names(text: str) -> tuple[str, ...]:
    """DNS names (``*.`` in front allowed) and IP addresses, separated by spaces or commas; raises BadName.

    They come back in lower case and in their order, each once.
    """
    names = tuple(dict.fromkeys(_name(word) for word in re.split(r"[\s,;]+", text.strip()) if word))
    if not names:
        raise BadName("Give at least one name, such as www.example.org.")
    if len(names) > MAX_NAMES:
        raise BadName(f"These are {len(names)} names; a certificate takes at most {MAX_NAMES}.")
    return names


def make_key(kind: KeyKind) -> Key:
    """A new private key; up to a second of processor time for RSA."""
    match kind:
        case KeyKind.P256:
            return ec.generate_private_key(ec.SECP256R1())
        case KeyKind.P384:
            return ec.generate_private_key(ec.SECP384R1())
        case _:
            return rsa.generate_private_key(65537, int(kind.value.removeprefix("rsa")))


def make_request(key: Key, names: Sequence[str], *, organisation: str = "") -> str:
    """A certificate request (CSR, PEM) for names as ``parse_names`` gives them."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(names, organisation))
    builder = builder.add_extension(_alternatives(names), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def make_self_signed(key: Key, names: Sequence[str], *, days: int, now: datetime) -> str:
    """A certificate (PEM) that is its own issuer, for servers. ``days`` from 1 to MAX_DAYS; ``now`` is aware UTC."""
    if not 1 <= days <= MAX_DAYS:
        raise ValueError(f"days must be from 1 to {MAX_DAYS}")
    subject = _subject(names, "")
    public = key.public_key()
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(_alternatives(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(rsa_key=isinstance(key, rsa.RSAPrivateKey)), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


def _name(word: str) -> str:
    try:
        return str(ipaddress.ip_address(word))
    except ValueError:
        pass
    name = word.lower().removesuffix(".")
    if not name.isascii():
        raise BadName(f"{word} has letters beyond ASCII: write it as it stands in the DNS (xn--…).")
    labels = name.removeprefix("*.").split(".")
    if len(name) > _MAX_DNS_NAME or not all(map(_LABEL.match, labels)):
        raise BadName(f"{word[:80]} is neither a DNS name nor an IP address.")
    if name.startswith("*.") and len(labels) < 2:
        raise BadName(f"{word} is too wide: nobody takes a wildcard for a whole top-level domain.")
    return name


def _subject(names: Sequence[str], organisation: str) -> x509.Name:
    common = next((name for name in names if len(name) <= _MAX_COMMON_NAME), "")
    parts = [x509.NameAttribute(NameOID.COMMON_NAME, common)] if common else []
    if organisation:
        parts.append(x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation))
    return x509.Name(parts)


def _alternatives(names: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_alternative(name) for name in names])


def _alternative(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _usage(*, rsa_key: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_encipherment=rsa_key,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
