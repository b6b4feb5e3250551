"""The audit log as CSV (RFC 4180), safe to open in a spreadsheet."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator

from .models import AuditEvent

COLUMNS = ("sequence", "at", "actor", "action", "project", "target", "detail", "source", "previous_hash", "hash")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def rows(events: Iterable[AuditEvent]) -> Iterator[str]:
    """One line of CSV after the other, beginning with the names of the columns."""
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for event in events:
        yield writer.writerow([guarded(cell) for cell in _cells(event)])


def guarded(cell: str) -> str:
    """``cell`` so that no spreadsheet takes it for a formula: an apostrophe goes before such a start."""
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def _cells(event: AuditEvent) -> list[str]:
    return [
        str(event.sequence),
        event.at.isoformat(timespec="microseconds"),
        event.actor_name,
        event.action,
        event.project_name,
        event.target,
        event.detail_json,
        event.source,
        event.previous_hash,
        event.hash,
    ]
