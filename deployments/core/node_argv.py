"""How a command to ``ffs-node`` is put together: verb, fence, options with checked values."""

from __future__ import annotations

import re

from deployments.core.health import PATH
from deployments.core.layout import NODE_PROGRAM

Argv = tuple[str, ...]
Fence = tuple[int, int]

PREFIX: Argv = ("sudo", "-n", NODE_PROGRAM)
_HEX = "[0-9a-f]{64}"
_PATTERNS = {
    "service": r"[a-z][a-z0-9-]{0,30}",
    "project": r"[a-z][a-z0-9-]{0,31}",
    "image-id": f"sha256:{_HEX}",
    "from": "[0-9a-f]{12}",
    "release": r"[1-9][0-9]{0,8}",
    "base": r"[1-9][0-9]{0,8}",
    "fingerprint": f"{_HEX}(-[0-9a-z]{{1,16}})?",
    "sha256": _HEX,
    "version": r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}",
    "op": r"[A-Za-z0-9][A-Za-z0-9-]{0,63}",
    "deadline": r"[1-9][0-9]{1,4}",
    "lines": r"[1-9][0-9]{0,4}",
    "since": r"[0-9]{1,10}",
    "grep": r"[^\x00-\x1f\x7f]{1,200}",
    "kind": "https?|tcp|command",
    "port": r"[1-9][0-9]{0,4}",
    "ports": r"[1-9][0-9]{0,4}(,[1-9][0-9]{0,4}){0,3}",
    "name": r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,251}[A-Za-z0-9])?",
    "path": PATH,
    "user": "core|ffsweb",
    "activate": r"SHA256:[A-Za-z0-9+/]{43}",
    "confirm": r"SHA256:[A-Za-z0-9+/]{43}",
}
RESERVED_SERVICES = re.compile(r"restore|firewall|node|op|(op|restore|rollback)-.*")
"""Service names that ``ffs-node`` refuses, because ``ffs-NAME.service`` is or may be a unit of its own."""


def command(verb: str, fence: Fence | None = None, /, **options: str | int | None) -> Argv:
    argv = [*PREFIX, verb]
    """``ffs-node VERB --fence F --option value …``; options that are None are left out. Raises ValueError."""
    if fence is not None:
        epoch, counter = fence
        if epoch < 0 or counter < 0:
            raise ValueError(f"A fence is two whole numbers from 0 on, not {fence}")
        argv += ["--fence", f"{epoch}.{counter}"]
    for name, value in options.items():
        if value is not None:
            option = name.replace("_", "-")
            text = str(value)
            if option in _PATTERNS and not re.fullmatch(_PATTERNS[option], text):
                raise ValueError(f"{text!r} is no value for --{option}")
            argv += [f"--{option}", text]
    return tuple(argv)
