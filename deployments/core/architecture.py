"""Which images a machine runs: OCI's names (``arm64/v8``) against those of ``uname -m`` (``aarch64``). Pure.

The names are those of Go's GOARCH, GOARM and GOAMD64, which the OCI image-spec (config.md, architecture and variant)
takes over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_T = TypeVar("_T")

_MACHINES: dict[str, tuple[str, ...]] = {
    "x86_64": ("amd64", "amd64/v1"),
    "aarch64": ("arm64", "arm64/v8"),
    "armv8l": ("arm/v8", "arm/v7", "arm", "arm/v6", "arm/v5"),
    "armv7l": ("arm/v7", "arm", "arm/v6", "arm/v5"),
    "armv6l": ("arm/v6", "arm", "arm/v5"),
    "i386": ("386",),
    "i586": ("386",),
    "i686": ("386",),
}
"""What each machine runs without emulation and whatever its model, the best first. Others run their own name:
ppc64le, s390x, riscv64. Later variants (amd64/v3) are not in it: a node does not say whether it has them."""


def runs(machine: str, architecture: str) -> bool:
    """Whether a node that calls itself ``machine`` runs an image for ``architecture``."""
    return architecture in _MACHINES.get(machine, (machine,))


def best(machine: str, images: Iterable[_T], architecture: Callable[[_T], str]) -> _T | None:
    """The image that fits ``machine`` best, the first of equals; None if none runs there."""
    order = _MACHINES.get(machine, (machine,))
    fitting = [image for image in images if architecture(image) in order]
    return min(fitting, key=lambda image: order.index(architecture(image)), default=None)
