"""Lines that are appended to a log outside of a run, by whoever has locked the operation's row."""

from __future__ import annotations

from django.db.models import Max
from django.utils import timezone

from .models import LogLine
from .states import Stream


def last_number(operation_id: int) -> int:
    """The number of the last line of the log; 0 if there is none. One query by index."""
    found = LogLine.objects.filter(operation_id=operation_id).aggregate(last=Max("number"))["last"]
    return int(found or 0)


def add_line(operation_id: int, text: str, *, stream: Stream = Stream.INFO) -> None:
    """Append a line, with the operation's row locked by the caller."""
    LogLine.objects.create(
        operation_id=operation_id,
        number=last_number(operation_id) + 1,
        at=timezone.now(),
        stream=stream,
        text=text,
    )
