"""Secrets in a container: settings for the program's environment, and the TLS key decrypted into memory.

The unit hands credentials over in a tmpfs, one file each: ``env.NAME`` is a setting, ``cert_pass`` the pass phrase
of ``server.key.enc`` (``openssl enc -aes-256-cbc -pbkdf2``, or an encrypted key as openssl writes it: PKCS#8, PEM).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from deployments.nodekit.supervisor.keyfile import decrypt, is_memory, keep, openssl
from deployments.nodekit.supervisor.places import (
    KEY_MISMATCH,
    NOT_TMPFS,
    SECRET_MISSING,
    WRONG_PASSWORD,
    Places,
    SecretProblem,
    is_there,
    read_secret,
)

LONGEST_VALUE = 128 * 1024 - 64  # of one environment string with its name, execve(2): MAX_ARG_STRLEN
LONGEST_PASSWORD = 1023  # of one that openssl reads from a descriptor: it would cut a longer one short


def settings_from(credentials: Path) -> dict[str, str]:
    """The settings that were handed over as ``env.NAME``; none if the directory is missing."""
    found: dict[str, str] = {}
    for entry in _entries(credentials):
        if not entry.startswith("env."):
            continue
        name = entry[len("env.") :]
        data = read_secret(credentials / entry)
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or b"\0" in data or len(data) > LONGEST_VALUE:
            raise SecretProblem(
                SECRET_MISSING, f"{entry} cannot be an environment variable (its name, a NUL, or over 128 KiB)"
            )
        found[name] = os.fsdecode(data)
    return found


def unlock(places: Places, environment: Mapping[str, str]) -> dict[str, str]:
    """Decrypt the TLS key into the tmpfs and return what the program is told of it; nothing if it has no key.

    Raises :class:`SecretProblem`; then no key is left behind.
    """
    if not is_there(places.sealed_key):
        _want_no_key(places, environment)
        return {}
    password = _password(places, environment)
    if not is_there(places.certificate):
        raise SecretProblem(SECRET_MISSING, f"{places.certificate} is missing")
    if not is_memory(places.secrets):
        raise SecretProblem(NOT_TMPFS, f"{places.secrets} is no tmpfs: the key was not written to it")
    key = decrypt(places.sealed_key, password)
    certified = openssl(("x509", "-noout", "-pubkey", "-in", str(places.certificate)))
    if certified is None:
        raise SecretProblem(KEY_MISMATCH, f"{places.certificate} is no certificate that openssl can read")
    if openssl(("pkey", "-pubout"), feed=key) != certified:
        raise SecretProblem(KEY_MISMATCH, f"the key of {places.sealed_key} does not fit {places.certificate}")
    keep(places.key, key)
    return {"FFS_TLS_KEY": str(places.key), "FFS_TLS_CERT": str(places.certificate)}


def _want_no_key(places: Places, environment: Mapping[str, str]) -> None:
    """There is no sealed key: whatever is only of use with one says that it was forgotten."""
    if is_there(places.password):
        other = "cert_pass"
    elif is_there(places.certificate) and not is_there(places.certificates / "server.key"):
        other = "server.crt"
    elif "CERT_PASS" in environment and is_there(places.certificates):
        other = "CERT_PASS"
    else:
        return
    raise SecretProblem(SECRET_MISSING, f"{other} is there, but {places.sealed_key} is missing")


def _entries(directory: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        # Nothing handed over and nothing to be seen look the same to a glob: a silent failure.
        raise SecretProblem(SECRET_MISSING, f"{directory} could not be listed: {error.strerror}") from error


def _password(places: Places, environment: Mapping[str, str]) -> bytes:
    if is_there(places.password):
        data = read_secret(places.password)
        password = data[:-1] if data.endswith(b"\n") else data
    elif "CERT_PASS" in environment:
        password = os.fsencode(environment["CERT_PASS"])
    else:
        raise SecretProblem(SECRET_MISSING, f"{places.sealed_key} needs the credential cert_pass, which is missing")
    if not password or b"\n" in password or len(password) > LONGEST_PASSWORD:
        raise SecretProblem(
            WRONG_PASSWORD, f"cert_pass is empty, over {LONGEST_PASSWORD} bytes or more than one line"
        )
    return password
