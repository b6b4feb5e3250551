"""Key rings: directories of X25519 keys.

``KEYS/RING/`` (0700) holds, per key, ``ID.private`` (PKCS #8) and ``ID.public`` (SubjectPublicKeyInfo), both
PEM and 0600. ID is ``NNNN-`` and the first 8 bytes of the public key's SHA-256 in hex, so a file that was
swapped does not pass for another; the highest number is the newest. Rotation adds a key and removes none:
old values keep opening.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives import serialization as pem
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from ffsweb.sealed import keyfiles
from ffsweb.sealed.errors import RingExists, RingMissing, RingUnsafe

_RING: Final = re.compile(r"[a-z][a-z0-9-]{0,31}")
_KEY_FILE: Final = re.compile(r"(?P<number>[0-9]{4,9})-(?P<print>[0-9a-f]{16})\.(?P<half>private|public)")


@dataclass(frozen=True, slots=True, order=True)
class KeyName:
    """One key of a ring: where it stands in the order, and the start of its public half's SHA-256."""

    number: int
    fingerprint: bytes

    def __str__(self) -> str:
        return f"{self.number:04d}-{self.fingerprint.hex()}"


def fingerprint(key: X25519PublicKey) -> bytes:
    """The 8 bytes by which a sealed value names its key."""
    return hashlib.sha256(key.public_bytes_raw()).digest()[:8]


def ring_exists(keys_dir: Path, ring: str) -> bool:
    """Whether the ring holds at least one private key (it says nothing about modes: loading does)."""
    path = _path(keys_dir, ring)
    return path.is_dir() and bool(_names(path, "private"))


def create_ring(keys_dir: Path, ring: str) -> str:
    """Make the ring with its first key and return that key's id. All or nothing, also after a power cut.

    Raises :class:`RingExists` when there is one; of two processes that create it at once, one gets that.
    """
    path = _path(keys_dir, ring)
    keys_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    staging = Path(tempfile.mkdtemp(prefix=f".{ring}.", dir=keys_dir))
    staging.chmod(0o700)  # whatever the umask took away
    try:
        name = _write_pair(staging, 1)
        try:
            staging.rename(path)  # refused where a directory holds anything
        except OSError as error:
            if not path.exists():
                raise
            msg = f"There is a key ring {ring!r} at {path} already; it was left as it was."
            raise RingExists(msg) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    keyfiles.sync_directory(keys_dir)
    return str(name)


def rotate_ring(keys_dir: Path, ring: str) -> str:
    """Add a newest key, which seals from now on (for whoever loads the ring again), and return its id.

    Older keys stay and open what they sealed. Raises :class:`RingMissing`, :class:`RingUnsafe`.
    """
    path = _existing(keys_dir, ring)
    with keyfiles.locked(path):
        keyfiles.check_directory(path, forbidden=0o077)
        newest = max((name.number for name in _names(path, "private")), default=0)
        return str(_write_pair(path, newest + 1))


def load_public(keys_dir: Path, ring: str) -> list[tuple[KeyName, X25519PublicKey]]:
    """Every public half, newest first. Refuses files that others could have put there or changed."""
    path = _existing(keys_dir, ring)
    keyfiles.check_directory(path, forbidden=0o022)
    found = []
    for name in _some_names(path, "public"):
        file = path / f"{name}.public"
        data = keyfiles.read(file, forbidden=0o022, root_may_own=True)
        try:
            key = pem.load_pem_public_key(data)
        except ValueError as error:
            raise _damaged(file) from error
        if not isinstance(key, X25519PublicKey) or fingerprint(key) != name.fingerprint:
            raise _damaged(file)
        found.append((name, key))
    return found


def load_private(keys_dir: Path, ring: str) -> list[tuple[KeyName, X25519PrivateKey]]:
    """Every private half, newest first. Refuses files looser than 0600 or that somebody else owns."""
    path = _existing(keys_dir, ring)
    keyfiles.check_directory(path, forbidden=0o077)
    found = []
    for name in _some_names(path, "private"):
        file = path / f"{name}.private"
        try:
            key = pem.load_pem_private_key(keyfiles.read(file, forbidden=0o177, root_may_own=False), password=None)
        except (ValueError, TypeError):  # TypeError: it wants a password
            key = None
        if not isinstance(key, X25519PrivateKey) or fingerprint(key.public_key()) != name.fingerprint:
            raise _damaged(file)
        found.append((name, key))
    return found


def _write_pair(directory: Path, number: int) -> KeyName:
    """Private half first: whatever can be sealed can be opened, wherever this stops."""
    private = X25519PrivateKey.generate()
    name = KeyName(number, fingerprint(private.public_key()))
    keyfiles.write(
        directory / f"{name}.private",
        private.private_bytes(pem.Encoding.PEM, pem.PrivateFormat.PKCS8, pem.NoEncryption()),
    )
    keyfiles.write(
        directory / f"{name}.public",
        private.public_key().public_bytes(pem.Encoding.PEM, pem.PublicFormat.SubjectPublicKeyInfo),
    )
    return name


def _names(path: Path, half: str) -> list[KeyName]:
    matches = (_KEY_FILE.fullmatch(entry.name) for entry in path.iterdir())
    found = (
        KeyName(int(match["number"]), bytes.fromhex(match["print"]))
        for match in matches
        if match and match["half"] == half
    )
    return sorted(found, reverse=True)


def _some_names(path: Path, half: str) -> list[KeyName]:
    names = _names(path, half)
    if not names:
        msg = f"The key ring at {path} holds no {half} key. Restore the keys from their own copy."
        raise RingMissing(msg)
    return names


def _path(keys_dir: Path, ring: str) -> Path:
    if not _RING.fullmatch(ring):
        msg = f"{ring!r} is no name for a key ring: use a-z, 0-9 and '-', at most 32, a letter first"
        raise ValueError(msg)
    return keys_dir / ring


def _existing(keys_dir: Path, ring: str) -> Path:
    path = _path(keys_dir, ring)
    if not path.is_dir():
        msg = (
            f"There is no key ring {ring!r} at {path}. If this installation had one, restore it from the "
            "copy of its keys: without it nothing that was sealed can be opened."
        )
        raise RingMissing(msg)
    return path


def _damaged(file: Path) -> RingUnsafe:
    return RingUnsafe(
        f"{file} does not hold the key that its name says. Nothing was loaded. Restore it from the copy of the keys."
    )
