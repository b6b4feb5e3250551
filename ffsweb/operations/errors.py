"""What can go wrong in the engine.

::

    OperationError
    ├── Busy            something that is to be held is held by another operation; ask again when that one ended
    ├── UnknownKind     this installation knows no such kind of operation
    ├── NotPossible     the operation is not in a state for what was asked
    └── Stopped         the run ends here; raised inside a kind, which lets it pass
        ├── Cancelled   somebody cancelled the operation
        ├── Parked      it goes on later, from the journal
        └── LeaseLost   another worker has it; nothing that this run writes counts any more
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime


class OperationError(Exception):
    """The root; its text is for the operator."""


class Busy(OperationError):
    """``resource`` is held by operation ``holder_id`` (``holder_title``), asked for by ``actor``, ``since`` (UTC).

    With ``waits`` it is not held, but that operation asked for it earlier and waits. ``before``: how many wait for
    what was asked for. ``reason``: all that in a sentence.
    """

    def __init__(
        self,
        *,
        resource: str,
        label: str,
        holder_id: int,
        holder_title: str,
        actor: str,
        since: datetime,
        waits: bool = False,
        before: int = 0,
    ) -> None:
        self.resource = resource
        self.label = label
        self.holder_id = holder_id
        self.holder_title = holder_title
        self.actor = actor
        self.since = since
        self.waits = waits
        self.before = before
        self.reason = (
            f"{label} is {'awaited' if waits else 'in use'} since {since:%Y-%m-%d %H:%M:%S} UTC by operation "
            f"{holder_id} “{holder_title}”, which {actor} asked for."
        )
        super().__init__(f"{self.reason} Nothing was started. Wait for it to end, or cancel it.")


class UnknownKind(OperationError):
    """No application of this installation has registered the kind."""


class NotPossible(OperationError):
    """The operation's state does not allow it; the text says which state that is."""


class Stopped(OperationError):
    """The run is to end. A kind lets it pass, or cleans up and returns an outcome."""


class Cancelled(Stopped):
    """Somebody cancelled."""


class Parked(Stopped):
    """Goes on in ``seconds`` (0: as soon as a worker is there), because of ``reason``.

    With a ``question`` (its name) it goes on as soon as that is answered; without ``seconds``, only then.
    """

    def __init__(self, reason: str, seconds: float | None = 0.0, question: str = "") -> None:
        self.reason = reason
        self.seconds = None if seconds is None else max(0.0, seconds)
        self.question = question
        super().__init__(reason)


class LeaseLost(Stopped):
    """This run is no longer the one that counts: it must not change anything any more."""

    def __init__(self, text: str = "The lease of this operation was lost: another worker goes on with it.") -> None:
        super().__init__(text)
