"""The keys on nodes are looked at from time to time: what somebody else added or took away is seen within hours."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils import timezone

from deployments.core import access
from deployments.core.node_events import AnswerError
from deployments.execution.connection import NodeLogin
from deployments.execution.errors import NODE_ERRORS
from deployments.execution.node_keys import read_keys
from deployments.execution.node_program import NodeProgram
from deployments.execution.rotate_ssh import UPGRADE
from deployments.models import HostKey, Node, NodeAccess
from deployments.models.access_key import LOOK_EVERY, keep_reading
from ffsweb.operations.models import Hold

if TYPE_CHECKING:
    from deployments.core.access import Held

AT_ONCE = 8
AT_MOST = 40


def look_at_due() -> int:
    """Look at the nodes that nobody has looked at for a while and that answer; how many."""
    since = timezone.now() - LOOK_EVERY
    never = Q(access=None) | Q(access__read_at=None, access__tried_at__lt=since)
    due = Node.objects.filter(never | Q(access__read_at__lt=since, access__tried_at__lt=since))
    due = due.filter(host_keys__kind=HostKey.Kind.PINNED, readings__error="").distinct()
    held = set(Hold.objects.values_list("resource", flat=True))
    chosen = [node for node in due.prefetch_related("host_keys")[:AT_MOST] if node.resource not in held]
    if not chosen:
        return 0
    logins = [NodeLogin(node) for node in chosen]
    with ThreadPoolExecutor(min(AT_ONCE, len(logins)), "looking-at-keys") as pool:
        found = list(pool.map(_look, logins))
    for node, seen in zip(chosen, found, strict=True):
        NodeAccess.objects.update_or_create(node=node, defaults={"tried_at": timezone.now()})
        if isinstance(seen, str):
            NodeAccess.objects.filter(node=node).update(problem=seen)
        else:
            keep_reading(node, seen)
            NodeAccess.objects.filter(node=node).update(problem="")
    return len(chosen)


def _look(login: NodeLogin) -> dict[str, Held] | str:
    stop = threading.Event()
    try:
        with login.connect(stop=stop) as session:
            return read_keys(NodeProgram(session, log=_nowhere, stop=stop))
    except NODE_ERRORS as error:
        old = isinstance(error, AnswerError) and access.too_old(error)
        return UPGRADE if old else str(error)


def _nowhere(_text: str, _stream: str) -> None:
    return
