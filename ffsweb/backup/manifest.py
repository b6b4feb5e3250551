"""What stands at the start of a backup: what it is of, and every part with its size and SHA-256. Pure."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from ffsweb.backup.errors import Damaged

FORMAT: Final = 1
LIMIT: Final = 64 << 20
"""Bytes of a manifest: some hundred thousand parts."""
LARGEST: Final = 1 << 50
"""Bytes of all parts; more is no backup but a mistake."""

SQLITE: Final = "database/sqlite"
INDEX: Final = "oci/index.json"
_TABLE: Final = re.compile(r"database/[a-z_][a-z0-9_]{0,62}")
_BLOB: Final = re.compile(r"(?:oci|files)/blobs/sha256/(?P<sha256>[0-9a-f]{64})")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Part:
    """One part: a name that :func:`read` checked, bytes, and their SHA-256 in hex."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a backup is of. ``made_at``: ISO 8601, UTC. ``migrations``: the last one of each application.

    ``columns``: of each table, if the database is PostgreSQL. ``sealed_by``: the keys that its sealed values need, by
    ring. ``running``: titles of the operations that had not ended.
    """

    version: str
    made_at: str
    installation: str
    database: str
    images: bool
    migrations: dict[str, str] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    running: list[str] = field(default_factory=list)
    sealed_by: dict[str, list[str]] = field(default_factory=dict)
    columns: dict[str, list[str]] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    @property
    def size(self) -> int:
        """Bytes of all parts."""
        return sum(part.size for part in self.parts)

    def encode(self) -> bytes:
        """As it is written."""
        told: dict[str, Any] = asdict(self)
        told["parts"] = [[part.name, part.size, part.sha256] for part in self.parts]
        return json.dumps({"format": FORMAT, **told}, separators=(",", ":")).encode()


def read(data: bytes) -> Manifest:
    """A manifest from bytes that anybody may have written. Raises Damaged."""
    try:
        told = json.loads(data)
        if told.pop("format") != FORMAT:
            msg = "This backup was made by a newer version of ffsweb. Install that one first."
            raise Damaged(msg)
        parts = tuple(_part(each) for each in told.pop("parts"))
        manifest = Manifest(**told, parts=parts)
        _check(manifest)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise forged("its table of contents is none") from error
    return manifest


def forged(what: str) -> Damaged:
    """For what authenticates and is wrong all the same: ``what`` says what is."""
    return Damaged(f"This is no backup that ffsweb made: {what}. Nothing of it was kept.")


def _part(told: Any) -> Part:
    name, size, sha256 = told
    if not isinstance(name, str) or type(size) is not int or not isinstance(sha256, str):
        raise forged("a part is described wrongly")
    blob = _BLOB.fullmatch(name)
    if not (blob or name in (SQLITE, INDEX) or _TABLE.fullmatch(name)):
        raise forged(f"it holds a part named {name[:100]!r}")
    if not 0 <= size <= LARGEST or not _SHA256.fullmatch(sha256) or (blob and blob["sha256"] != sha256):
        raise forged(f"the size or the hash of {name!r} cannot be")
    return Part(name, size, sha256)


def _check(manifest: Manifest) -> None:
    strings = (manifest.version, manifest.made_at, manifest.installation, manifest.database, *manifest.running)
    tables = {part.name.removeprefix("database/") for part in manifest.parts if part.name.startswith("database/")}
    texts = [
        *manifest.migrations.items(),
        *((ring, key) for ring, keys in manifest.sealed_by.items() for key in keys),
    ]
    columns = [name for names in manifest.columns.values() for name in names]
    if not all(isinstance(text, str) for text in (*strings, *columns, *(word for pair in texts for word in pair))):
        raise forged("a text in its table of contents is none")
    if not all(isinstance(count, int) for count in manifest.counts.values()):
        raise forged("a figure in its table of contents is none")
    if len({part.name for part in manifest.parts}) != len(manifest.parts):
        raise forged("it holds a part twice")
    if manifest.size > LARGEST:
        raise forged("it is larger than can be")
    wanted = {"sqlite": {"sqlite"}, "postgresql": set(manifest.columns)}.get(manifest.database)
    if not wanted or tables != wanted:
        raise forged("its database is not whole")
