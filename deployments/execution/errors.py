"""What may go wrong between the dashboard and a node; every text is for the operator."""

from __future__ import annotations

from deployments.core.facts import FactsError
from deployments.core.node_events import AnswerError
from ffsweb.remote import Interrupted, RemoteError
from ffsweb.sealed import CannotOpen

NODE_ERRORS = (RemoteError, AnswerError, FactsError, CannotOpen)
"""What a conversation with a node raises. ``Interrupted`` is among them: ask ``context.checkpoint()`` first."""

__all__ = ["NODE_ERRORS", "Interrupted"]
