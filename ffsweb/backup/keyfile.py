"""The copy of the keys: all of FFSWEB_KEYS in one small file, under a passphrase, for another place than the backups.

::

    14 bytes MAGIC, 16 bytes salt, 12 bytes nonce, then JSON (path → base64), AES-256-GCM under scrypt(passphrase)
"""

from __future__ import annotations

import base64
import json
import re
import secrets
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from ffsweb.backup.errors import Damaged, NotMade, WrongKey
from ffsweb.sealed import Secret

if TYPE_CHECKING:
    from pathlib import Path

MAGIC: Final = b"ffsweb keys 1\n"
LEAST: Final = 12
"""Characters of a passphrase: the file may lie about for years."""
LIMIT: Final = 1 << 20
_SALT: Final = 16
_NONCE: Final = 12
_COST: Final = 2**17
"""scrypt with 128 MiB and some tenths of a second."""
_FILE: Final = re.compile(r"secret_key|[a-z][a-z0-9-]{0,31}/[0-9]{4,9}-[0-9a-f]{16}\.(?:private|public)")


def encode(keys: Path, passphrase: Secret) -> bytes:
    """The content of a copy of the key directory ``keys``. Raises NotMade if a private half is missing."""
    files = {str(path.relative_to(keys)): path.read_bytes() for path in sorted(keys.rglob("*")) if path.is_file()}
    kept = {name: base64.b64encode(data).decode() for name, data in files.items() if _FILE.fullmatch(name)}
    if lone := [name for name in kept if name.endswith(".public") and f"{name[:-7]}.private" not in kept]:
        raise NotMade(
            f"{keys} is not all: it has the public half {lone[0]} and not the private one. No copy was made. Run "
            "this where the worker's keys are."
        )
    salt, nonce = secrets.token_bytes(_SALT), secrets.token_bytes(_NONCE)
    return MAGIC + salt + nonce + _aead(passphrase, salt).encrypt(nonce, json.dumps(kept).encode(), MAGIC)


def decode(data: bytes, passphrase: Secret) -> dict[str, bytes]:
    """The files of a copy, by their path below FFSWEB_KEYS. Raises Damaged or WrongKey."""
    head = len(MAGIC) + _SALT + _NONCE
    if not data.startswith(MAGIC) or not head < len(data) <= LIMIT:
        raise Damaged("This is no copy of the keys (ffs backup --keys makes one). Nothing was changed.")
    salt, nonce = data[len(MAGIC) : len(MAGIC) + _SALT], data[len(MAGIC) + _SALT : head]
    try:
        told = json.loads(_aead(passphrase, salt).decrypt(nonce, data[head:], MAGIC))
    except InvalidTag:
        msg = "The passphrase is another one, or the copy of the keys was changed. Nothing was changed here."
        raise WrongKey(msg) from None
    if not all(_FILE.fullmatch(name) for name in told):
        raise Damaged("This copy of the keys holds a file that is no key. Nothing was changed.")
    return {name: base64.b64decode(text) for name, text in told.items()}


def private_names(keys: Path) -> dict[str, set[str]]:
    """The private keys in a key directory as sealed values name them, by ring."""
    found: dict[str, set[str]] = {}
    for path in keys.glob("*/*.private"):
        if _FILE.fullmatch(f"{path.parent.name}/{path.name}"):
            found.setdefault(path.parent.name, set()).add(path.stem.rpartition("-")[2])
    return found


def _aead(passphrase: Secret, salt: bytes) -> AESGCM:
    return AESGCM(Scrypt(salt=salt, length=32, n=_COST, r=8, p=1).derive(passphrase.reveal()))
