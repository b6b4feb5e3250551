"""The ffs-node that a node has, beside the one that this ffsweb brings."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_VERSION = re.compile(r"[0-9][0-9.]{0,20}")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Program:
    """One ffs-node: what it speaks, its version (digits and dots), and the SHA-256 of its text in hex."""

    protocol: int
    version: str
    sha256: str

    def __str__(self) -> str:
        return f"version {self.version}, protocol {self.protocol}"


class Standing(StrEnum):
    """How a node's program stands to ours. A node takes ours unless its own is newer."""

    SAME = "same"
    CHANGED = "changed"
    OLDER = "older"
    NEWER = "newer"

    @property
    def upgradable(self) -> bool:
        """Whether the node would take ours, and has something from it."""
        return self in {Standing.CHANGED, Standing.OLDER}


def standing(found: Program, ours: Program) -> Standing:
    """CHANGED: version and protocol are the same, and yet it is another text."""
    theirs, here = ((version_key(each.version), each.protocol) for each in (found, ours))
    if theirs != here:
        return Standing.OLDER if theirs < here else Standing.NEWER
    return Standing.SAME if found.sha256 == ours.sha256 else Standing.CHANGED


def version_key(version: str) -> tuple[int, ...]:
    """What versions are compared by, as the node does it (``sort -V`` of digits and dots)."""
    return tuple(int(part) for part in re.findall(r"[0-9]+", version))


def program_from(value: Mapping[str, object]) -> Program | None:
    """What the fields of ``ffs-node facts`` say of the program; None if they do not.

    Every protocol has these fields, so that a node can be upgraded whose other facts nobody here can read.
    """
    protocol, version, sha256 = (value.get(name) for name in ("protocol", "version", "program_sha256"))
    if isinstance(protocol, bool) or not isinstance(protocol, int) or not 0 <= protocol < 10_000:
        return None
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        return None
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        return None
    return Program(protocol, version, sha256)
