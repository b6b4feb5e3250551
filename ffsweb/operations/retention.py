"""Operations that ended long ago are forgotten, with their steps and logs. What they did stays in the audit log."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from django.utils import timezone

from .models import LogLine, Operation

if TYPE_CHECKING:
    from collections.abc import Collection

    from ffsweb.accounts.models import Project

AT_ONCE = 200
"""Operations forgotten in one go of one project: the next tick goes on."""
LINES = 5000
"""Lines of a log removed in one transaction, so that nobody waits long for the database."""


def forget(project: Project, *, age: timedelta, least: int, spared: Collection[int]) -> list[int]:
    """Forget what ended longer than ``age`` ago, but for the last ``least`` operations and ``spared``; their numbers.

    One that has not ended stays, however old it is.
    """
    rows = Operation.objects.filter(project=project)
    newest = list(rows.order_by("-pk").values_list("pk", flat=True)[:least])
    old = rows.filter(finished_at__lt=timezone.now() - age).exclude(pk__in=rows.active().values("pk"))
    kept = {*newest, *spared}
    doomed = [pk for pk in old.order_by("pk").values_list("pk", flat=True) if pk not in kept][:AT_ONCE]
    for pk in doomed:
        while lines := list(LogLine.objects.filter(operation_id=pk).values_list("pk", flat=True)[:LINES]):
            LogLine.objects.filter(pk__in=lines).delete()
        Operation.objects.filter(pk=pk).delete()
    return doomed
