"""Sealed boxes: HPKE (RFC 9180, base mode) with X25519, HKDF-SHA256 and AES-256-GCM.

A box is::

    1 byte   version, 1
    8 bytes  key: the start of the SHA-256 of the public key that sealed it
    32 bytes the encapsulated key, then the ciphertext, of which the last 16 bytes are the tag

``info`` of the HPKE key schedule is a fixed label, the nine bytes above, and the context, so all of it is
authenticated. Only the private half opens a box: a process that holds a :class:`Sealer` alone can write
secrets and never read one. Anybody with the public half can make boxes, so a box proves nothing about who made
it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from ffsweb.sealed import rings
from ffsweb.sealed.errors import CannotOpen
from ffsweb.sealed.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

VERSION: Final = 1
OVERHEAD: Final = 1 + 8 + 32 + 16  # bytes that a box is longer than its secret
_HEADER: Final = 9
_LABEL: Final = b"ffsweb sealed box\x00"
_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


class Sealer:
    """Seals with the newest key of a ring. Needs the public halves only. Safe from several threads."""

    __slots__ = ("_key", "_name", "ring")

    def __init__(self, ring: str, name: rings.KeyName, key: X25519PublicKey) -> None:
        self.ring = ring
        self._name = name
        self._key = key

    @classmethod
    def load(cls, keys_dir: Path, ring: str) -> Sealer:
        """Read the ring's public keys. Raises ``RingMissing`` or ``RingUnsafe``."""
        return cls(ring, *rings.load_public(keys_dir, ring)[0])

    @property
    def key(self) -> str:
        """The key that seals, as :func:`key_of` gives it; another one in a box: sealed before a rotation."""
        return self._name.fingerprint.hex()

    def seal(self, secret: Secret, context: str) -> bytes:
        """A box of ``OVERHEAD`` bytes more than the secret, different every time.

        It opens with exactly this ``context`` and no other: name the row, as in ``setting:PROJECT:NAME``.
        """
        header = bytes([VERSION]) + self._name.fingerprint
        return header + _SUITE.encrypt(secret.reveal(), self._key, info=_info(header, context))

    def __repr__(self) -> str:
        return f"Sealer({self.ring!r}, {str(self._name)!r})"


class Opener:
    """Opens what any key of a ring sealed. Holds private keys. Safe from several threads."""

    __slots__ = ("_keys", "ring")

    def __init__(self, ring: str, keys: Sequence[tuple[rings.KeyName, X25519PrivateKey]]) -> None:
        self.ring = ring
        self._keys = {name.fingerprint: key for name, key in keys}

    @classmethod
    def load(cls, keys_dir: Path, ring: str) -> Opener:
        """Read the ring's private keys. Raises ``RingMissing`` or ``RingUnsafe``."""
        return cls(ring, rings.load_private(keys_dir, ring))

    def open(self, sealed: bytes, context: str) -> Secret:
        """The secret, or :class:`CannotOpen`; never anything in between."""
        box = bytes(sealed)  # databases give a memoryview
        key = self._keys.get(bytes.fromhex(key_of(box)))
        if key is None:
            msg = (
                f"This value was sealed with key {key_of(box)}, which the ring {self.ring!r} does not hold. "
                "Nothing was changed. Restore the missing key from the copy of the keys, or enter the value again."
            )
            raise CannotOpen(msg)
        try:
            return Secret(_SUITE.decrypt(box[_HEADER:], key, info=_info(box[:_HEADER], context)))
        except (InvalidTag, ValueError):
            pass
        msg = (
            f"The sealed value for {context!r} did not open: it was damaged, or belongs to another place. "
            "Nothing was changed. Enter the value again, or restore the row from a backup."
        )
        raise CannotOpen(msg)

    def __repr__(self) -> str:
        return f"Opener({self.ring!r}, {len(self._keys)} keys)"


def key_of(sealed: bytes) -> str:
    """Which key sealed this box, in hex (compare with :attr:`Sealer.key`). ``CannotOpen`` if it is no box."""
    if len(sealed) < OVERHEAD:
        msg = "This is no sealed value: it is too short. Nothing was changed. Enter the value again."
        raise CannotOpen(msg)
    if sealed[0] != VERSION:
        msg = (
            f"This value is sealed in format {sealed[0]}, and this version of ffsweb knows format {VERSION}. "
            "Nothing was changed. Was it written by a newer version?"
        )
        raise CannotOpen(msg)
    return bytes(sealed[1:_HEADER]).hex()


def _info(header: bytes, context: str) -> bytes:
    if not context:
        msg = "a sealed value needs a context that names its place"
        raise ValueError(msg)
    return _LABEL + header + context.encode()
