"""The bytes of ``openssl enc -aes-256-cbc -pbkdf2`` (openssl-enc(1)), both ways.

The form is ``Salted__``, 8 bytes of salt, then AES-256-CBC with PKCS#7; key and IV come from PBKDF2-HMAC-SHA-256
with 10,000 rounds, or as many as ``-iter`` says, which the file does not. It has no integrity: about one wrong
passphrase in 256 passes the padding, so what comes out must be checked to be the key that was meant (see
``decrypt_key``).

Read, and never written: base64 (``-a``), no salt (``-nosalt``), and the derivation from before ``-pbkdf2``.
"""

from __future__ import annotations

import hashlib
import os
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator

from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

MAGIC = b"Salted__"
ROUNDS = 10_000
_BLOCK = 16
_BASE64 = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=")


class CannotDecrypt(ValueError):
    """The passphrase is wrong, the file is damaged, or it is not the expected key: one error, so no oracle."""


def encrypt(plain: bytes, passphrase: bytes, *, salt: bytes | None = None, rounds: int = ROUNDS) -> bytes:
    """What ``openssl enc -aes-256-cbc -pbkdf2 -pass …`` writes. ``salt`` (8 bytes) is only given by tests."""
    salt = os.urandom(8) if salt is None else salt
    key, iv = _derive(passphrase, salt, rounds)
    padder = padding.PKCS7(_BLOCK * 8).padder()
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(iv)).encryptor()
    padded = padder.update(plain) + padder.finalize()
    return MAGIC + salt + encryptor.update(padded) + encryptor.finalize()


def decrypt(data: bytes, passphrase: bytes, *, rounds: int = ROUNDS) -> bytes:
    """What ``openssl enc -d`` would print; raises CannotDecrypt. A wrong passphrase may go unnoticed here."""
    salt, body = _parts(data)
    if not salt:
        raise CannotDecrypt("This is not a file made by openssl enc.")
    return _open(body, *_derive(passphrase, salt, rounds))


def decrypt_key(data: bytes, passphrase: bytes, *, public_key_der: bytes, rounds: int = ROUNDS) -> bytes:
    """Decrypt a PEM private key and prove that it belongs to ``public_key_der`` (SubjectPublicKeyInfo, DER)."""
    plain = decrypt(data, passphrase, rounds=rounds)
    try:
        key = serialization.load_pem_private_key(plain, None)
    except (ValueError, TypeError) as error:
        raise CannotDecrypt("It cannot be decrypted, or it is not the right key.") from error
    found = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if found != public_key_der:
        raise CannotDecrypt("It cannot be decrypted, or it is not the right key.")
    return plain


def sealed_bytes(data: bytes) -> bytes | None:
    """The bytes of a file that ``openssl enc`` may have made, with ``-a`` or without; None if it cannot be one."""
    if data.startswith(MAGIC):
        return data
    packed = b"".join(data.split())
    if packed and set(packed) <= _BASE64:
        try:
            data = b64decode(packed, validate=True)
        except Base64Error:
            return None
    return data if data and len(data) % _BLOCK == 0 else None


def candidates(data: bytes, passphrase: bytes, *, rounds: int = ROUNDS) -> Iterator[bytes]:
    """What ``data`` may decrypt to, the likeliest first: with PBKDF2, then as before ``-pbkdf2`` (SHA-256, MD5).

    Each has to be proven by what it holds. ``rounds`` takes its time: about half a second for a million.
    """
    try:
        salt, body = _parts(data)
    except CannotDecrypt:
        return
    for derived in (_derive(passphrase, salt, rounds), *(_derive_old(passphrase, salt, name) for name in _OLD)):
        try:
            yield _open(body, *derived)
        except CannotDecrypt:
            continue


_OLD = ("sha256", "md5")
"""The digest of ``enc`` without ``-pbkdf2``: since OpenSSL 1.1.0, and before."""


def _parts(data: bytes) -> tuple[bytes, bytes]:
    """Salt (none with ``-nosalt``) and cipher text."""
    salted = data.startswith(MAGIC)
    body = data[_BLOCK:] if salted else data
    if not body or len(body) % _BLOCK:
        raise CannotDecrypt("This is not a file made by openssl enc.")
    return (data[len(MAGIC) : _BLOCK] if salted else b""), body


def _open(body: bytes, key: bytes, iv: bytes) -> bytes:
    decryptor = Cipher(algorithms.AES256(key), modes.CBC(iv)).decryptor()
    unpadder = padding.PKCS7(_BLOCK * 8).unpadder()
    padded = decryptor.update(body) + decryptor.finalize()
    try:
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise CannotDecrypt("It cannot be decrypted, or it is not the right key.") from error


def _derive(passphrase: bytes, salt: bytes, rounds: int) -> tuple[bytes, bytes]:
    derived = PBKDF2HMAC(hashes.SHA256(), 48, salt, rounds).derive(passphrase)
    return derived[:32], derived[32:]


def _derive_old(passphrase: bytes, salt: bytes, digest: str) -> tuple[bytes, bytes]:
    """EVP_BytesToKey with one round: digests of the one before, the passphrase and the salt."""
    derived = block = b""
    while len(derived) < 48:
        block = hashlib.new(digest, block + passphrase + salt, usedforsecurity=False).digest()
        derived += block
    return derived[:32], derived[32:48]
