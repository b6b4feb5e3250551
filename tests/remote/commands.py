"""Small words that the tests of this folder share."""

from __future__ import annotations

import time

import pytest

from ffsweb.remote import Command


def sh(script: str, **options) -> Command:
    """A command that is a shell script."""
    return Command(("sh", "-c", script), **options)


def timed(call, error):
    """The error that ``call`` raises, and after how many seconds."""
    started = time.monotonic()
    with pytest.raises(error) as caught:
        call()
    return caught.value, time.monotonic() - started
