"""A cap on bytes per second, shared by threads, below another cap."""

from __future__ import annotations

import threading
import time

import pytest

from deployments.oci.pacing import BURST, Pacer


class World:
    """A clock that goes on only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 100.0

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def pacer(self, rate: float, parent: Pacer | None = None) -> Pacer:
        return Pacer(rate, parent, clock=self.clock, sleep=self.sleep)


def test_the_rate_is_kept_whatever_the_pieces() -> None:
    for piece in (1, 700, 40_000):
        world = World()
        pacer = world.pacer(1000)
        for _ in range(100):
            pacer.take(piece)
        assert world.now - 100 == pytest.approx(100 * piece / 1000, abs=BURST + 1e-6)


def test_a_pause_is_not_saved_up() -> None:
    world = World()
    pacer = world.pacer(1000)
    pacer.take(1000)
    world.now += 3600
    began = world.now
    pacer.take(1000)
    assert world.now - began == pytest.approx(1.0, abs=BURST + 1e-6)


def test_a_long_sleep_is_made_up_for() -> None:
    world = World()
    pacer = Pacer(1000, clock=world.clock, sleep=lambda seconds: world.sleep(seconds + 0.05))
    for _ in range(20):
        pacer.take(100)
    assert world.now - 100 == pytest.approx(2.0, abs=0.2)


def test_children_share_what_their_parent_lets_through() -> None:
    world = World()
    parent = world.pacer(1000)
    quick, slow = world.pacer(5000, parent), world.pacer(200, parent)
    for _ in range(10):
        quick.take(100)
    assert world.now - 100 == pytest.approx(1.0, abs=BURST + 1e-6)
    began = world.now
    for _ in range(10):
        slow.take(100)
    assert world.now - began == pytest.approx(5.0, abs=BURST + 0.2)
    assert slow.piece <= quick.piece <= world.pacer(1e9).piece


def test_threads_together_keep_the_rate() -> None:
    pacer = Pacer(200_000)

    def work() -> None:
        for _ in range(25):
            pacer.take(1000)

    began = time.monotonic()
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - began >= 100_000 / 200_000 - BURST - 0.01


@pytest.mark.parametrize("rate", [0, -1, float("nan")])
def test_a_rate_is_above_nothing(rate: float) -> None:
    with pytest.raises(ValueError, match="above 0"):
        Pacer(rate)
