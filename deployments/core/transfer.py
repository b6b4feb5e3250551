"""Chooses how an image comes to a node: one decision per node, from what is measured, and said in words. Pure.

Two ways lead to the same image, verified by the same digests:

``pull``   podman pulls it through the tunnel: least work for the node; layers compressed or in chunks.
``fetch``  the node's program fetches blobs and puts the layers together: deltas, and parts that survive a cut.

Estimated seconds = making the forms that nobody needed before + bytes over the link + round trips + the node's work.
The least wins, with four exceptions: no way is taken that sends a tenth more than a plain pull, but once, in chunks,
to a node (or a layer) for which there are no differences, so that later changes are small; the one with the
fewest bytes is taken if it takes hardly longer, on a thin link even if it takes twice as long, in a fast network
never (links are shared); what takes long on the link is fetched (a cut then loses nothing).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from . import transfer_cost as cost
from .transfer_choice import choose, seeds
from .transfer_values import CHUNKED, FETCH, NONE, PULL, LayerTransfer, Transfer
from .transfer_words import explained

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .transfer_values import Task

PARTIAL_PODMAN = (5, 0)
THRIFT = 1.1
THIN = 3_000_000.0
"""Bytes per second up to which a link is a thin one: 24 Mbit/s."""
ROOMY, HARDLY = 50_000_000.0, 0.5
"""Bytes per second from which on bytes are free, and the seconds (or a tenth of the whole) that saving them may cost
below that."""
RESUME_FROM = 30.0
"""Seconds on the link from which a cut that loses everything is worse than some work more for the node."""
MARGIN = 200_000_000
"""Bytes that stay free on a disk."""
SEED_SECONDS = 1.3
"""What a pull in chunks may take more than one of compressed layers, where only chunks make later changes small."""


@dataclass(frozen=True, slots=True)
class _Candidate:
    kind: str
    transfer: Transfer
    on_the_link: float


def plan_transfer(task: Task) -> Transfer:
    """The best way for this image to this node; ``why`` names what it was chosen over. Never raises: where nothing
    fits the disk, the way that needs least is returned, and the preflight says no."""
    total = sum(size for _, size in task.layers)
    if not task.missing:
        return Transfer(NONE, total, why="The node holds every layer; nothing but the image's description travels.")
    candidates = list(_candidates(task, total))
    fitting = [each for each in candidates if _fits(task, each.transfer)]
    if not fitting:
        best = min(candidates, key=lambda each: each.transfer.need)
        return _explained(task, best, candidates, "It needs the least room of all ways.")
    lean = min((each.transfer.bytes for each in fitting if each.kind == "pull"), default=None)
    thrifty = [each for each in fitting if lean is None or each.transfer.bytes <= THRIFT * lean]
    best = min(thrifty, key=lambda each: (each.transfer.seconds, each.transfer.bytes))
    seed = _seed(task, fitting, best)
    if seed is not None:
        reason = "So the next one sends changed files alone, for which differences cannot be had."
        return _explained(task, seed, candidates, reason)
    thin = task.link.usable <= THIN
    leanest = min(thrifty, key=lambda each: each.transfer.bytes)
    fastest = best.transfer.seconds
    allowed = 2 * fastest if thin else max(1.1 * fastest, fastest + HARDLY) if task.link.usable < ROOMY else 0.0
    if THRIFT * leanest.transfer.bytes < best.transfer.bytes and leanest.transfer.seconds <= allowed:
        reason = "On a link like this the fewest bytes count." if thin else "It sends the fewest bytes."
        return _explained(task, leanest, candidates, reason)
    safe = [each for each in thrifty if each.transfer.way == FETCH]
    if best.transfer.way == PULL and best.on_the_link >= RESUME_FROM and safe:
        return _explained(task, safe[0], candidates, "It takes long, and what has arrived survives a cut this way.")
    return _explained(task, best, candidates, "")


def _candidates(task: Task, total: int) -> Iterator[_Candidate]:
    without, receiver = task.without, task.receiver
    fetches = receiver.can_fetch and not without.fetch
    if not (without.pull and fetches):
        yield _candidate(task, total, "pull")
        partial = receiver.partial_pulls and receiver.podman >= PARTIAL_PODMAN and not task.docker
        if partial and not (without.chunked or without.packed) and any(x.chunked is not None for x in task.missing):
            yield _candidate(task, total, "chunked")
    if fetches:
        yield _candidate(task, total, "fetch")


def _candidate(task: Task, total: int, kind: str) -> _Candidate:
    way = FETCH if kind == "fetch" else PULL
    choices = [choose(task, layer, kind) for layer in task.missing]
    sizes = [choice.bytes for choice in choices]
    speed = cost.rate(task.link, sizes, way)
    on_the_link = sum(sizes) / speed + cost.trips(kind) * task.link.round_trip
    unpacking = cost.node_seconds(kind, _unpacked(task))
    work = unpacking / task.receiver.strength + sum(choice.seconds for choice in choices)
    came = sum(layer.size for layer in task.missing)
    bases = [choice.base.size for choice in choices if choice.base is not None]
    rest = came + max(bases, default=0) if way == FETCH else 0
    layers = tuple(
        LayerTransfer(
            layer.diff_id,
            layer.size,
            choice.form,
            choice.bytes,
            choice.exact,
            choice.base.diff_id if choice.base else "",
            choice.kept,
        )
        for layer, choice in zip(task.missing, choices, strict=True)
    )
    transfer = Transfer(
        way=way,
        total=total,
        layers=layers,
        bytes=sum(sizes),
        seconds=on_the_link + work,
        images=came,
        temporary=sum(choice.bytes + choice.kept for choice in choices) + rest,
        work=unpacking + sum(choice.patching for choice in choices),
    )
    return _Candidate(kind, transfer, on_the_link)


def _seed(task: Task, fitting: list[_Candidate], best: _Candidate) -> _Candidate | None:
    """The pull in chunks that costs little more now, and lets the next one fetch changed files alone."""
    chunked = next((each for each in fitting if each.kind == "chunked"), None)
    if chunked is None or best.kind != "pull" or best.on_the_link >= RESUME_FROM:
        return None
    pairs = zip(task.missing, chunked.transfer.layers, strict=True)
    worth = any(seeds(task, layer) and travels.form == CHUNKED for layer, travels in pairs)
    little = chunked.transfer.seconds <= max(SEED_SECONDS * best.transfer.seconds, best.transfer.seconds + HARDLY)
    return chunked if worth and little else None


def _unpacked(task: Task) -> int:
    """Bytes of the layers from the lowest missing one up: podman unpacks all of them, as their chain IDs differ."""
    missing = {layer.diff_id for layer in task.missing}
    lowest = next((at for at, (diff_id, _) in enumerate(task.layers) if diff_id in missing), 0)
    return sum(size for _, size in task.layers[lowest:])


def _fits(task: Task, transfer: Transfer) -> bool:
    receiver = task.receiver
    if receiver.free_var is None:
        return transfer.need + MARGIN <= receiver.free_images
    return transfer.images + MARGIN <= receiver.free_images and transfer.temporary + MARGIN <= receiver.free_var


def _explained(task: Task, best: _Candidate, candidates: list[_Candidate], reason: str) -> Transfer:
    others = [(each.kind, each.transfer) for each in candidates if each is not best]
    why = explained(task, best.transfer, others, reason)
    return replace(best.transfer, seconds=round(best.transfer.seconds, 1), why=why)
