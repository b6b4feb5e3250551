"""Whether a database error means that the database could not be asked, so that the same may be asked again."""

from __future__ import annotations

from typing import Final

from django.db import InterfaceError, InternalError, OperationalError

_SESSION_ENDED: Final = "25P03"
"""idle_in_transaction_session_timeout (PostgreSQL, Appendix A): this process was frozen within a transaction."""


def is_away(error: BaseException) -> bool:
    """Whether the database was away, or ended this session: what was not committed is undone, and a new one may do.

    Whoever asks again closes the connection first.
    """
    if isinstance(error, InternalError):
        return getattr(error.__cause__, "sqlstate", "") == _SESSION_ENDED
    return isinstance(error, OperationalError | InterfaceError)
