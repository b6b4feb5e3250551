"""Signatures as Standard Webhooks has them (https://www.standardwebhooks.com), and ours of those. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Iterable

from ffsweb.sealed import Secret

PREFIX = "whsec_"
"""Every secret begins so: programs that look for secrets in other places can know it by that."""
_BYTES = 32


def new_secret() -> Secret:
    """256 random bits, as receivers' libraries take them."""
    return Secret(PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode())


def signature(secret: Secret, identity: str, timestamp: int, body: bytes) -> str:
    """One signature (version 1, HMAC-SHA256). Raises ValueError for a secret that is none."""
    signed = f"{identity}.{timestamp}.".encode() + body
    return f"v1,{base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()}"


def headers(keys: Iterable[Secret], identity: str, timestamp: int, body: bytes) -> dict[str, str]:
    """What goes with ``body``: signed with each of ``keys``, so that a receiver may have any of them."""
    return {
        "webhook-id": identity,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signature(key, identity, timestamp, body) for key in keys),
    }


def _key(secret: Secret) -> bytes:
    try:
        return base64.b64decode(secret.reveal().decode("ascii").removeprefix(PREFIX), validate=True)
    except (binascii.Error, UnicodeDecodeError) as error:
        msg = "the secret is no base64"
        raise ValueError(msg) from error
