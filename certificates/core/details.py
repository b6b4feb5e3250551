"""What stands in a certificate, in words. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from .keys import key_name, public_digest

_SIGNATURES = {
    "1.2.840.113549.1.1.4": "RSA with MD5",
    "1.2.840.113549.1.1.5": "RSA with SHA-1",
    "1.2.840.113549.1.1.10": "RSA-PSS",
    "1.2.840.113549.1.1.11": "RSA with SHA-256",
    "1.2.840.113549.1.1.12": "RSA with SHA-384",
    "1.2.840.113549.1.1.13": "RSA with SHA-512",
    "1.2.840.10045.4.1": "ECDSA with SHA-1",
    "1.2.840.10045.4.3.2": "ECDSA with SHA-256",
    "1.2.840.10045.4.3.3": "ECDSA with SHA-384",
    "1.2.840.10045.4.3.4": "ECDSA with SHA-512",
    "1.3.101.112": "Ed25519",
    "1.3.101.113": "Ed448",
}
UNREADABLE = (
    ValueError,
    UnsupportedAlgorithm,
    x509.DuplicateExtension,
    x509.UnsupportedGeneralNameType,
    x509.InvalidVersion,
)
"""What a damaged or strange field raises when it is asked for."""
_LONG = 1000
"""Characters of a full name that are shown."""


@dataclass(frozen=True, slots=True)
class Described:
    """One certificate. Times are UTC, fingerprints hex digits; what came from its issuer is printable text."""

    subject: str
    issuer: str
    subject_in_full: str
    issuer_in_full: str
    names: tuple[str, ...]
    serial: str
    not_before: datetime
    not_after: datetime
    key: str
    public_key: str
    signature: str
    sha256: str
    sha1: str
    own_issuer: bool
    authority: bool
    for_servers: bool
    issuer_address: str


def describe_chain(chain_pem: str) -> tuple[Described, ...]:
    """Each certificate of a stored chain, the server's own first; raises one of UNREADABLE."""
    return tuple(map(describe, x509.load_pem_x509_certificates(chain_pem.encode())))


def describe(certificate: x509.Certificate) -> Described:
    """What stands in ``certificate``; raises one of UNREADABLE for a damaged field."""
    return Described(
        subject=short_name(certificate.subject),
        issuer=short_name(certificate.issuer),
        subject_in_full=printable(certificate.subject.rfc4514_string())[:_LONG],
        issuer_in_full=printable(certificate.issuer.rfc4514_string())[:_LONG],
        names=names_of(certificate),
        serial=f"{certificate.serial_number:x}",
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key=key_name(certificate.public_key()),
        public_key=public_digest(certificate.public_key()),
        signature=signature_name(certificate),
        sha256=certificate.fingerprint(hashes.SHA256()).hex(),
        sha1=certificate.fingerprint(hashes.SHA1()).hex(),  # noqa: S303 - a name that people compare, no proof
        own_issuer=certificate.issuer == certificate.subject,
        authority=_authority(certificate),
        for_servers=_for_servers(certificate),
        issuer_address=_issuer_address(certificate),
    )


def chain_pem(chain: list[x509.Certificate]) -> str:
    """The certificates one after the other, as PEM."""
    return "".join(each.public_bytes(serialization.Encoding.PEM).decode() for each in chain)


def short_name(name: x509.Name) -> str:
    """The common name, or the whole one; printable, at most 255 characters."""
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return printable(str(common[0].value) if common else name.rfc4514_string())[:255]


def printable(text: str) -> str:
    """Without control and direction characters, and without NUL, which no database takes: issuers write anything."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """The DNS names and IP addresses that it is for."""
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    found = extension.value
    names = [*found.get_values_for_type(x509.DNSName)]
    names += [str(address) for address in found.get_values_for_type(x509.IPAddress)]
    return tuple(map(printable, names))


def signature_name(certificate: x509.Certificate) -> str:
    """How it was signed, such as ``ECDSA with SHA-256``."""
    oid = certificate.signature_algorithm_oid.dotted_string
    name = _SIGNATURES.get(oid, oid)
    if name != "RSA-PSS":
        return name
    try:
        digest = certificate.signature_hash_algorithm
    except UnsupportedAlgorithm:
        return name
    return f"RSA-PSS with {digest.name.upper().replace('SHA', 'SHA-')}" if digest else name


def _authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _for_servers(certificate: x509.Certificate) -> bool:
    try:
        usages = set(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return True
    return bool(usages & {ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE})


def _issuer_address(certificate: x509.Certificate) -> str:
    """Where the issuer's certificate is said to be, "" if it does not say: an address to read, not to trust."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return ""
    for entry in access:
        if entry.access_method == AuthorityInformationAccessOID.CA_ISSUERS:
            location = entry.access_location
            if isinstance(location, x509.UniformResourceIdentifier):
                return printable(location.value)[:300]
    return ""
