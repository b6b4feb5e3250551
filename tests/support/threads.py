"""Threads that use the database: a connection that is left open is a warning, in whichever test comes next."""

from __future__ import annotations

import threading
from collections.abc import Callable

from django.db import connections


def beside(work: Callable[..., object], *arguments: object) -> threading.Thread:
    """A thread that does ``work`` and closes its connections; not started."""

    def whole() -> None:
        try:
            work(*arguments)
        finally:
            connections.close_all()

    return threading.Thread(target=whole)


def at_once(*work: Callable[[], object]) -> list[object]:
    """Everything at the same moment, each in a thread with a connection of its own: what each gave or raised."""
    gate = threading.Barrier(len(work))
    results: list[object] = [None] * len(work)

    def one(place: int, does: Callable[[], object]) -> None:
        try:
            gate.wait(30)
            results[place] = does()
        except Exception as error:
            results[place] = error

    threads = [beside(one, place, does) for place, does in enumerate(work)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results
