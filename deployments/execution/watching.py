"""After each reading: whether services and node are in trouble, or no longer, and the mail that tells of it once.

The decision is pure (:mod:`deployments.core.trouble`). Row and mail are written in one transaction, by
compare-and-swap, so of two readings at once one tells.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import structlog
from django.db import transaction

from deployments.core.episodes import Episode
from deployments.core.trouble import NODE, Watch, judge
from deployments.execution import trouble_mail
from deployments.models import HostKey, Node, Reading, Service
from ffsweb.notify.letter import one_line
from ffsweb.operations.models import Hold

if TYPE_CHECKING:
    from datetime import datetime

    from deployments.core.facts import NodeFacts
    from deployments.core.facts_values import ServiceFacts

logger = structlog.get_logger(__name__)


def watch(node_id: int, at: datetime, facts: NodeFacts | None, problem: str) -> None:
    """Take a stored reading into account: ``facts``, or ``problem``, which is why the node could not be read; neither
    of them, if it answered and cannot be understood. A reading that a newer one has overtaken counts for nothing.

    What an operation holds is not judged. About six queries, and two and the mail's for each change.
    """
    node = Node.objects.select_related("project").filter(pk=node_id).first()
    if node is None or Reading.objects.filter(node_id=node_id, taken_at__gt=at).exists():
        return
    before = Reading.objects.filter(node_id=node_id, taken_at__lt=at).values_list("taken_at", flat=True).first()
    last = before.timestamp() if before else None
    services = list(
        Service.objects.select_related("project", "node", "live_release").filter(node_id=node_id)
        if facts is not None
        else ()
    )
    wanted = [node.resource, *(service.resource for service in services)]
    held = set(Hold.objects.filter(resource__in=wanted).values_list("resource", flat=True))
    whole = node.resource in held
    _node(node, one_line(problem, 500), at.timestamp(), last, held=whole)
    for service in services:
        found = facts.service(service.name) if facts is not None else None
        _service(service, found, at.timestamp(), last, held=whole or service.resource in held)


def _node(node: Node, problem: str, at: float, last: float | None, *, held: bool) -> None:
    before = _episode(node)
    if held:
        after = before.unseen()
    else:
        after = before.next(problem, at, last=last, patience=NODE)
    if before.since is None and after.since is not None and not _was_contacted(node):
        return  # a machine that is still to be installed
    new = node.after(after, {"bad_since": after.bad_since, "well_since": after.well_since})
    _store(node, new, before, after, at)


def _service(service: Service, facts: ServiceFacts | None, at: float, last: float | None, *, held: bool) -> None:
    remembered = Watch.from_json(service.watch)
    stopped = service.stopped_at
    running = facts is not None and facts.active == "active"
    if facts is None or service.live_release is None or not facts.deployed or facts.pending or held:
        after = remembered.unseen()
    elif stopped is not None and not running:
        after = Watch()  # an operator stopped it, which ends its trouble; that is no recovery to be told of
    else:
        after, stopped = judge(remembered, facts, live=service.live_release.number, at=at, last=last), None
    new = service.after(after.episode, after.as_json(), stopped_at=stopped)
    before = remembered.episode if stopped is None else after.episode
    _store(service, new, before, after.episode, at)


def _store(row: Node | Service, new: dict[str, Any], before: Episode, after: Episode, at: float) -> None:
    """Write what changed, and the mail of it."""
    if not new:
        return
    with transaction.atomic():
        if row.swap(new):
            _tell(row, before, after, at)


def _tell(row: Node | Service, before: Episode, after: Episode, at: float) -> None:
    if before.since is None and after.since is not None:
        logger.warning("trouble_begins", row=str(row), reason=after.reason)
        trouble_mail.begins(row)
    elif before.since is not None and after.since is None:
        logger.info("trouble_ends", row=str(row), reason=before.reason)
        trouble_mail.ends(row, before, at)


def _episode(node: Node) -> Episode:
    return Episode(
        node.trouble_since.timestamp() if node.trouble_since else None,
        node.trouble,
        node.watch.get("bad_since"),
        node.watch.get("well_since"),
    )


def _was_contacted(node: Node) -> bool:
    return node.host_keys.filter(kind=HostKey.Kind.PINNED).exists()
