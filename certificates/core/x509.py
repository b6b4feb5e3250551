"""Reads a certificate, its chain and its private key, and says what is wrong with them. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes
from cryptography.x509.oid import NameOID

from .errors import BadChain, KeyLocked, KeyMismatch, MaterialError, NotPem, OutOfDate, TooLarge, WeakKey

MAX_PEM = 256 * 1024
"""Bytes of PEM that are read; the longest chains in use are below 20 kB."""
MIN_RSA_BITS = 2048
MAX_CHAIN = 10


@dataclass(frozen=True, slots=True)
class Pair:
    """A checked certificate with its issuers and key. Times are UTC."""

    fingerprint: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key_type: str
    chain_pem: str
    key_pem: bytes = field(repr=False)


def read_pair(chain_pem: bytes, key_pem: bytes, passphrase: bytes | None, *, now: datetime) -> Pair:
    """Check a PEM chain (leaf first) with its PEM key and return them normalised; raises MaterialError.

    The key may be PKCS#8, PKCS#1 or SEC1, encrypted or not; it is returned as unencrypted PKCS#8. ``now`` is
    an aware UTC time.
    """
    if len(chain_pem) > MAX_PEM or len(key_pem) > MAX_PEM:
        raise TooLarge(f"The text is over {MAX_PEM // 1024} kB, which no certificate needs.")
    try:
        return _checked(_certificates(chain_pem), _private_key(key_pem, passphrase), now)
    except MaterialError:
        raise
    except (ValueError, UnsupportedAlgorithm) as error:
        # `cryptography` parses lazily: a damaged field shows only when it is asked for.
        raise NotPem("The certificate is damaged or of an unknown form. Nothing was stored.") from error


def _checked(chain: list[x509.Certificate], key: PrivateKeyTypes, now: datetime) -> Pair:
    leaf = chain[0]
    if _spki(leaf.public_key()) != _spki(key.public_key()):
        raise KeyMismatch(_mismatch(chain, key))
    key_type = _key_type(leaf.public_key())
    _check_order(chain)
    if leaf.not_valid_after_utc <= now:
        raise OutOfDate(f"The certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC.")
    return Pair(
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        subject=_short_name(leaf.subject),
        issuer=_short_name(leaf.issuer),
        names=_names(leaf),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        key_type=key_type,
        chain_pem="".join(c.public_bytes(serialization.Encoding.PEM).decode() for c in chain),
        key_pem=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ),
    )


def _certificates(pem: bytes) -> list[x509.Certificate]:
    try:
        chain = x509.load_pem_x509_certificates(pem)
    except ValueError as error:
        raise NotPem(
            "No certificate was found: the text must have a block that begins with -----BEGIN CERTIFICATE-----."
        ) from error
    if len(chain) > MAX_CHAIN:
        raise BadChain(f"The chain has {len(chain)} certificates; at most {MAX_CHAIN} are taken.")
    return chain


def _private_key(pem: bytes, passphrase: bytes | None) -> PrivateKeyTypes:
    try:
        return serialization.load_pem_private_key(pem, passphrase or None)
    except TypeError as error:
        if passphrase:
            # A passphrase was given for a key that has none: harmless, so the key is simply read.
            return _private_key(pem, None)
        raise KeyLocked("The private key is encrypted: give its passphrase too.") from error
    except UnsupportedAlgorithm as error:
        raise WeakKey("The private key is of a kind that is not supported.") from error
    except ValueError as error:
        if b"ENCRYPTED" in pem and passphrase:
            raise KeyLocked("The passphrase does not open the private key.") from error
        raise NotPem(
            "No private key was found: the text must have a block that begins with -----BEGIN PRIVATE KEY-----."
        ) from error


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def _mismatch(chain: list[x509.Certificate], key: PrivateKeyTypes) -> str:
    wanted = _spki(key.public_key())
    if any(_spki(certificate.public_key()) == wanted for certificate in chain[1:]):
        return "The key belongs to a later certificate of the chain: put the server's own certificate first."
    return "The private key does not belong to the certificate."


def _key_type(key: PublicKeyTypes) -> str:
    match key:
        case rsa.RSAPublicKey():
            if key.key_size < MIN_RSA_BITS:
                raise WeakKey(f"The RSA key has {key.key_size} bits; at least {MIN_RSA_BITS} are needed.")
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"ECDSA {key.curve.name}"
        case ed25519.Ed25519PublicKey():
            return "Ed25519"
        case ed448.Ed448PublicKey():
            return "Ed448"
        case _:
            raise WeakKey("The certificate's key is of a kind that TLS servers do not take.")


def _check_order(chain: list[x509.Certificate]) -> None:
    for number, (certificate, issuer) in enumerate(pairwise(chain), start=1):
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise BadChain(
                f"Certificate {number + 1} of the chain did not sign certificate {number}: put the server's own "
                "certificate first, then each issuer after the one that it signed."
            ) from error


def _short_name(name: x509.Name) -> str:
    common = name.get_attributes_for_oid(NameOID.COMMON_NAME)
    return _printable(str(common[0].value) if common else name.rfc4514_string())[:255]


def _printable(text: str) -> str:
    # Who signs may write what they like: control and direction characters, and NUL, which no database takes.
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return ()
    found = extension.value
    names = [*found.get_values_for_type(x509.DNSName)]
    names += [str(address) for address in found.get_values_for_type(x509.IPAddress)]
    return tuple(map(_printable, names))
