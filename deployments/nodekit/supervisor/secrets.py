"""Secrets in a container: settings for the program's environment, and the TLS key decrypted into memory.

The unit hands credentials over in a tmpfs, one file each: ``env.NAME`` is a setting, ``cert_pass`` the pass phrase
of ``server.key.enc`` (``openssl enc -aes-256-cbc -pbkdf2``, or an encrypted key as openssl writes it: PKCS#8, PEM).
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from deployments.nodekit.supervisor.child import SECRET, clean_environment

SECRET_MISSING, WRONG_PASSWORD, KEY_MISMATCH, NOT_TMPFS, NO_OPENSSL = 101, 102, 103, 104, 105
LONGEST_VALUE = 128 * 1024 - 64  # of one environment string with its name, execve(2): MAX_ARG_STRLEN


class SecretProblem(Exception):
    """A secret cannot be handed over. ``code`` is the exit code: one of the five above."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class Places(NamedTuple):
    """Where things are in the container."""

    credentials: Path
    certificates: Path
    secrets: Path

    @property
    def key(self) -> Path:
        """The decrypted key: exists only while the program runs."""
        return self.secrets / "server.key"

    @property
    def password(self) -> Path:
        """The credential that opens the sealed key."""
        return self.credentials / "cert_pass"

    @property
    def sealed_key(self) -> Path:
        """The encrypted key as it was deployed."""
        return self.certificates / "server.key.enc"

    @property
    def certificate(self) -> Path:
        """The certificate and its chain."""
        return self.certificates / "server.crt"


def settings_from(credentials: Path) -> dict[str, str]:
    """The settings that were handed over as ``env.NAME``; none if the directory is missing."""
    found: dict[str, str] = {}
    for entry in _entries(credentials):
        if not entry.startswith("env."):
            continue
        name = entry[len("env.") :]
        data = _read(credentials / entry)
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
    if not places.sealed_key.exists():
        if places.password.exists():
            raise SecretProblem(SECRET_MISSING, f"cert_pass is there, but {places.sealed_key} is missing")
        return {}
    password = _password(places, environment)
    if not places.certificate.exists():
        raise SecretProblem(SECRET_MISSING, f"{places.certificate} is missing")
    if not is_memory(places.secrets):
        raise SecretProblem(NOT_TMPFS, f"{places.secrets} is no tmpfs: the key was not written to it")
    key = _decrypt(places.sealed_key, password)
    certified = _openssl(("x509", "-noout", "-pubkey", "-in", str(places.certificate)))
    if certified is None:
        raise SecretProblem(KEY_MISMATCH, f"{places.certificate} is no certificate that openssl can read")
    if _openssl(("pkey", "-pubout"), feed=key) != certified:
        raise SecretProblem(KEY_MISMATCH, f"the key of {places.sealed_key} does not fit {places.certificate}")
    _keep(places.key, key)
    return {"FFS_TLS_KEY": str(places.key), "FFS_TLS_CERT": str(places.certificate)}


def wipe(key: Path) -> None:
    """Overwrite and remove the decrypted key, if there is one."""
    with contextlib.suppress(OSError):
        size = key.stat().st_size
        with key.open("r+b", buffering=0) as stream:
            stream.write(b"\0" * size)
    with contextlib.suppress(OSError):
        key.unlink()


def is_memory(directory: Path) -> bool:
    """Whether the directory is on a tmpfs or ramfs, by proc_pid_mountinfo(5)."""
    if not directory.is_dir():
        return False
    device = directory.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    for line in Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines():
        fields, _, rest = line.partition(" - ")
        if fields.split()[2] == wanted:
            return rest.split()[0] in ("tmpfs", "ramfs")
    return False


def _entries(directory: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in directory.iterdir())
    except FileNotFoundError:
        return []
    except OSError as error:
        # Nothing handed over and nothing to be seen look the same to a glob: a silent failure.
        raise SecretProblem(SECRET_MISSING, f"{directory} could not be listed: {error.strerror}") from error


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise SecretProblem(SECRET_MISSING, f"{file} could not be read: {error.strerror}") from error


def _password(places: Places, environment: Mapping[str, str]) -> bytes:
    if places.password.exists():
        data = _read(places.password)
        password = data[:-1] if data.endswith(b"\n") else data
    elif "CERT_PASS" in environment:
        password = os.fsencode(environment["CERT_PASS"])
    else:
        raise SecretProblem(SECRET_MISSING, f"{places.sealed_key} needs the credential cert_pass, which is missing")
    if not password or b"\n" in password or len(password) > 1024:
        raise SecretProblem(WRONG_PASSWORD, "cert_pass is empty, longer than 1024 bytes or more than one line")
    return password


def _decrypt(sealed: Path, password: bytes) -> bytes:
    """The key in PEM. The pass phrase goes through a pipe: never an argument, never openssl's environment."""
    form = _read(sealed)[:11]
    if form.startswith(b"Salted__"):
        command: tuple[str, ...] = ("enc", "-d", "-aes-256-cbc", "-pbkdf2", "-pass")
    elif form == b"-----BEGIN ":
        command = ("pkey", "-passin")
    elif form.startswith(b"\x30"):  # DER: a sequence
        command = ("pkcs8", "-inform", "DER", "-passin")
    else:
        raise SecretProblem(SECRET_MISSING, f"{sealed} is no encrypted key: neither of openssl enc nor PKCS#8")
    reading, writing = os.pipe()
    try:
        os.write(writing, password + b"\n")
        os.close(writing)
        key = _openssl((*command, f"fd:{reading}", "-in", str(sealed)), inherited=(reading,))
    finally:
        os.close(reading)
    # Without authentication in this format, one wrong pass phrase in 256 yields rubbish instead of an error.
    if not key or _openssl(("pkey", "-noout"), feed=key) is None:
        raise SecretProblem(WRONG_PASSWORD, f"cert_pass does not open {sealed}")
    return key


def _openssl(arguments: Sequence[str], *, feed: bytes = b"", inherited: Sequence[int] = ()) -> bytes | None:
    """What the image's openssl answers, or None if it refuses."""
    try:
        done = subprocess.run(
            ("openssl", *arguments),
            input=feed,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=clean_environment(SECRET),
            pass_fds=tuple(inherited),
            timeout=30,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SecretProblem(NO_OPENSSL, f"openssl cannot be run in this image: {error}") from error
    return done.stdout if done.returncode == 0 else None


def _keep(file: Path, key: bytes) -> None:
    wipe(file)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(key)
    except OSError as error:
        wipe(file)
        raise SecretProblem(NOT_TMPFS, f"{file} could not be written: {error.strerror}") from error
