"""What a transfer of an image is planned from, and the plan. Sizes are in bytes, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

Way = Literal["none", "pull", "fetch"]
FormKind = Literal["raw", "zstd", "chunked", "delta"]

NONE: Final[Way] = "none"
PULL: Final[Way] = "pull"
FETCH: Final[Way] = "fetch"
RAW: Final[FormKind] = "raw"
ZSTD: Final[FormKind] = "zstd"
CHUNKED: Final[FormKind] = "chunked"
DELTA: Final[FormKind] = "delta"


@dataclass(frozen=True, slots=True)
class Link:
    """The connection to a node: bytes per second, and the round trip. ``measured``: by earlier transfers."""

    rate: float
    round_trip: float
    measured: bool = True
    cap: int = 0
    """Bytes per second that the operator allows; 0 for no limit."""

    @property
    def usable(self) -> float:
        """Bytes per second that a transfer may count on."""
        return min(self.rate, self.cap) if self.cap else self.rate


ASSUMED: Final = Link(rate=12_500_000.0, round_trip=0.02, measured=False)
"""100 Mbit/s and 20 ms: a server in another city, until something was measured."""


@dataclass(frozen=True, slots=True)
class Base:
    """A layer that the node holds and a delta may start from; ``delta`` is the delta's size if it was made before,
    ``kept`` what the node has of it from a push that was cut."""

    diff_id: str
    size: int
    delta: int | None = None
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Sendable:
    """A layer that the node lacks. ``zstd`` is the size of its compressed form if that was made before; ``chunked``
    what a partial pull of its chunked form would fetch, if there is one. ``kept`` and ``zstd_kept`` are bytes of the
    layer itself and of the compressed form that are on the node, from a push that was cut."""

    diff_id: str
    size: int
    zstd: int | None = None
    chunked: int | None = None
    bases: tuple[Base, ...] = ()
    kept: int = 0
    zstd_kept: int = 0
    too_large: bool = False
    """For a delta, whatever it starts from."""


FETCH_TOOLS: Final = frozenset({"curl", "zstd", "skopeo"})
"""Programs that a node needs for the way "fetch"."""


@dataclass(frozen=True, slots=True)
class Receiver:
    """What the node is able to do, and its free bytes (``free_var`` None: images and the rest share one disk)."""

    tools: frozenset[str] = frozenset()
    partial_pulls: bool = False
    podman: tuple[int, int] = (0, 0)
    strength: float = 1.0
    """How many times as fast it works as the node by which the planner's figures were taken."""
    older: bool = False
    """Its ffs-node does not read the requests by which this one has images fetched."""
    free_images: int = 2**62
    free_var: int | None = None

    @property
    def can_fetch(self) -> bool:
        """Whether the way "fetch" is open to this node."""
        return self.tools >= FETCH_TOOLS and not self.older


@dataclass(frozen=True, slots=True)
class Without:
    """What is not to be used: because it failed just now, or, for ``pull``, because a cut would lose what arrived."""

    delta: bool = False
    chunked: bool = False
    fetch: bool = False
    pull: bool = False
    packed: bool = False
    """Every form but the layer itself."""


@dataclass(frozen=True, slots=True)
class LayerTransfer:
    """One layer, the form in which it travels, and its bytes without those ``kept`` on the node. ``exact``: of a form
    that is made, not an estimate."""

    diff_id: str
    size: int
    form: FormKind
    bytes: int
    exact: bool
    base: str = ""
    kept: int = 0


@dataclass(frozen=True, slots=True)
class Transfer:
    """The plan for one image to one node; ``total`` are the bytes of the whole image, uncompressed, ``bytes`` those
    that travel."""

    way: Way
    total: int
    layers: tuple[LayerTransfer, ...] = ()
    bytes: int = 0
    seconds: float = 0.0
    why: str = ""
    images: int = 0
    """Bytes that come to the image store."""
    temporary: int = 0
    """Bytes needed beside it, in /var, until the image is complete."""
    work: float = 0.0
    """Seconds that a node of strength 1 would work, beside what the line takes."""

    @property
    def need(self) -> int:
        """Both together."""
        return self.images + self.temporary

    @property
    def kept(self) -> int:
        """Bytes that are on the node already, from a push that was cut."""
        return sum(layer.kept for layer in self.layers)

    @property
    def exact(self) -> bool:
        """Whether every form is made, so that ``bytes`` is what will travel."""
        return all(layer.exact for layer in self.layers)


@dataclass(frozen=True, slots=True)
class Task:
    """An image for a node: all its layers from the lowest one (digest and size), and those that the node lacks."""

    layers: tuple[tuple[str, int], ...]
    missing: tuple[Sendable, ...]
    receiver: Receiver
    link: Link = ASSUMED
    docker: bool = False
    """Its manifest is of Docker's family, which has no place for what a partial pull needs."""
    without: Without = field(default_factory=Without)
