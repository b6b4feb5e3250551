"""What the accounts part refuses.

Refused            the message says what was left as it was and what to do
└── LinkSpent      a one-time link that was used, withdrawn, is too old or was never made
"""

from __future__ import annotations


class Refused(Exception):
    """The action was not done; the text is for the person who asked for it."""


class LinkSpent(Refused):
    """The link cannot be used (again). Ask for a new one."""
