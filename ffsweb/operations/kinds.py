"""Which function runs which kind of operation; filled by the applications' ``ready()``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .contract import Outcome
from .errors import UnknownKind

if TYPE_CHECKING:
    from .context import Context

__all__ = ["Outcome", "get", "register", "registered"]

Run = Callable[["Context"], Outcome]
_kinds: dict[str, Run] = {}


def register(kind: str, run: Run) -> None:
    """Make ``run`` the function for ``kind``. Registering another function for it is an error (ValueError)."""
    if _kinds.setdefault(kind, run) is not run:
        msg = f"the kind {kind!r} has a function already"
        raise ValueError(msg)


def get(kind: str) -> Run:
    """The function for ``kind``; raises UnknownKind."""
    if kind not in _kinds:
        msg = f"This installation has nothing that can run “{kind}”. Was it made by a newer version?"
        raise UnknownKind(msg)
    return _kinds[kind]


def registered() -> tuple[str, ...]:
    """All known kinds, sorted."""
    return tuple(sorted(_kinds))
