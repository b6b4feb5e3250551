"""Reads what an operator chooses: PEM, DER, PKCS#12, and the ``server.key.enc`` of older scripts. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from . import opensslenc, pkcs12
from .chain import MAX_CHAIN
from .errors import BadChain, Damaged, NotPem, SeveralKeys, TooLarge, WeakKey
from .keys import public_der, read_key_block, read_private_key
from .pem import looks_like_pem, split

MAX_PEM = 256 * 1024
"""Bytes of PEM that are read; the longest chains in use are below 20 kB."""
OpenStore = Callable[[bytes, bytes | None], bytes]
_DER = b"\x30"
_CERTIFICATES = ("CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE")
_NO_CERTIFICATE = (
    "No certificate was found: the text must have a block that begins with -----BEGIN CERTIFICATE-----, or the file "
    "must be PKCS#12."
)


@dataclass(frozen=True, slots=True)
class Material:
    """Certificates in the order in which they came, their key if one came, and what was left out, in words."""

    certificates: list[x509.Certificate]
    key: PrivateKeyTypes | None = field(repr=False)
    notes: tuple[str, ...] = ()


def read_material(
    chain: bytes,
    key: bytes,
    passphrase: bytes | None,
    *,
    rounds: int = opensslenc.ROUNDS,
    open_store: OpenStore = pkcs12.to_pem,
) -> Material:
    """What is in an upload; raises MaterialError. ``chain`` may hold the key too, and ``key`` may be empty.

    ``passphrase`` opens the key, whichever form it has; ``rounds`` is the ``-iter`` of ``openssl enc``;
    ``open_store`` makes PEM of PKCS#12.
    """
    if len(chain) > MAX_PEM or len(key) > MAX_PEM:
        raise TooLarge(f"The text is over {MAX_PEM // 1024} kB, which no certificate needs.")
    try:
        found = _read_chain(chain, passphrase, open_store)
        if not key.strip():
            return found
        if found.key is not None:
            raise SeveralKeys("The certificate's file holds a private key, and another was given. Give one of them.")
        publics = {public_der(certificate.public_key()) for certificate in found.certificates}
        own = read_private_key(key, passphrase, publics=publics, rounds=rounds)
    except UnsupportedAlgorithm as error:
        raise WeakKey("The certificate's key is of a kind that is not supported.") from error
    return Material(found.certificates, own, found.notes)


def _read_chain(data: bytes, passphrase: bytes | None, open_store: OpenStore) -> Material:
    if looks_like_pem(data):
        return _from_pem(data, passphrase)
    if data[:1] != _DER:
        raise NotPem(_NO_CERTIFICATE)
    try:
        return Material([x509.load_der_x509_certificate(data)], None)
    except ValueError:
        return _from_pem(open_store(data, passphrase), None)


def _from_pem(data: bytes, passphrase: bytes | None) -> Material:
    found = split(data)
    blocks = found.of(*_CERTIFICATES)
    if not blocks:
        raise NotPem(_NO_CERTIFICATE)
    if len(blocks) > 2 * MAX_CHAIN:
        raise BadChain(f"There are {len(blocks)} certificates; at most {MAX_CHAIN} are taken.")
    keys = found.keys
    if len(keys) > 1:
        raise SeveralKeys(f"There are {len(keys)} private keys. Leave only the one that belongs to the certificate.")
    try:
        certificates = [x509.load_pem_x509_certificate(block.text) for block in blocks]
    except ValueError as error:
        raise Damaged("A certificate is damaged, or of an unknown form. Nothing was stored.") from error
    left_out = {block.kind.lower() for block in found.blocks if not block.is_key and block.kind not in _CERTIFICATES}
    notes = [f"Left out, because servers do not need it here: {', '.join(sorted(left_out))}."] if left_out else []
    if found.stray:
        notes.append("Words outside of the blocks were left out.")
    key = read_key_block(keys[0], passphrase) if keys else None
    return Material(certificates, key, tuple(notes))
