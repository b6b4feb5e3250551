"""Which images a machine runs: OCI's names (``arm64/v8``) against those of ``uname -m`` (``aarch64``). Pure.

The names are those of Go's GOARCH, GOARM and GOAMD64, which the OCI image-spec (config.md, architecture and variant)
takes over.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_T = TypeVar("_T")

_NAMES: Final = {
    "x86_64": "amd64",
    "aarch64": "arm64",
    "armv6l": "arm",
    "armv7l": "arm",
    "armv8l": "arm",
    "i386": "386",
    "i486": "386",
    "i586": "386",
    "i686": "386",
}
"""Others have one name in both worlds: ppc64le, s390x, riscv64."""

_ARM_DEFAULT: Final = 7
"""What ``arm`` without a variant means, as containerd's platform rules have it."""


def runs(machine: str, architecture: str) -> bool:
    """Whether a node that calls itself ``machine`` runs an image for ``architecture`` without emulation."""
    return _rank(machine, architecture) is not None


def best(machine: str, images: Iterable[_T], architecture: Callable[[_T], str]) -> _T | None:
    """The image that fits ``machine`` best, the first of equals; None if none runs there."""
    ranked = [(rank, image) for image in images if (rank := _rank(machine, architecture(image))) is not None]
    return min(ranked, key=lambda pair: pair[0], default=(0, None))[1]


def _rank(machine: str, architecture: str) -> int | None:
    """How well it fits, 0 the best; None if it does not run.

    A node does not say which later variant it has (amd64/v3), so the earliest one is taken where there are several,
    except on 32-bit ARM, where the machine's name says it.
    """
    name, _, variant = architecture.partition("/")
    if name not in {machine, _NAMES.get(machine, machine)}:
        return None
    digits = re.fullmatch(r"v(\d{1,2})", variant)
    level = int(digits[1]) if digits else 0
    if name == "arm":
        highest = int(machine[4]) if machine.startswith("armv") else _ARM_DEFAULT
        level = level or _ARM_DEFAULT
        return highest - level if level <= highest else None
    return level
