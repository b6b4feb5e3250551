"""Chooses the form of one layer, for one way in which an image may come to a node. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import transfer_cost as cost
from .transfer_values import CHUNKED, DELTA, RAW, ZSTD

if TYPE_CHECKING:
    from .transfer_values import Base, FormKind, Sendable, Task

SEED_BYTES = 1.35
"""What a layer in chunks may be larger than a compressed one, once, where only chunks make later changes small."""
SMALL, FAST = 4096, 200e6
"""Layers below so many bytes, or any on a link of so many bytes a second, may travel as they are."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A form of a layer: the bytes that travel, whether they are known, and the seconds of making and patching."""

    form: FormKind
    bytes: int
    exact: bool
    seconds: float
    base: Base | None = None
    kept: int = 0
    patching: float = 0.0
    """Seconds that a node of strength 1 would take for it; they are among ``seconds``."""


def choose(task: Task, layer: Sendable, kind: str) -> Choice:
    """The form in which this layer is there first; its own seconds are those of making and patching."""
    fetched, strength = kind == "fetch", task.receiver.strength
    if task.without.packed:
        return _option(layer, RAW, fetched=fetched)
    packed = _option(layer, ZSTD, fetched=fetched)
    options = [packed]
    if layer.size < SMALL or task.link.usable >= FAST or (fetched and layer.kept):
        options.append(_option(layer, RAW, fetched=fetched))
    if kind == "chunked" and layer.chunked is not None:
        options.append(_option(layer, CHUNKED))
        if seeds(task, layer) and options[-1].bytes <= SEED_BYTES * packed.bytes:
            return options[-1]
    if fetched and not task.without.delta:
        options += [_option(layer, DELTA, base, fetched=True, strength=strength) for base in layer.bases]
    return min(options, key=lambda option: (option.bytes / task.link.usable + option.seconds, option.bytes))


def seeds(task: Task, layer: Sendable) -> bool:
    """Whether changes of this layer can stay small by its files alone, so that it is worth to come in chunks once."""
    return layer.too_large or not task.receiver.can_fetch


def _option(
    layer: Sendable, form: FormKind, base: Base | None = None, *, fetched: bool = False, strength: float = 1.0
) -> Choice:
    """``fetched``: what the node has of it from a push that was cut does not travel again."""
    size, known = cost.size_of(layer, form, base)
    kept = cost.kept_of(layer, form, base) if fetched else 0
    patching = cost.patching(layer, base) if base else 0.0
    seconds = cost.making(layer, form, known=known) + patching / strength
    return Choice(form, size - kept, known, seconds, base, kept, patching)
