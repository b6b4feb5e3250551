"""The ways in which the sample can be told to misbehave, by SAMPLE_MODE: one or several, separated by
commas."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass

WORDS = ("ok", "crash-at-start", "never-ready", "ignore-term", "flood")
TIMED = ("hang-after", "die-after")


@dataclass(frozen=True)
class Mode:
    """What was asked for. ``hang_after`` and ``die_after`` are in seconds."""

    text: str
    crash_at_start: bool
    never_ready: bool
    ignore_term: bool
    flood: bool
    hang_after: float | None
    die_after: float | None

    @classmethod
    def parse(cls, text: str) -> Mode:
        """Read ``hang-after=5,ignore-term``; raises ``ValueError`` naming the word that it does not know."""
        words, times = set(), {}
        for word in filter(None, (part.strip() for part in text.split(","))):
            name, is_timed, value = word.partition("=")
            if is_timed and name in TIMED:
                times[name] = float(value)
            elif word in WORDS:
                words.add(word)
            else:
                raise ValueError(f"SAMPLE_MODE: {word!r} is none of {', '.join(WORDS)}, hang-after=N, die-after=N")
        return cls(
            text=text or "ok",
            crash_at_start="crash-at-start" in words,
            never_ready="never-ready" in words,
            ignore_term="ignore-term" in words,
            flood="flood" in words,
            hang_after=times.get("hang-after"),
            die_after=times.get("die-after"),
        )


def misbehave(mode: Mode, hung: threading.Event) -> None:
    """Start the clocks of what was asked for; ``hung`` is set when it is time to hang."""
    if mode.hang_after is not None:
        threading.Timer(mode.hang_after, hung.set).start()
    if mode.die_after is not None:
        threading.Timer(mode.die_after, os._exit, (1,)).start()
    if mode.flood:
        threading.Thread(target=_flood, daemon=True).start()


def _flood() -> None:
    """Some ten thousand lines a second, with colours."""
    number = 0
    while True:
        lines = (f"\033[3{n % 8}mflood {n:09d}\033[0m {'x' * (n % 80)}" for n in range(number, number + 1000))
        print("\n".join(lines), flush=True)
        number += 1000
        time.sleep(0.1)
