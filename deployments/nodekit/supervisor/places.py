"""Where secrets are in a container, and what a secret that cannot be handed over is called."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

SECRET_MISSING, WRONG_PASSWORD, KEY_MISMATCH, NOT_TMPFS, NO_OPENSSL = 101, 102, 103, 104, 105


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


def read_secret(file: Path) -> bytes:
    """What is in it."""
    try:
        return file.read_bytes()
    except OSError as error:
        raise SecretProblem(SECRET_MISSING, f"{file} could not be read: {error.strerror}") from error


def is_there(file: Path) -> bool:
    """Whether it exists. That it cannot be told is a :class:`SecretProblem`: else nobody would miss it."""
    try:
        file.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise SecretProblem(SECRET_MISSING, f"{file} could not be looked at: {error.strerror}") from error
    return True
