"""A database that was restored waits until somebody says that the old dashboard is off.

Until then nothing is run and the clock does nothing: two dashboards that both believe they run the fleet would undo
each other's work. That word begins a new epoch, after which nodes refuse whatever the old one may still send.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime

from django.db import connection, transaction
from django.http import HttpRequest
from django.utils import timezone

from ffsweb.accounts.models import User
from ffsweb.audit.services import record

from . import fencing
from .contract import FencePair
from .errors import NotPossible
from .models import Fence, Operation

_MARK = """
    INSERT INTO operations_fence (id, epoch, counter, restored_at, restored_of) VALUES (1, %s, 0, %s, %s)
    ON CONFLICT (id) DO UPDATE SET restored_at = EXCLUDED.restored_at, restored_of = EXCLUDED.restored_of
"""


@dataclass(frozen=True, slots=True)
class Restored:
    """When the database was restored, and of what the backup was."""

    at: datetime
    of: str


def restored() -> Restored | None:
    """That somebody has to say a word; None if not. One query."""
    row = Fence.objects.filter(pk=1).first()
    return Restored(row.restored_at, row.restored_of) if row and row.restored_at else None


def waits() -> bool:
    """Whether nothing is to be run. One query."""
    return Fence.objects.filter(pk=1, restored_at__isnull=False).exists()


def mark(of: str) -> None:
    """Let everything wait from now on. Part of the caller's transaction: the one that brings the rows.

    In SQL, because the table may be that of an older version, which is brought up to date after this.
    """
    now = connection.ops.adapt_datetimefield_value(timezone.now())  # as the column has it, so that it can be compared
    with connection.cursor() as cursor:
        cursor.execute(_MARK, [int(time.time()), now, of[:200]])


def confirm(seen: datetime, *, actor: User | None, request: HttpRequest | None = None) -> FencePair:
    """The old dashboard is off: begin a higher epoch, and let everything go on. Audited.

    ``seen`` is when it was restored, as it was shown to whoever says so: of two words one counts, and none counts for
    another restore. What ran at the time of the backup is taken over like the work of a worker that vanished. Raises
    NotPossible.
    """
    with transaction.atomic():
        mine = Fence.objects.filter(pk=1, restored_at=seen)
        if not mine.update(restored_at=None, restored_of=""):
            msg = "Nothing waits for this word any more: somebody was faster, or it was restored again. Look again."
            raise NotPossible(msg)
        pair = fencing.new_epoch()
        detail = {"epoch": pair.epoch, "restored_at": seen.isoformat(), "goes_on": Operation.objects.active().count()}
        record(
            actor=actor, action="system.restored", target="the old dashboard is off", detail=detail, request=request
        )
    return pair
