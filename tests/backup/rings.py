"""Key rings for tests that need no installation."""

from __future__ import annotations

from pathlib import Path

from ffsweb.sealed import Opener, Sealer, create_ring


def ring(keys: Path) -> tuple[Sealer, Opener]:
    """A ring ``worker`` in ``keys``, which is made if it is not there."""
    create_ring(keys, "worker")
    return Sealer.load(keys, "worker"), Opener.load(keys, "worker")
