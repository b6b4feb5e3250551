"""Systemd is told to forget the restarts of a service that has been well again for ten minutes.

With each restart it waits longer before the next one, and it never counts down by itself: a service that crashed five
times in a year would wait a minute for the sixth start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from deployments.core.node_commands import reset_restarts
from deployments.core.node_events import AnswerError
from deployments.core.trouble import is_quiet
from ffsweb.remote import RemoteError

if TYPE_CHECKING:
    from deployments.core.facts import NodeFacts
    from deployments.execution.node_program import NodeProgram

logger = structlog.get_logger(__name__)
VERB = "reset-restarts"
MOST = 10**6
"""Restarts that are counted of a service; a node that tells of more is wrong."""


def forget(program: NodeProgram, facts: NodeFacts) -> dict[str, int]:
    """Reset what may be reset on a node that was just read; how many restarts were forgotten, by the service's name.

    Nothing is asked of a node whose ffs-node does not say that it can. Raises nothing: what cannot be reset now can
    be the next time. No database; a round trip for each service that was restarted.
    """
    forgotten: dict[str, int] = {}
    if VERB not in facts.verbs:
        return forgotten
    for service in facts.services.values():
        if not is_quiet(service, time=facts.time):
            continue
        try:
            answer = program.ask(reset_restarts(service.name))
        except (AnswerError, RemoteError) as error:
            logger.info("restarts_not_reset", service=service.name, reason=str(error))
            continue
        forgotten[service.name] = _count(answer.fields.get("restarts"), service.restarts)
    return forgotten


def _count(told: object, read: int) -> int:
    """What the node says, or what was read just before; within what a column takes."""
    if not isinstance(told, int) or isinstance(told, bool) or told < 0:
        return min(read, MOST)
    return min(told, MOST)
