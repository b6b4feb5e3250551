"""Which signals end the run, and which are only passed on to the programs."""

from __future__ import annotations

import os
import signal

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
# What no handler is told of, what tells a process of its own faults, limits, pipes and children, and systemd's abort.
_OUR_OWN = (
    *("SIGKILL", "SIGSTOP", "SIGCHLD", "SIGPIPE", "SIGXCPU", "SIGXFSZ"),
    *("SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGSYS"),
)
_OF_A_TERMINAL = ("SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGCONT")


def passed_on(*, terminal: bool) -> tuple[int, ...]:
    """Their numbers, real-time ones included. At a terminal its shell may suspend us, like any command."""
    kept = {int(number) for number in STOP_SIGNALS}
    kept.update(int(getattr(signal, name)) for name in (*_OUR_OWN, *(_OF_A_TERMINAL if terminal else ())))
    return tuple(sorted(int(number) for number in signal.valid_signals() if number not in kept))


def at_a_terminal() -> bool:
    """Whether a shell looks after us. Process 1 of a container has a terminal at most to write to."""
    return os.getpid() != 1 and os.isatty(2)
