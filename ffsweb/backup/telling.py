"""What the commands print about a backup."""

from __future__ import annotations

import json
from typing import Any

from ffsweb.backup.manifest import Manifest
from ffsweb.web.measures import size_in_words


def facts(manifest: Manifest) -> dict[str, Any]:
    """For ``--json``."""
    return {
        "made_at": manifest.made_at,
        "version": manifest.version,
        "installation": manifest.installation,
        "database": manifest.database,
        "images": manifest.images,
        "parts": len(manifest.parts),
        "size": manifest.size,
        "counts": manifest.counts,
        "running": manifest.running,
        "keys": manifest.sealed_by,
    }


def as_json(**told: Any) -> str:
    """One line."""
    return json.dumps(told, sort_keys=True) + "\n"


def words(manifest: Manifest) -> str:
    """What is in it, for people."""
    counts = ", ".join(f"{count} {_printable(name)}" for name, count in manifest.counts.items())
    lines = [
        f"Of {_printable(manifest.installation)}, made at {_printable(manifest.made_at)} by ffsweb "
        f"{_printable(manifest.version)} on {manifest.database}.",
        f"{len(manifest.parts)} parts, {size_in_words(manifest.size)}"
        + ("." if manifest.images else ", without images."),
        f"{counts}.",
    ]
    lines += [f"Not ended when it was made: {_printable(title)}" for title in manifest.running]
    return "\n".join(lines) + "\n"


def _printable(text: str) -> str:
    """On one line, without what a terminal obeys: whoever can make a backup may have written it."""
    return "".join(char if char.isprintable() else "?" for char in text[:300])
