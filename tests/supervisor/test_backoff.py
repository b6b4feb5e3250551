"""Restarts: at once twice, then later and later, and anew after healthy time."""

from __future__ import annotations

import os
import signal
import sys
from itertools import pairwise

import pytest

from deployments.nodekit.supervisor import Policy, Spec, Supervisor
from deployments.nodekit.supervisor.spec import restart_delay


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 0), (1, 0), (2, 0), (3, 1), (4, 2), (5, 4), (6, 8), (7, 16), (8, 32), (9, 60), (10, 60), (10**9, 60)],
)
def test_each_failure_in_a_row_costs_more_up_to_a_minute(failures, seconds):
    assert restart_delay(failures) == seconds


# Ends at once, but for its fifth start: then it lives well for 1.2 seconds.
FIVE_LIVES = """
import os, sys, time
lives = sys.argv[1]
with open(lives, "a") as stream:
    stream.write(".")
os.write(int(os.environ["FFS_HEARTBEAT_FD"]), b"H")
time.sleep(1.2 if os.path.getsize(lives) == 5 else 0.1)
sys.exit(1)
"""


def test_after_healthy_time_the_back_off_begins_anew(tmp_path):
    told: list[str] = []

    def say(name: str, text: str) -> None:
        if text.startswith("restart "):
            told.append(text)
            if len(told) == 8:
                os.kill(os.getpid(), signal.SIGTERM)

    supervisor = Supervisor(
        [Spec("program", (sys.executable, "-S", "-c", FIVE_LIVES, str(tmp_path / "lives")))],
        policy=Policy(interval=0.5, crash_window=0, reset=0.6),
        say=say,
    )
    assert supervisor.run() == 0
    once = "restart at once"
    assert told == [once, once, "restart in 1 s", "restart in 2 s", once, once, "restart in 1 s", "restart in 2 s"]


def test_a_child_that_does_not_stay_up_is_started_when_the_line_says_so():
    starts: list[float] = []
    supervisor: Supervisor

    def say(name: str, text: str) -> None:
        child = supervisor.course.children["false"]
        if text.startswith("started"):
            starts.append(child.started)
            if len(starts) == 4:
                os.kill(os.getpid(), signal.SIGTERM)

    supervisor = Supervisor([Spec("false", ("false",), heartbeat="none")], policy=Policy(crash_window=0), say=say)
    supervisor.run()
    between = [later - earlier for earlier, later in pairwise(starts)]
    assert between[0] < 0.5
    assert between[1] < 0.5
    assert 1 <= between[2] < 1.5
