"""Whether the threads of a pool still work: real threads that are idle, busy, and stuck."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from ffsweb.runtime.pool import PoolWatch


@pytest.fixture
def pool():
    pool = ThreadPoolExecutor(2)
    yield pool
    pool.shutdown(cancel_futures=True)


def until(watch: PoolWatch, wanted: str | None, seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while watch.look() != wanted:
        assert time.monotonic() < end
        time.sleep(0.02)


def test_nothing_is_said_before_the_first_answer(pool):
    watch = PoolWatch(pool, lambda: "", every=0.05, still=60)
    assert watch.look() is None
    until(watch, "")


def test_what_it_lacks_is_passed_on_and_forgotten(pool):
    lack = ["the broker"]
    watch = PoolWatch(pool, lambda: "".join(lack), every=0.05, still=60)
    until(watch, "the broker")
    lack.clear()
    until(watch, "")


def test_a_pool_that_is_full_of_waiting_operations_is_well(pool):
    watch, stop = PoolWatch(pool, lambda: "", every=0.05, still=1.0), threading.Event()
    until(watch, "")

    def operation() -> None:
        while not stop.wait(0.1):
            pass

    for _ in range(2):
        pool.submit(operation)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert watch.look() == ""
        time.sleep(0.05)
    stop.set()


def test_a_pool_of_which_every_thread_is_stuck_is_found_out_and_may_recover(pool):
    watch, deadlock = PoolWatch(pool, lambda: "", every=0.05, still=1.0), threading.Lock()
    until(watch, "")

    def operation() -> None:
        with deadlock:
            pass

    deadlock.acquire()
    for _ in range(2):
        pool.submit(operation)
    until(watch, None)
    deadlock.release()
    until(watch, "")


def test_one_thread_that_moves_is_enough(pool):
    watch, deadlock, stop = PoolWatch(pool, lambda: "", every=0.05, still=1.0), threading.Lock(), threading.Event()
    until(watch, "")
    deadlock.acquire()
    pool.submit(deadlock.acquire)

    def operation() -> None:
        while not stop.wait(0.1):
            pass

    pool.submit(operation)
    end = time.monotonic() + 3
    while time.monotonic() < end:
        assert watch.look() == ""
        time.sleep(0.05)
    stop.set()
    deadlock.release()
