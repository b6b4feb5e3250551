"""What is counted of a push: shown as it goes, cheaply, and a rate that is the line's and not that of buffers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from deployments.core.transfer_values import Transfer
from deployments.execution.transfer_meter import BUFFERED, Meter, remember_strength

if TYPE_CHECKING:
    from tests.deployments.fleet import Fleet

PIECE = 128 * 1024
MIB = 1024 * 1024


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Shown:
    def __init__(self) -> None:
        self.last = (0, 0, 0.0)

    def __call__(self, done: int, total: int, rate: float) -> None:
        self.last = (done, total, rate)


def send(meter: Meter, clock: Clock, size: int, *, rate: float) -> None:
    """So many bytes leave at a rate, after what the buffers took at once."""
    for _ in range(size // PIECE):
        clock.now += PIECE / rate
        meter.count("sha256:x", PIECE)


def test_bytes_that_only_wait_in_buffers_are_not_taken_for_the_lines_rate() -> None:
    clock = Clock()
    meter = Meter(Shown(), clock)
    meter.begin(8 * MIB)
    send(meter, clock, BUFFERED, rate=1e9)
    assert meter.rate() is None, "nothing is known of the line yet"
    send(meter, clock, 4 * MIB, rate=1e6)
    found = meter.rate()
    assert found is not None
    assert abs(found - 1e6) < 0.05e6


def test_where_the_node_says_what_arrived_its_word_is_the_rate_also_of_little() -> None:
    clock = Clock()
    meter = Meter(Shown(), clock)
    meter.begin(3_000_000, 500_000)
    send(meter, clock, 2_500_000, rate=1e9)
    for second in range(1, 11):
        clock.now += 1
        meter.node_has(500_000 + second * 250_000)
    assert meter.rate() == 250_000


def test_the_rate_that_is_shown_is_that_of_the_last_seconds() -> None:
    clock, shown = Clock(), Shown()
    meter = Meter(shown, clock)
    meter.begin(100 * MIB)
    send(meter, clock, 20 * MIB, rate=20e6)
    clock.now += 10
    send(meter, clock, 20 * MIB, rate=1e6)
    done, total, rate = shown.last
    assert (done, total) == (40 * MIB, 100 * MIB)
    assert 0.9e6 < rate < 1.2e6


def test_counting_costs_hardly_anything_however_many_pieces_there_are() -> None:
    meter = Meter(lambda _done, _total, _rate: None)
    meter.begin(10**12)
    began = time.process_time()
    for _ in range(50_000):  # 6.5 GB, of which all are within the window
        meter.count("sha256:x", PIECE)
    assert time.process_time() - began < 2


def test_all_is_sent_when_what_was_there_and_what_went_make_the_whole() -> None:
    meter = Meter(Shown())
    meter.begin(1000, 400)
    meter.count("sha256:x", 500)
    assert not meter.all_sent
    meter.count("", 100)
    assert meter.all_sent


def test_the_time_since_something_went_out_is_that_of_the_nodes_own_work() -> None:
    clock = Clock()
    meter = Meter(Shown(), clock)
    clock.now += 5
    meter.begin(1000)
    clock.now += 3
    assert meter.since_the_last == 3
    meter.count("", 1000)
    clock.now += 4
    meter.node_has(1000)
    assert meter.since_the_last == 4


def fetched(seconds: float) -> Transfer:
    return Transfer("fetch", 100, work=seconds)


@pytest.mark.django_db
def test_a_node_is_known_by_what_it_fetched_and_put_together(fleet: Fleet) -> None:
    row = fleet.node()
    remember_strength(row, Transfer("pull", 100, work=6.0), 12.0)
    remember_strength(row, fetched(0.9), 12.0)
    row.refresh_from_db()
    assert row.strength is None, "a pull unpacks while bytes come, and little work says nothing"
    remember_strength(row, fetched(6.0), 12.0)
    row.refresh_from_db()
    assert row.strength == 0.5
    remember_strength(row, fetched(6.0), 6.0)
    row.refresh_from_db()
    assert row.strength == 0.75
