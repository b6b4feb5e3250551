"""The bytes of ``openssl enc -aes-256-cbc -pbkdf2`` (openssl-enc(1)), both ways.

The form is ``Salted__``, 8 bytes of salt, then AES-256-CBC with PKCS#7; key and IV come from PBKDF2-HMAC-SHA-256
with 10,000 rounds. It has no integrity: about one wrong passphrase in 256 passes the padding, so what comes out
must be checked to be the key that was meant (see ``decrypt_key``).
"""

from __future__ import annotations

import os

from cryptography.hazmat.primitives import hashes, padding, serialization
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

MAGIC = b"Salted__"
ROUNDS = 10_000
_BLOCK = 16


class CannotDecrypt(ValueError):
    """The passphrase is wrong, the file is damaged, or it is not the expected key: one error, so no oracle."""


def encrypt(plain: bytes, passphrase: bytes, *, salt: bytes | None = None) -> bytes:
    """What ``openssl enc -aes-256-cbc -pbkdf2 -pass …`` writes. ``salt`` (8 bytes) is only given by tests."""
    salt = os.urandom(8) if salt is None else salt
    key, iv = _derive(passphrase, salt)
    padder = padding.PKCS7(_BLOCK * 8).padder()
    encryptor = Cipher(algorithms.AES256(key), modes.CBC(iv)).encryptor()
    padded = padder.update(plain) + padder.finalize()
    return MAGIC + salt + encryptor.update(padded) + encryptor.finalize()


def decrypt(data: bytes, passphrase: bytes) -> bytes:
    """What ``openssl enc -d`` would print; raises CannotDecrypt. A wrong passphrase may go unnoticed here."""
    body = data[_BLOCK:]
    if not data.startswith(MAGIC) or not body or len(body) % _BLOCK:
        raise CannotDecrypt("This is not a file made by openssl enc.")
    key, iv = _derive(passphrase, data[len(MAGIC) : _BLOCK])
    decryptor = Cipher(algorithms.AES256(key), modes.CBC(iv)).decryptor()
    unpadder = padding.PKCS7(_BLOCK * 8).unpadder()
    padded = decryptor.update(body) + decryptor.finalize()
    try:
        return unpadder.update(padded) + unpadder.finalize()
    except ValueError as error:
        raise CannotDecrypt("It cannot be decrypted, or it is not the right key.") from error


def decrypt_key(data: bytes, passphrase: bytes, *, public_key_der: bytes) -> bytes:
    """Decrypt a PEM private key and prove that it belongs to ``public_key_der`` (SubjectPublicKeyInfo, DER)."""
    plain = decrypt(data, passphrase)
    try:
        key = serialization.load_pem_private_key(plain, None)
    except (ValueError, TypeError) as error:
        raise CannotDecrypt("It cannot be decrypted, or it is not the right key.") from error
    found = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    if found != public_key_der:
        raise CannotDecrypt("It cannot be decrypted, or it is not the right key.")
    return plain


def _derive(passphrase: bytes, salt: bytes) -> tuple[bytes, bytes]:
    derived = PBKDF2HMAC(hashes.SHA256(), 48, salt, ROUNDS).derive(passphrase)
    return derived[:32], derived[32:]
