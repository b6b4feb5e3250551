"""``python -m deployments.execution.bound_child PARENT ARGV…`` becomes ARGV, at nice 10, and ends with PARENT.

So a killed worker leaves no program behind (prctl(2), PR_SET_PDEATHSIG: it outlives execve(2)).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PDEATHSIG = 1  # prctl(2)
NICE = 10
"""It works for minutes; pages and deploys do not wait for it."""


def main(parent: int, argv: list[str]) -> None:
    """Never returns."""
    ctypes.CDLL(None).prctl(_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        raise SystemExit(1)  # it died before
    os.nice(NICE)
    os.execv(argv[0], argv)  # noqa: S606 - an argument list of skopeo.py's own


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
