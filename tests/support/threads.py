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
