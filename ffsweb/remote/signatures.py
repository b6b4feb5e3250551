"""Signatures as ``ssh-keygen -Y sign`` makes them (PROTOCOL.sshsig of OpenSSH), with an Ed25519 key."""

from __future__ import annotations

import base64
import hashlib
import textwrap

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ffsweb.sealed import Secret

_MAGIC = b"SSHSIG"
_HASH = b"sha512"


def sign(private_key: Secret, message: bytes, *, namespace: str) -> str:
    """The armoured signature of ``message``, which counts in ``namespace`` alone.

    ``private_key`` is OpenSSH PEM without a passphrase, as ``keys.generate`` makes it; ValueError if it is another.
    """
    key = serialization.load_ssh_private_key(private_key.reveal(), password=None)
    if not isinstance(key, Ed25519PrivateKey):
        raise ValueError("only Ed25519 keys sign here")
    raw = key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
    place = _string(namespace.encode()) + _string(b"") + _string(_HASH)
    signature = key.sign(_MAGIC + place + _string(hashlib.sha512(message).digest()))
    public = _string(b"ssh-ed25519") + _string(raw)
    blob = _MAGIC + (1).to_bytes(4, "big") + _string(public) + place
    blob += _string(_string(b"ssh-ed25519") + _string(signature))
    lines = textwrap.wrap(base64.b64encode(blob).decode(), 70)
    return "\n".join(("-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""))


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
