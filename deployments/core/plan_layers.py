"""What a plan says about an image: the layers that the node lacks, and how they will probably travel. In bytes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .transfer_cost import PACKED

if TYPE_CHECKING:
    from .plan_inputs import Desired, Held
    from .transfer_values import Transfer


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer of an image by the digest of its uncompressed content."""

    diff_id: str
    size: int


@dataclass(frozen=True, slots=True)
class LayerEstimate:
    """The form in which a layer will travel, and its bytes then; ``exact`` if that form is made already."""

    diff_id: str
    form: str
    bytes: int
    exact: bool

    @property
    def form_in_words(self) -> str:
        """The form as pages name it."""
        return {"raw": "as it is", "zstd": "compressed", "chunked": "changed files", "delta": "difference"}[self.form]


@dataclass(frozen=True, slots=True)
class Estimate:
    """What the planner expects: it may be another one a minute later, so it is no part of what a plan promises.

    ``way`` is "" where nothing was estimated. ``temporary`` are bytes needed beside the image store meanwhile.
    """

    way: str = ""
    bytes: int = 0
    seconds: float = 0.0
    why: str = ""
    temporary: int = 0
    layers: tuple[LayerEstimate, ...] = ()


@dataclass(frozen=True, slots=True)
class LayersPlan:
    """The layers that the node lacks, and how many it holds.

    ``bytes_to_send`` is uncompressed, an upper bound, and so is ``size``, that of the whole image.
    """

    missing: tuple[Layer, ...]
    held: int
    bytes_to_send: int
    size: int = 0
    estimate: Estimate = field(default_factory=Estimate)

    @property
    def expected(self) -> int:
        """Bytes that will probably travel."""
        return self.estimate.bytes if self.estimate.way else self.bytes_to_send

    @property
    def temporary(self) -> int:
        """Bytes of room that staging needs for a while, beside the layers themselves."""
        return self.estimate.temporary if self.estimate.way else int(self.bytes_to_send * PACKED)


def layers_plan(desired: Desired, held: Held) -> LayersPlan:
    """What the node lacks of the image, by the last reading."""
    distinct = tuple({layer.diff_id: layer for layer in desired.layers}.values())
    size = sum(layer.size for layer in distinct)
    if held.facts and desired.image_id in held.facts.image_ids:
        return LayersPlan((), len(distinct), 0, size)
    present = held.facts.diff_ids if held.facts else frozenset()
    missing = tuple(layer for layer in distinct if layer.diff_id not in present)
    to_send = sum(layer.size for layer in missing)
    estimate = estimate_of(held.transfer) if held.transfer and missing else Estimate()
    return LayersPlan(missing, len(distinct) - len(missing), to_send, size, estimate)


def estimate_of(transfer: Transfer) -> Estimate:
    """The planner's answer as a plan keeps it."""
    layers = tuple(LayerEstimate(each.diff_id, each.form, each.bytes, each.exact) for each in transfer.layers)
    return Estimate(transfer.way, transfer.bytes, float(transfer.seconds), transfer.why, transfer.temporary, layers)
