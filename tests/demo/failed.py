"""The one way in which the demo says that it could not go on."""

from __future__ import annotations


class DemoFailed(Exception):
    """The demo did not come to its end; the text says why."""
