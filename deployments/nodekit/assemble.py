"""ffs-node, put together from its parts.

The program has to reach a node as one file; it is written as parts, each with one subject. The same parts always
give the same bytes, so its SHA-256 says which program a node has.
"""

from __future__ import annotations

import re
from importlib import resources

from deployments.core.layout import NODE_VERSION, PROTOCOL

VERSION = NODE_VERSION

_ROOT = re.compile(r"(/[A-Za-z0-9._-]+)*")


def restore_unit() -> str:
    """The text of ``ffs-restore.service``, which undoes unconfirmed switches at boot."""
    return (resources.files("deployments.nodekit") / "units" / "ffs-restore.service").read_text()


def assemble(*, root: str = "") -> str:
    """The program's text.

    ``root`` is put before every path that it knows and is for tests only: what is shipped has none, and reads none
    from its environment.
    """
    if not _ROOT.fullmatch(root):
        raise ValueError(f"Not a directory that can be written into a script: {root!r}")
    parts = (resources.files("deployments.nodekit") / "parts").iterdir()
    texts = [part.read_text() for part in sorted(parts, key=lambda part: part.name) if part.name.endswith(".bash")]
    constants = {
        "@PROTOCOL@": str(PROTOCOL),
        "@VERSION@": VERSION,
        "@ROOT@": root or "''",
        "@RESTORE_UNIT@": restore_unit().rstrip("\n"),
    }
    script = "\n".join(texts)
    for name, value in constants.items():
        script = script.replace(name, value)
    return script
