"""The TLS key: decrypted by the image's openssl, kept in memory only, wiped at the end."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from deployments.nodekit.supervisor.child import SECRET, clean_environment
from deployments.nodekit.supervisor.places import (
    NO_OPENSSL,
    NOT_TMPFS,
    SECRET_MISSING,
    WRONG_PASSWORD,
    SecretProblem,
    read_secret,
)


def decrypt(sealed: Path, password: bytes) -> bytes:
    """The key in PEM. The pass phrase goes through a pipe: never an argument, never openssl's environment."""
    form = read_secret(sealed)[:11]
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
        key = openssl((*command, f"fd:{reading}", "-in", str(sealed)), inherited=(reading,))
    finally:
        os.close(reading)
    # Without authentication in this format, one wrong pass phrase in 256 yields rubbish instead of an error.
    if not key or openssl(("pkey", "-noout"), feed=key) is None:
        raise SecretProblem(WRONG_PASSWORD, f"cert_pass does not open {sealed}")
    return key


def openssl(arguments: Sequence[str], *, feed: bytes = b"", inherited: Sequence[int] = ()) -> bytes | None:
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


def keep(file: Path, key: bytes) -> None:
    """Write it so that nobody else can read it, in place of an older one."""
    wipe(file)
    try:
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "wb") as stream:
            os.fchmod(stream.fileno(), 0o600)
            stream.write(key)
    except OSError as error:
        wipe(file)
        raise SecretProblem(NOT_TMPFS, f"{file} could not be written: {error.strerror}") from error


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
