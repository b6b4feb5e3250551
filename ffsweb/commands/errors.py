"""How a command ends.

Ended         the text is for whoever called; ``code`` is the exit code
├── Refused   the dashboard refused a request (a problem of RFC 9457)
└── Away      it does not answer, or something before it does in its place; asked later, it may

Closed        nobody takes what is put out: a pipe whose reader has gone, a full disk
"""

from __future__ import annotations

from typing import Any, Final

LIVE: Final = 0
FAILED: Final = 1
ROLLED_BACK: Final = 2
UNKNOWN: Final = 3
USAGE: Final = 64
"""A mistake in the arguments (EX_USAGE of sysexits.h): 2 says something else here."""

CODES: Final = {"succeeded": LIVE, "rolled_back": ROLLED_BACK, "unknown": UNKNOWN}
"""By the state in which an operation ended; every other one is FAILED."""


class Ended(Exception):
    """The command is over, and not well."""

    def __init__(self, text: str, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code


class Refused(Ended):
    """``status`` and ``body`` are those of the answer."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(str(body.get("detail") or body.get("title") or f"The dashboard answered {status}."))
        self.status, self.body = status, body


class Away(Ended):
    """Nobody knows more than before."""


class Closed(Exception):
    """No OSError: those of a connection are tried again, and this one is for ever."""
