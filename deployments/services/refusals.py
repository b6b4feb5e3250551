"""Why plans are not made, or not put to work."""

from __future__ import annotations


class Refused(Exception):
    """The plan cannot be put to work; the text says why and what to do."""


class NotPossible(Refused):
    """No plan can be made."""
