"""Lower layers go first, and nobody waits for one that does not come."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Queue

import pytest

from deployments.core.transfer_values import LayerTransfer, Link, Transfer
from deployments.execution import transfer_order
from deployments.execution.transfer_order import LowestFirst, order_of
from deployments.oci.forms import Form

SIZES = {"low": 100_000, "middle": 100_000, "high": 100_000}
PIECE = 10_000


class Line:
    """A line that takes one piece at a time, in the order in which they are brought, and notes whose each was."""

    def __init__(self, order: LowestFirst) -> None:
        self.order, self.went = order, list[str]()
        self._waiting: Queue[tuple[str, threading.Event] | None] = Queue()
        threading.Thread(target=self._carry, daemon=True).start()

    def _carry(self) -> None:
        while piece := self._waiting.get():
            digest, gone = piece
            time.sleep(0.005)
            self.went.append(digest)
            gone.set()

    def end(self) -> None:
        self._waiting.put(None)

    def send(self, digest: str) -> None:
        for _ in range(SIZES[digest] // PIECE):
            gone = threading.Event()
            self._waiting.put((digest, gone))
            gone.wait()
            self.order.sent(digest, PIECE)


def nothing() -> None:
    return


def test_the_lowest_goes_first_and_the_others_begin_beside_it() -> None:
    line = Line(LowestFirst(SIZES, 1, nothing))
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(line.send, reversed(SIZES)))
    line.end()
    last = {digest: len(line.went) - line.went[::-1].index(digest) for digest in SIZES}
    assert last["low"] < last["middle"] < last["high"]
    assert last["low"] <= 14, "ten of its own, and a few that others had begun with"
    assert len(line.went) == 30


def test_a_lower_layer_that_stopped_to_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_order, "IDLE", 0.3)
    order = LowestFirst(SIZES, 1, nothing)
    order.sent("low", PIECE)
    began = time.monotonic()
    order.sent("high", PIECE)
    assert 0.1 < time.monotonic() - began < transfer_order.TRICKLE


def test_who_waits_sends_a_piece_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer_order, "TRICKLE", 0.2)
    monkeypatch.setattr(transfer_order, "IDLE", 1000.0)
    order = LowestFirst(SIZES, 1, nothing)
    order.sent("low", PIECE)
    order.sent("high", PIECE)


def test_a_stop_ends_the_wait() -> None:
    def check() -> None:
        raise InterruptedError

    order = LowestFirst(SIZES, 1, check)
    order.sent("low", PIECE)
    with pytest.raises(InterruptedError):
        order.sent("high", PIECE)


def test_as_many_go_side_by_side_as_fill_the_line() -> None:
    order = LowestFirst(SIZES, 2, nothing)
    order.sent("low", PIECE)
    began = time.monotonic()
    order.sent("middle", PIECE)
    order.sent("other", PIECE)
    assert time.monotonic() - began < 1.0


@pytest.mark.parametrize(
    ("way", "forms", "link", "there"),
    [
        ("pull", "zstd zstd", Link(12.5e6, 0.02), True),
        ("pull", "zstd", Link(12.5e6, 0.02), False),
        ("pull", "zstd raw", Link(12.5e6, 0.02), False),
        ("pull", "zstd chunked", Link(12.5e6, 0.02), False),
        ("fetch", "zstd zstd", Link(12.5e6, 0.02), False),
        ("pull", "zstd zstd", Link(400e6, 0.1), False),
    ],
)
def test_turns_are_taken_where_they_gain_something(way: str, forms: str, link: Link, *, there: bool) -> None:
    names = forms.split()
    layers = tuple(LayerTransfer(f"d{at}", 9, form, 5, True) for at, form in enumerate(names))  # type: ignore[arg-type]
    found = {f"d{at}": Form("zstd", f"b{at}", 5, Path("/x"), f"d{at}") for at, _ in enumerate(names)}
    order = order_of(Transfer(way, 9, layers), found, link, nothing)  # type: ignore[arg-type]
    assert (order is not None) == there
