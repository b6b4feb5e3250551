"""The benchmark's link to a real node: late, slow and counted, with OpenSSH as whoever uses it."""

from __future__ import annotations

import subprocess
import time

import pytest

from benchmarks.push.link import Link
from benchmarks.push.receiver import Receiver

pytestmark = [pytest.mark.lab, pytest.mark.timeout(180)]

SLOW = Link("a slow one", 8_000_000, 0.1)
SIZE = 1_500_000


@pytest.fixture(scope="module")
def receiver(lab, tmp_path_factory):
    with Receiver(lab, "link", SLOW, tmp_path_factory.mktemp("link") / "node") as made:
        yield made


def timed(receiver, command: str, data: bytes = b"", *, direct: bool = False) -> float:
    began = time.monotonic()
    subprocess.run(receiver.ssh(command, direct=direct), input=data, check=True, timeout=120)
    return time.monotonic() - began


def test_a_command_takes_the_round_trips_that_it_takes(receiver):
    # Key exchange, log-in, channel and command are six round trips at least; all but the connection itself counts.
    assert timed(receiver, "true") >= 5 * SLOW.round_trip


def test_what_is_sent_takes_the_time_of_its_rate_and_is_counted(receiver):
    before = receiver.cable.count()
    seconds = timed(receiver, "cat >/dev/null", bytes(SIZE))
    # The kernel's bucket lets its burst through at once.
    assert seconds >= 0.9 * SIZE * 8 / (SLOW.rate or 1)
    time.sleep(0.3)
    counted = receiver.cable.count() - before
    assert SIZE < counted.to_node < 1.1 * SIZE
    assert counted.from_node < SIZE / 10
    assert receiver.cable.shaped in ("tbf", "relay")


def test_what_goes_past_the_cable_is_not_counted(receiver):
    before = receiver.cable.count()
    timed(receiver, "cat >/dev/null", bytes(SIZE), direct=True)
    # The end of an earlier connection may still be on its way.
    assert (receiver.cable.count() - before).to_node < SIZE / 100


def test_an_image_that_the_node_lacks_is_not_held(receiver):
    assert not receiver.holds("sha256:" + "0" * 64)
