"""What may go wrong between the dashboard and a node; every text is for the operator.

::

    OperationError      (of the engine)
    ├── TargetFailed    a service cannot have the release, or did not take it
    │   └── Offline     its node could not be reached
    └── Gone            what the operation was to work on was removed meanwhile
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING

from deployments.core.facts import FactsError
from deployments.core.node_events import AnswerError
from ffsweb.operations.contract import Outcome
from ffsweb.operations.errors import OperationError
from ffsweb.operations.states import State
from ffsweb.remote import Interrupted, RemoteError
from ffsweb.sealed import CannotOpen

if TYPE_CHECKING:
    from ffsweb.operations.context import Context

NODE_ERRORS = (RemoteError, AnswerError, FactsError, CannotOpen)
"""What a conversation with a node raises. ``Interrupted`` is among them: ask ``context.checkpoint()`` first."""

__all__ = ["NODE_ERRORS", "Gone", "Interrupted", "Offline", "TargetFailed", "told"]


class TargetFailed(OperationError):
    """This service cannot have the release, or did not take it."""


class Offline(TargetFailed):
    """The service's node could not be reached, so nothing was asked of it."""


class Gone(OperationError):
    """What the operation was to work on was removed meanwhile."""


def told(run: Callable[[Context], Outcome]) -> Callable[[Context], Outcome]:
    """A kind of operation that ends with the reason when its rows are gone or what is sealed does not open."""

    @wraps(run)
    def runs(context: Context) -> Outcome:
        try:
            return run(context)
        except (Gone, CannotOpen) as error:
            context.log(str(error), stream="error")
            return Outcome(State.FAILED, str(error))

    return runs
