"""Signals: what would reach the program without the supervisor reaches it with one, as process 1 too."""

from __future__ import annotations

import os
import signal
import time

import pytest

from deployments.nodekit.supervisor.passing import STOP_SIGNALS, passed_on
from tests.supervisor.conftest import children

UNCATCHABLE = (signal.SIGKILL, signal.SIGSTOP)
PASSED_ON = [
    *("SIGHUP", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGTTIN", "SIGTTOU", "SIGTSTP", "SIGCONT", "SIGALRM"),
    *("SIGVTALRM", "SIGPROF", "SIGIO", "SIGPWR", "SIGURG", "SIGRTMIN", "SIGRTMAX"),
]
ARMED = """
import signal
signal.signal({number}, lambda *_: print("reloaded", flush=True))
print("armed", flush=True)
while True:
    beat(); time.sleep(0.05)
"""


@pytest.mark.parametrize("name", [*PASSED_ON, "SIGRTMIN+3"])
def test_other_signals_reach_the_program_and_stop_nothing(supervise, name):
    base, _, more = name.partition("+")
    number = int(getattr(signal, base)) + int(more or 0)
    running = supervise(code=ARMED.format(number=number))
    running.wait_for("armed", 20)
    running.process.send_signal(number)
    running.wait_for("reloaded", 8)
    assert running.process.poll() is None
    assert "restart" not in running.text()


@pytest.mark.parametrize("name", ["SIGCHLD", "SIGPIPE"])
def test_what_concerns_the_supervisor_alone_is_not_passed_on(supervise, name):
    number = getattr(signal, name)
    running = supervise(code=ARMED.format(number=int(number)))
    running.wait_for("armed", 20)
    running.process.send_signal(number)
    time.sleep(0.3)
    assert "reloaded" not in running.text()
    assert running.process.poll() is None


@pytest.mark.skipif(os.geteuid() != 0, reason="a new pid namespace needs root")
@pytest.mark.parametrize("name", ["SIGHUP", "SIGTTIN", "SIGRTMIN"])
def test_as_pid_1_too(supervise, name):
    number = getattr(signal, name)
    running = supervise(
        before=("unshare", "--pid", "--fork", "--mount-proc", "--kill-child"),
        code=f"print('parent', os.getppid())\n{ARMED.format(number=int(number))}",
    )
    running.wait_for("parent 1")
    running.wait_for("armed", 20)
    [first] = children(running.process.pid)
    os.kill(first, number)
    running.wait_for("reloaded", 8)


def test_at_a_terminal_its_shell_can_suspend_it_like_any_command():
    job_control = {signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU, signal.SIGCONT}
    assert set(passed_on(terminal=False)) - set(passed_on(terminal=True)) == job_control


def test_each_signal_is_passed_on_ends_the_run_or_concerns_the_supervisor_alone():
    kept = signal.valid_signals() - set(passed_on(terminal=False)) - set(STOP_SIGNALS)
    faults = {
        signal.SIGILL,
        signal.SIGTRAP,
        signal.SIGABRT,
        signal.SIGBUS,
        signal.SIGFPE,
        signal.SIGSEGV,
        signal.SIGSYS,
    }
    assert kept == faults | {*UNCATCHABLE, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXCPU, signal.SIGXFSZ}
