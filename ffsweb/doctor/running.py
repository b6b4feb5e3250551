"""Does checks, each within its time; what goes wrong with one is that one's failure."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .findings import Check, Finding, State, fail, skipped


@dataclass(frozen=True, slots=True)
class Result:
    """A finding with the name of its check."""

    check: str
    finding: Finding


def run(checks: Iterable[Check], *, at_end: Callable[[], None] = lambda: None) -> Iterator[Result]:
    """One result for each finding, as soon as its check is through.

    ``at_end`` is called in each check's thread: to close its connections. Checks that need the database are skipped
    once the one called ``database`` has failed. A check that does not end in its time is left alone.
    """
    away = False
    for check in checks:
        if check.database and away:
            yield Result(check.name, skipped("The database cannot be asked."))
            continue
        findings = _within(check, at_end)
        if check.name == "database" and any(found.state is State.FAIL for found in findings):
            away = True
        yield from (Result(check.name, found) for found in findings)


def _within(check: Check, at_end: Callable[[], None]) -> list[Finding]:
    answers: queue.SimpleQueue[list[Finding]] = queue.SimpleQueue()

    def work() -> None:
        try:
            answers.put(_look(check))
        finally:
            at_end()
            ended.set()

    ended = threading.Event()
    threading.Thread(target=work, name=f"doctor-{check.name}", daemon=True).start()
    ended.wait(check.seconds)
    try:
        return answers.get_nowait()
    except queue.Empty:
        text = f"This look did not end within {check.seconds:g} s."
        return [fail(text, "What it asks hangs, or is very slow: look at that first, then start ffs doctor again.")]


def _look(check: Check) -> list[Finding]:
    try:
        found = check.look()
        return [found] if isinstance(found, Finding) else list(found)
    except Exception as error:  # noqa: BLE001 - whatever goes wrong with a check is what there is to tell
        text = f"This look failed: {type(error).__name__}: {str(error).strip() or 'it says no more'}"
        return [fail(text, "If that does not say what to do, send it to whoever supports ffsweb.")]
