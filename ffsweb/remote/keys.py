"""SSH keys as text: make a pair, check a public key line, name it by its fingerprint."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from ffsweb.sealed import Secret

MIN_RSA_BITS: Final = 2048
ACCESS_RSA_BITS: Final = 3072  # of a key by which somebody logs in
MAX_LINE: Final = 16 * 1024  # bytes; OpenSSH's own limit for a key line is 64 KiB, an RSA key of 16384 bits has 3 KiB
_MAX_COMMENT: Final = 256

# Key type -> the algorithms by which a server proves to hold such a key, best first (RFC 8332 for RSA).
HOST_KEY_ALGORITHMS: Final = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}
_SECURITY_KEYS: Final = {"sk-ssh-ed25519@openssh.com": 32, "sk-ecdsa-sha2-nistp256@openssh.com": 65}


class BadPublicKey(ValueError):
    """The text is no public key that may be used; the message says why, in plain English."""


class WeakKey(BadPublicKey):
    """It is a public key, and can be broken."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A checked public key. Two are the same key when their ``blob`` is, whatever the comment."""

    type: str
    blob: bytes
    comment: str = ""

    @property
    def line(self) -> str:
        """Type and key, as in ``authorized_keys``, without the comment."""
        return f"{self.type} {base64.b64encode(self.blob).decode()}"

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it: ``SHA256:`` and unpadded base64."""
        return fingerprint(self.blob)


def fingerprint(blob: bytes) -> str:
    """The fingerprint of a public key in wire format (RFC 4253 6.6)."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


def generate(comment: str = "") -> tuple[Secret, str]:
    """A fresh Ed25519 pair: the private key as OpenSSH PEM without passphrase, and the public key's line."""
    if not _good_comment(comment):
        msg = f"a comment is one line of at most {_MAX_COMMENT} printable characters"
        raise ValueError(msg)
    key = Ed25519PrivateKey.generate()
    private = Secret(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.OpenSSH,
            serialization.NoEncryption(),
        )
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private, f"{public.decode()} {comment}".rstrip()


def parse_public_key(line: str, *, security_keys: bool = True, rsa_bits: int = MIN_RSA_BITS) -> PublicKey:
    """Check one line of the form ``TYPE BASE64 [COMMENT]``. Raises :class:`BadPublicKey`, :class:`WeakKey`.

    Types: Ed25519, ECDSA, RSA from ``rsa_bits`` bits, and (unless ``security_keys`` is false: host keys) those kept
    on a hardware token. Options before the type are refused: they could run commands or undo restrictions.
    """
    text = line.strip(" \t\r\n")
    if len(text) > MAX_LINE:
        raise BadPublicKey("This is too long for a public key. Paste the one line of the file that ends in .pub.")
    if "PRIVATE KEY" in text:
        raise BadPublicKey(
            "This is a private key, which must never leave its owner. It was not stored. Paste the one line of the "
            "file that ends in .pub, and replace this key if others could have seen it."
        )
    if any(not character.isprintable() and character != "\t" for character in text):
        raise BadPublicKey("A public key is one line without control characters. Paste one key at a time.")
    fields = re.split(r"[ \t]+", text, maxsplit=2)
    kind = fields[0]
    if kind not in HOST_KEY_ALGORITHMS and not (security_keys and kind in _SECURITY_KEYS):
        raise (WeakKey if kind == "ssh-dss" else BadPublicKey)(_bad_type(kind))
    if len(fields) < 2:
        raise BadPublicKey(f"After {kind} the key itself is missing. Paste the whole line.")
    comment = fields[2].strip() if len(fields) == 3 else ""
    if not _good_comment(comment):
        raise BadPublicKey(f"The comment after the key is too long: at most {_MAX_COMMENT} characters.")
    return PublicKey(kind, _checked_blob(kind, fields[1], rsa_bits), comment)


def _checked_blob(kind: str, encoded: str, rsa_bits: int) -> bytes:
    damaged = f"The {kind} key is damaged or incomplete. Copy the whole line again."
    try:
        blob = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        raise BadPublicKey(damaged) from None
    if base64.b64encode(blob).decode() != encoded:  # the same key must always be the same text
        raise BadPublicKey(damaged)
    fields = _wire_fields(blob)
    if not fields or fields[0] != kind.encode():
        raise BadPublicKey(damaged)
    if kind in _SECURITY_KEYS:
        _check_security_key(kind, fields, damaged)
        return blob
    try:
        key = serialization.load_ssh_public_key(f"{kind} {encoded}".encode())
    except (ValueError, UnsupportedAlgorithm):
        raise BadPublicKey(damaged) from None
    if isinstance(key, RSAPublicKey) and key.key_size < rsa_bits:
        raise WeakKey(
            f"This RSA key has {key.key_size} bits, which is too weak: at least {rsa_bits} are needed. "
            "Better, make a new key: ssh-keygen -t ed25519"
        )
    return blob


def _check_security_key(kind: str, fields: list[bytes], damaged: str) -> None:
    """[PROTOCOL.u2f of OpenSSH]: type, (curve,) the point, the application."""
    rest = fields[1:] if kind.startswith("sk-ssh-ed25519") else fields[2:]
    curve_fits = kind.startswith("sk-ssh-ed25519") or fields[1:2] == [b"nistp256"]
    if len(rest) != 2 or len(rest[0]) != _SECURITY_KEYS[kind] or not curve_fits:
        raise BadPublicKey(damaged)


def _wire_fields(blob: bytes) -> list[bytes]:
    """The length-prefixed strings of a blob (RFC 4251 5); empty if it is not exactly such strings."""
    fields, at = [], 0
    while at < len(blob):
        size = int.from_bytes(blob[at : at + 4], "big")
        if at + 4 + size > len(blob):
            return []
        fields.append(blob[at + 4 : at + 4 + size])
        at += 4 + size
    return fields


def _good_comment(comment: str) -> bool:
    return len(comment) <= _MAX_COMMENT and (comment.isprintable() or not comment)


def _bad_type(kind: str) -> str:
    if kind in _SECURITY_KEYS:
        return f"A {kind} key needs its hardware token and somebody to touch it, so it cannot be used here."
    if kind == "ssh-dss":
        return "DSA keys are broken and no longer accepted. Make a new key: ssh-keygen -t ed25519"
    if "-cert-v01@" in kind:
        return "This is a certificate. Paste the public key itself: the file that ends in .pub, not -cert.pub."
    return (
        "This does not begin with the type of a public key. Paste the one line of the file that ends in .pub, such "
        "as 'ssh-ed25519 AAAA… name'. Options before the type are not allowed here."
    )
