"""What all pushes of a process share: so many at once, and limits that count for all of them together."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from deployments.execution.pushing import AT_ONCE, image_of, pace_of, turn
from deployments.models import Node
from ffsweb.operations.errors import Cancelled


class Run:
    """A run that may be told to stop."""

    def __init__(self) -> None:
        self.stopped = False

    def checkpoint(self) -> None:
        if self.stopped:
            raise Cancelled


def taken(count: int = AT_ONCE) -> list[Any]:
    """So many turns, taken."""
    turns = [turn(Run()) for _ in range(count)]  # type: ignore[arg-type]
    for each in turns:
        each.__enter__()
    return turns


def give(turns: list[Any]) -> None:
    for each in turns:
        each.__exit__(None, None, None)


def test_so_many_push_at_once_and_the_next_one_waits() -> None:
    turns, went = taken(), threading.Event()

    def push() -> None:
        with turn(Run()):  # type: ignore[arg-type]
            went.set()

    thread = threading.Thread(target=push)
    thread.start()
    try:
        assert not went.wait(0.5)
        give(turns[:1])
        assert went.wait(10)
    finally:
        give(turns[1:])
        thread.join(10)


def test_who_waits_ends_when_the_run_is_to_stop() -> None:
    turns, run = taken(), Run()
    threading.Timer(0.3, lambda: setattr(run, "stopped", True)).start()
    try:
        with pytest.raises(Cancelled), turn(run):  # type: ignore[arg-type]
            pass
    finally:
        give(turns)


def test_who_has_sent_everything_lets_the_next_one_send_while_the_node_works() -> None:
    turns = taken(AT_ONCE - 1)
    try:
        with turn(Run()) as second:  # type: ignore[arg-type]
            second.give_back()
            second.give_back()
            with turn(Run()):  # type: ignore[arg-type]
                pass
    finally:
        give(turns)


def test_a_node_gets_one_image_at_a_time_and_who_waits_is_told_why() -> None:
    told, went = list[str](), threading.Event()

    def push() -> None:
        with image_of(7, Run(), told.append):  # type: ignore[arg-type]
            went.set()

    thread = threading.Thread(target=push)
    with image_of(7, Run()), image_of(8, Run()):  # type: ignore[arg-type]
        thread.start()
        assert not went.wait(1.5)
    assert went.wait(10)
    thread.join(10)
    assert told == ["Another image is on its way to this node; this one waits for its turn."]


def test_a_push_whose_run_stops_while_it_waits_for_its_node_leaves_that_free() -> None:
    stopped = Run()
    stopped.stopped = True
    with image_of(7, Run()), pytest.raises(Cancelled), image_of(7, stopped):  # type: ignore[arg-type]
        pass
    with image_of(7, Run()):  # type: ignore[arg-type]
        pass


def node(pk: int, bandwidth: int | None) -> Node:
    return Node(pk=pk, bandwidth=bandwidth)


def test_all_pushes_to_a_node_share_its_limit(settings: Any) -> None:
    settings.BANDWIDTH = 0
    assert pace_of(node(1, None)) is None
    first, second = pace_of(node(1, 1_000_000)), pace_of(node(1, 1_000_000))
    assert first is not None
    assert first is second
    assert pace_of(node(2, 1_000_000)) is not first
    began = time.monotonic()
    threads = [threading.Thread(target=lambda: [first.take(50_000) for _ in range(5)]) for _ in range(2)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert time.monotonic() - began > 0.35, "500 kB at 1 MB/s"


def test_a_changed_limit_counts_from_the_next_push_on(settings: Any) -> None:
    settings.BANDWIDTH = 0
    old = pace_of(node(3, 1_000_000))
    new = pace_of(node(3, 2_000_000))
    assert old is not None
    assert new is not None
    assert (old.bytes_per_second, new.bytes_per_second) == (1_000_000, 2_000_000)
    settings.BANDWIDTH = 500_000
    within = pace_of(node(3, 2_000_000))
    assert within is not None
    assert within.piece < new.piece, "the installation's limit counts too"
    assert pace_of(node(4, None)) is pace_of(node(5, None))
