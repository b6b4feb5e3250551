"""Reads a certificate, its chain and its private key, and says what is wrong with them. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization

from . import opensslenc, pkcs12
from .chain import arrange, check
from .details import UNREADABLE, describe, names_of, short_name
from .details import chain_pem as pem_of
from .errors import KeyMismatch, MaterialError, NoKey, NotPem, OutOfDate
from .keys import key_name, public_der, public_digest, to_pkcs8
from .upload import MAX_PEM, Material, OpenStore, read_material

__all__ = ["MAX_PEM", "Pair", "prove_pair", "read_pair"]


@dataclass(frozen=True, slots=True)
class Pair:
    """A checked certificate with its issuers and key. Times are UTC.

    ``public_key`` is the SHA-256 of the public key (see ``keys.public_digest``). ``key_pem`` is None if the key is
    one that waits for this certificate. ``notes`` say what was mended or left out.
    """

    fingerprint: str
    subject: str
    issuer: str
    names: tuple[str, ...]
    not_before: datetime
    not_after: datetime
    key_type: str
    public_key: str
    chain_pem: str
    key_pem: bytes | None = field(repr=False)
    notes: tuple[str, ...] = ()


def read_pair(
    chain: bytes,
    key: bytes,
    passphrase: bytes | None,
    *,
    now: datetime,
    rounds: int = opensslenc.ROUNDS,
    waiting: Collection[str] = (),
    open_store: OpenStore = pkcs12.to_pem,
) -> Pair:
    """Check a certificate, its issuers and its key, and return them normalised; raises MaterialError.

    ``chain`` is PEM (in any order), DER or PKCS#12; ``key`` is PEM, DER or made by ``openssl enc``, and may be empty
    if ``chain`` holds it or if its public key (digest) is one of ``waiting``. It is returned as unencrypted PKCS#8.
    ``now`` is an aware UTC time. ``open_store`` makes PEM of PKCS#12.
    """
    try:
        return _checked(
            read_material(chain, key, passphrase, rounds=rounds, open_store=open_store), frozenset(waiting), now
        )
    except MaterialError:
        raise
    except UNREADABLE as error:
        # `cryptography` parses lazily: a damaged field shows only when it is asked for.
        raise NotPem("The certificate is damaged or of an unknown form. Nothing was stored.") from error


def prove_pair(chain_pem: str, key_pem: bytes) -> None:
    """Raise KeyMismatch unless ``key_pem`` (PKCS#8) is the key of the first certificate of ``chain_pem``.

    To be asked at the last moment before a pair leaves the dashboard.
    """
    try:
        leaf = x509.load_pem_x509_certificates(chain_pem.encode())[0]
        key = serialization.load_pem_private_key(key_pem, None)
        same = public_der(leaf.public_key()) == public_der(key.public_key())
    except (ValueError, TypeError, UnsupportedAlgorithm):
        same = False
    if not same:
        raise KeyMismatch(
            "What is stored as the certificate's key does not belong to it. Nothing of it was sent. Remove the "
            "certificate and upload the pair again."
        )


def _checked(material: Material, waiting: frozenset[str], now: datetime) -> Pair:
    publics = frozenset({public_digest(material.key.public_key())}) if material.key else waiting
    chain, mended = arrange(material.certificates, publics)
    if not chain:
        raise _stranger(material)
    check(chain)
    for each in chain:
        describe(each)  # pages read every field of it later: what cannot be read is refused now
    leaf = chain[0]
    if leaf.not_valid_after_utc <= now:
        raise OutOfDate(f"The certificate expired on {leaf.not_valid_after_utc:%Y-%m-%d %H:%M} UTC.")
    return Pair(
        fingerprint=leaf.fingerprint(hashes.SHA256()).hex(),
        subject=short_name(leaf.subject),
        issuer=short_name(leaf.issuer),
        names=names_of(leaf),
        not_before=leaf.not_valid_before_utc,
        not_after=leaf.not_valid_after_utc,
        key_type=key_name(leaf.public_key()),
        public_key=public_digest(leaf.public_key()),
        chain_pem=pem_of(chain),
        key_pem=to_pkcs8(material.key) if material.key else None,
        notes=(*material.notes, *mended),
    )


def _stranger(material: Material) -> MaterialError:
    if material.key is not None:
        return KeyMismatch("The private key does not belong to the certificate.")
    return NoKey(
        "The private key is missing: choose its file, or paste its text. (It may only be left out for a certificate "
        "whose request was made here, or that renews one of this project with the same key.)"
    )
