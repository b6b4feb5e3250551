"""What the accounts part refuses.

Refused            the message says what was left as it was and what to do
├── LinkSpent      a one-time link that was used, withdrawn, is too old or was never made
└── TokenRefused   an access token that is unknown, withdrawn, too old, or whose maker may nothing any more
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .models import AccessToken


class Refused(Exception):
    """The action was not done; the text is for the person who asked for it."""


class LinkSpent(Refused):
    """The link cannot be used (again). Ask for a new one."""


class TokenRefused(Refused):
    """The access token does not count. ``token`` is its row, if there is one."""

    def __init__(self, message: str, token: AccessToken | None = None) -> None:
        super().__init__(message)
        self.token = token
