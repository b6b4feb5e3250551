"""Heartbeats: how a process of ours shows its supervisor that it is not only there but works.

The supervisor gives the number of a pipe and the interval; without them (a process started by hand) nothing is sent.
Whoever beats must do it from the thing that could hang, never from a thread of its own.
"""

from __future__ import annotations

import ctypes
import os
import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import MutableMapping

PR_SET_PDEATHSIG: Final = 1  # prctl(2)
LONGEST: Final = 5.0
"""Without a supervisor's word: seconds between beats, for timers that want a number."""


@dataclass(frozen=True, slots=True)
class Heartbeat:
    """The writing end of the supervisor's pipe, or None; ``every``: seconds between two beats."""

    descriptor: int | None
    every: float

    @classmethod
    def taken_from(cls, environment: MutableMapping[str, str]) -> Heartbeat:
        """Takes the supervisor's variables out of ``environment`` too: no program started from here gets the pipe."""
        number = environment.pop("FFS_HEARTBEAT_FD", "")
        interval = environment.pop("FFS_HEARTBEAT_INTERVAL", "")
        if not number.isdecimal():
            return cls(None, LONGEST)
        end_with_parent()  # a process that waits for a broker beats not, and would not learn it from the pipe
        descriptor = int(number)
        os.set_inheritable(descriptor, False)  # noqa: FBT003 - positional-only
        try:
            every = min(LONGEST, float(interval) / 2)
        except ValueError:
            every = LONGEST
        return cls(descriptor, every)

    def beat(self) -> None:
        """One beat; never blocks. If the supervisor is gone, the process ends as if it had been told to."""
        self._write(b"H")

    def waits(self, words: str) -> None:
        """In place of a beat: alive, but waiting for what no restart would bring, such as a broker that is away."""
        self._write(b"W" + words.encode() + b"\n")

    def _write(self, data: bytes) -> None:
        if self.descriptor is None:
            return
        try:
            os.write(self.descriptor, data)
        except BlockingIOError:  # the pipe is full: there are unread beats enough
            return
        except BrokenPipeError:
            os.kill(os.getpid(), signal.SIGTERM)


def end_with_parent() -> None:
    """Have the kernel send SIGTERM when the process that started this one dies, however that happens."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)
