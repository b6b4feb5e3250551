"""The sending end of the pipe."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

from ffsweb.runtime.heartbeat import LONGEST, Heartbeat


def test_without_a_supervisor_nothing_is_sent():
    heartbeat = Heartbeat.taken_from({})
    heartbeat.beat()
    assert heartbeat == Heartbeat(None, LONGEST)


def test_it_beats_twice_an_interval_and_hides_the_pipe_from_what_is_started_later():
    reading, writing = os.pipe()
    os.set_inheritable(writing, True)
    environment = {"FFS_HEARTBEAT_FD": str(writing), "FFS_HEARTBEAT_INTERVAL": "4"}
    try:
        heartbeat = Heartbeat.taken_from(environment)
        heartbeat.beat()
        assert os.read(reading, 10) == b"H"
        assert heartbeat.every == 2
        assert environment == {}
        assert not os.get_inheritable(writing)
    finally:
        os.close(reading)
        os.close(writing)


def test_a_full_pipe_does_not_block():
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    try:
        heartbeat = Heartbeat(writing, 1.0)
        for _ in range(100_000):
            heartbeat.beat()
    finally:
        os.close(reading)
        os.close(writing)


def test_a_process_whose_supervisor_is_gone_ends():
    code = "import os, time; from ffsweb.runtime.heartbeat import Heartbeat; Heartbeat({}, 1).beat(); time.sleep(60)"
    reading, writing = os.pipe()
    os.close(reading)
    try:
        done = subprocess.run(
            [sys.executable, "-c", code.format(writing)], pass_fds=(writing,), timeout=60, check=False
        )
    finally:
        os.close(writing)
    assert done.returncode == -signal.SIGTERM
