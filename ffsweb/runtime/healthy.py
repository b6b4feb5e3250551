"""``ffs healthy FILE``: what a container's health check asks of a process under ``ffs supervise --status FILE``."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Final

STALE: Final = 60.0
"""Seconds after which a status says nothing any more; the supervisor writes one every ten."""


def run(arguments: list[str]) -> int:
    """0 if the program runs and shows it by heartbeats, else 1 with why, on standard output."""
    if len(arguments) != 1:
        sys.stdout.write("ffs healthy takes one file: that of ffs supervise --status.\n")
        return 2
    try:
        trouble = trouble_in(Path(arguments[0]).read_text(), now=time.time())
    except OSError as error:
        trouble = f"{arguments[0]} could not be read: {error.strerror}"
    sys.stdout.write((trouble or "healthy") + "\n")
    return 1 if trouble else 0


def trouble_in(status: str, *, now: float) -> str:
    """Why a status file does not say that all is well; "" if it does. ``now``: seconds since the epoch."""
    try:
        told = json.loads(status)
        state, age = str(told["state"]), now - float(told["at"])
    except (ValueError, KeyError, TypeError):
        return "the status file is no status file"
    if age > STALE:
        return f"the status is {age:.0f} s old"
    return "" if state.startswith("healthy") else state
