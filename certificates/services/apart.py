"""Opens PKCS#12 in a process of its own, so that a hostile one stops nobody else."""

from __future__ import annotations

import subprocess
import sys

from certificates.core import errors
from certificates.core.pkcs12 import REFUSED

_COMMAND = (sys.executable, "-m", "certificates.core.pkcs12")
_TIMEOUT = 30.0
"""Seconds; the child's own bound is one of processor time."""


def to_pem(data: bytes, passphrase: bytes | None) -> bytes:
    """As ``core.pkcs12.to_pem``; TooLarge if it takes too long. Half a second for the child to start.

    Passphrase, store and key travel through pipes: they are in no file and in no argument.
    """
    secret = passphrase or b""
    given = len(secret).to_bytes(4, "big") + secret + data
    try:
        done = subprocess.run(_COMMAND, input=given, capture_output=True, timeout=_TIMEOUT, check=False)
    except subprocess.TimeoutExpired:
        raise _too_long() from None  # the exception holds what the child wrote
    if done.returncode == 0:
        return done.stdout
    if done.returncode != REFUSED:
        raise _too_long()
    name, _, text = done.stdout.decode().partition(" ")
    kind = getattr(errors, name, errors.MaterialError)
    raise kind(text)


def _too_long() -> errors.TooLarge:
    return errors.TooLarge(
        "The PKCS#12 file could not be opened within its time. Convert it to PEM (openssl pkcs12), and see that its "
        "RSA key has at most 4096 bits."
    )
