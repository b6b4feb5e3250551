"""Waiting for something to become true, with a limit and a message that says what was waited for."""

from __future__ import annotations

import socket
import time
from typing import TYPE_CHECKING, TypeVar

from tests.lab.run import LabError

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")


def until(what: str, probe: Callable[[], T | None], timeout: float = 20.0, every: float = 0.05) -> T:
    """Call ``probe`` until it answers something true, and return that.

    Raises :class:`LabError` naming ``what`` after ``timeout`` seconds; what ``probe`` raises passes through.
    """
    end = time.monotonic() + timeout
    while True:
        if answer := probe():
            return answer
        if time.monotonic() > end:
            raise LabError(f"{what}: not within {timeout:g} s")
        time.sleep(every)


def greeting(address: str, port: int, timeout: float = 0.5) -> bytes | None:
    """Connect and return the first bytes that a server says (an empty string if it says nothing in time);
    None if refused."""
    try:
        with socket.create_connection((address, port), timeout=timeout) as connection:
            try:
                return connection.recv(64)
            except TimeoutError:
                return b""
    except OSError:
        return None
