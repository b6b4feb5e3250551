"""What is due is done when it is due, not at the next tick; and nothing wakes the supervisor up in between."""

from __future__ import annotations

import json
import signal
import time
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.supervisor.conftest import turns

if TYPE_CHECKING:
    from tests.supervisor.conftest import Running

EARLY, LATE = 0.1, 0.4  # seconds: a line is written after what it tells of, and the machine may be busy
STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
beat()
time.sleep(60)
"""


def moments(running: Running, *events: str) -> list[float]:
    """Seconds between the events, each looked for after the one before."""
    lines = [json.loads(line) for line in running.text().splitlines()]
    found, place = [], 0
    for event in events:
        place = next(n for n in range(place, len(lines)) if event in lines[n]["event"]) + 1
        found.append(lines[place - 1]["at"])
    return [later - earlier for earlier, later in pairwise(found)]


def test_a_hang_is_noticed_ended_and_made_good_without_a_moment_lost(supervise):
    running = supervise(
        *("--log", "json", "--interval", "4", "--misses", "1", "--grace", "1.3", "--start-timeout", "60"),
        quick=False,
        code=STUBBORN,
    )
    running.wait_for("first heartbeat")
    time.sleep(0.6)
    running.process.send_signal(signal.SIGWINCH)  # something else that happens: time goes on from here
    running.wait_for("restart at once")
    running.started()
    hang, grace, restart = moments(running, "first heartbeat", "hung: no", "killed: it did", "started (pid")
    assert 4 - EARLY < hang < 4 + LATE
    assert 1.3 - EARLY < grace < 1.3 + LATE
    assert restart < LATE


def test_a_start_that_takes_too_long_is_noticed_when_it_does(supervise):
    running = supervise(
        *("--log", "json", "--interval", "8", "--start-timeout", "1.3", "--heartbeat", "required"),
        quick=False,
        command=("sleep", "60"),
    )
    running.wait_for("no heartbeat within")
    [start] = moments(running, "started (pid", "no heartbeat within")
    assert 1.3 - EARLY < start < 1.3 + LATE


def test_a_probe_is_asked_and_given_up_when_it_is_time_to(supervise):
    running = supervise(
        *("--log", "json", "--interval", "2.1", "--probe-timeout", "0.6", "--probe", "sleep 60"),
        *("--start-timeout", "1.1"),
        quick=False,
        command=("sleep", "60"),
    )
    running.wait_for("no healthy answer")
    [start] = moments(running, "started (pid", "no healthy answer")
    assert "no answer within 0.6 s" in running.text()
    assert 1.1 - EARLY < start < 1.1 + LATE


@pytest.mark.parametrize("code", ["\nwhile True:\n    beat(); time.sleep(2)\n", ""])
def test_nothing_wakes_it_up_while_nothing_is_due(supervise, code):
    running = supervise(quick=False, code=code) if code else supervise(quick=False, command=("sleep", "60"))
    running.wait_for("ready")
    time.sleep(0.5)
    before = turns(running.process.pid)
    time.sleep(6)
    # Three heartbeats, and the watchdog of every ten seconds.
    assert turns(running.process.pid) - before <= (6 if code else 3)
