"""How long the dashboard's pages take meanwhile: its own web process, asked all the time by one who waits."""

from __future__ import annotations

import statistics
import subprocess
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from tests.lab.run import LabError
from tests.support.installation import FFS

if TYPE_CHECKING:
    from tests.support.installation import Installation

PAGE: Final = "/account/login/"
"""A page that is made of templates and asks the database; it needs no account."""
EVERY: Final = 0.25
PATIENCE: Final = 120.0


@dataclass(frozen=True, slots=True)
class Latency:
    """Of a page, in seconds."""

    asked: int
    median: float
    slowest: float
    """Of a hundred, one takes longer."""


def latency_of(seconds: list[float]) -> Latency:
    """Of at least one answer."""
    ordered = sorted(seconds)
    return Latency(len(ordered), statistics.median(ordered), ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))])


class Watched:
    """The web process runs while the block lasts, and is asked from ``begin`` on."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation
        self._ended = threading.Event()
        self._seconds: list[float] = []
        self._thread = threading.Thread(target=self._ask)

    def __enter__(self) -> Self:
        with self._installation.log.open("wb") as log:
            self._web = subprocess.Popen((*FFS, "web"), env=self._installation.environment, stdout=log, stderr=log)
        until = time.monotonic() + PATIENCE
        while not self._answers():
            if time.monotonic() > until or self._web.poll() is not None:
                self._end()
                raise LabError(f"the dashboard did not come up: {self._installation.log.read_text()[-1000:]}")
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._end()

    def _end(self) -> None:
        self._web.terminate()
        try:
            self._web.wait(20)
        except subprocess.TimeoutExpired:
            self._web.kill()
            self._web.wait()

    def begin(self) -> None:
        """From now on."""
        self._thread.start()

    def end(self) -> Latency:
        """What was measured."""
        self._ended.set()
        self._thread.join()
        return latency_of(self._seconds or [float("inf")])

    def _ask(self) -> None:
        while not self._ended.wait(EVERY):
            began = time.monotonic()
            answered = self._answers()
            self._seconds.append(time.monotonic() - began if answered else float("inf"))

    def _answers(self) -> bool:
        try:
            return self._installation.get(PAGE)[0] == 200
        except OSError:
            return False
