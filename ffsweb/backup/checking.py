"""Reading a whole backup without keeping anything: can it be decrypted, and is it whole?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ffsweb.backup.errors import WrongKey
from ffsweb.backup.parts import Reading

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from ffsweb.backup.chunks import Source
    from ffsweb.backup.manifest import Manifest
    from ffsweb.sealed import Opener


def check(source: Source, opener: Opener, keys: Mapping[str, Collection[str]]) -> Manifest:
    """Read a backup from its first byte to its last, and compare every hash. Raises Damaged or WrongKey.

    ``keys``: the private keys that are here, by ring, as ``ffsweb.sealed.key_of`` names them. That all are here which
    the sealed values in it need is looked at as well: a backup that opens, with secrets that do not, is half of one.
    """
    reading = Reading(source, opener)
    enough(reading.manifest, keys)
    for _part, pieces in reading.parts():
        for _piece in pieces:
            pass
    return reading.manifest


def enough(manifest: Manifest, keys: Mapping[str, Collection[str]]) -> None:
    """Whether the private keys that are here open what is sealed in the backup; else WrongKey."""
    for ring, needed in manifest.sealed_by.items():
        missing = sorted(set(needed) - set(keys.get(ring, ())))
        if missing:
            raise WrongKey(
                f"Secrets in this backup were sealed with keys of the ring {ring!r} that are not here: "
                f"{', '.join(missing)}. Nothing was changed. Take the copy of the keys that holds them."
            )
