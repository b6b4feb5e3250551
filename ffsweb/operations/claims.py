"""Claiming an operation by compare-and-swap, and keeping the claim."""

from __future__ import annotations

import os
import socket
import threading
import uuid
from dataclasses import dataclass
from datetime import timedelta

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Coalesce, Now

from . import fencing, restored, tallies
from .contract import Claim
from .limits import lease_seconds
from .models import Operation, OperationQuerySet
from .states import State


@dataclass(frozen=True, slots=True)
class Watched:
    """What a running operation has to know of its row. ``ours``: the claim still counts."""

    ours: bool
    cancel_requested: bool


def holder_name() -> str:
    """A name for one claim, unique, that tells an operator which machine, process and thread it was."""
    return f"{socket.gethostname()[:48]}:{os.getpid()}:{threading.get_ident()}:{uuid.uuid4().hex[:12]}"


def claim(operation_id: int, *, holder: str) -> Claim | None:
    """Take the operation, or None if another has it, it has ended, or it is not due. One transaction.

    None as well while a restored database waits for its word. Of any number of claims at once, one wins. Each win has
    a higher fencing pair than all claims before it.
    """
    candidates = Operation.objects.filter(pk=operation_id).claimable()
    if not candidates.exists() or restored.waits():
        return None
    with transaction.atomic():
        before = candidates.select_for_update().first()
        if before is None:
            return None
        fence = fencing.next_pair()
        won = candidates.filter(state=before.state, fence_counter=before.fence_counter).update(
            state=State.RUNNING,
            lease_holder=holder,
            lease_until=Now() + timedelta(seconds=lease_seconds()),
            fence_epoch=fence.epoch,
            fence_counter=fence.counter,
            attempt=F("attempt") + 1,
            takeovers=F("takeovers") + (1 if before.state == State.RUNNING else 0),
            started_at=Coalesce("started_at", Now()),
            resume_at=None,
            parked_reason="",
            revision=F("revision") + 1,
        )
        if won != 1:  # another database than the two supported ones, or a row changed by hand
            transaction.set_rollback(True)
            return None
        if before.state == State.RUNNING:
            tallies.count_takeover(before.kind)
    return Claim(operation_id, holder, fence, before.attempt + 1, took_over=before.state == State.RUNNING)


def _held(held: Claim) -> OperationQuerySet:
    return Operation.objects.filter(
        pk=held.operation_id,
        state=State.RUNNING,
        lease_holder=held.holder,
        fence_epoch=held.fence.epoch,
        fence_counter=held.fence.counter,
    )


def renew(held: Claim) -> bool:
    """Begin the lease anew; False if the claim counts no more. One query."""
    until = Now() + timedelta(seconds=lease_seconds())
    return _held(held).update(lease_until=until) == 1


def watch(held: Claim) -> Watched:
    """Whether the claim still counts, and whether somebody cancelled. One query."""
    row = _held(held).values_list("cancel_requested_at").first()
    return Watched(ours=row is not None, cancel_requested=bool(row and row[0]))


def lock(held: Claim) -> Operation | None:
    """The operation's row, locked until the transaction ends; None if the claim counts no more."""
    return _held(held).select_for_update().first()
