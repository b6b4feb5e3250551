"""A log line as pages, streams and pieces show it: one renderer for all three."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from .ansi import to_html
from .linetext import plain
from .models import LogLine, OperationTarget

BATCH: Final = 200
BATCH_CHARACTERS: Final = 64_000
"""An event has no more lines than the one, and, if it has several, no more characters than the other."""

COLUMNS = ("number", "at", "target_id", "stream", "text")


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the log, as it is stored."""

    number: int
    at: datetime
    target_id: int | None
    stream: str
    text: str

    @property
    def html(self) -> str:
        """The text with its colours, safe."""
        return to_html(self.text)

    def as_json(self) -> dict[str, Any]:
        """What the browser gets: number, time (ISO 8601, UTC), target, stream, ready HTML."""
        return {
            "n": self.number,
            "at": iso(self.at),
            "t": self.target_id,
            "s": self.stream,
            "h": self.html,
        }

    def encoded(self) -> str:
        """:meth:`as_json`, encoded; without a line break, so that it can be an event's data."""
        return json.dumps(self.as_json(), ensure_ascii=False, separators=(",", ":"))


def rows(operation_id: int, *, after: int, limit: int) -> list[Row]:
    """Up to ``limit`` lines after number ``after``, by number. One query by index."""
    found = LogLine.objects.filter(operation_id=operation_id, number__gt=after).order_by("number")
    return [Row(*values) for values in found.values_list(*COLUMNS)[:limit]]


def plain_rows(operation_id: int, *, after: int, limit: int) -> list[dict[str, Any]]:
    """The same lines for programs: number, time (ISO 8601, UTC), target's label, stream, text. Two queries."""
    found = rows(operation_id, after=after, limit=limit)
    labels = dict(OperationTarget.objects.filter(operation_id=operation_id).values_list("pk", "label"))
    return [
        {
            "number": row.number,
            "at": iso(row.at),
            "target": labels.get(row.target_id or 0, ""),
            "stream": row.stream,
            "text": plain(row.text),
        }
        for row in found
    ]


def plain_batch(operation_id: int, *, after: int) -> tuple[int, bytes] | None:
    """The next of them as one event, as ``batch`` does. Two queries."""
    found = plain_rows(operation_id, after=after, limit=BATCH)
    return batch([(row["number"], json.dumps(row, ensure_ascii=False, separators=(",", ":"))) for row in found])


def iso(at: datetime) -> str:
    """UTC with milliseconds and a Z."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def as_text(lines: Iterable[Row], labels: dict[int, str]) -> str:
    """The lines as plain text: number, time, stream, target (or -), text, separated by single spaces and tabs."""
    return "".join(
        f"{line.number}\t{iso(line.at)}\t{line.stream}\t{labels.get(line.target_id or 0, '-')}\t{plain(line.text)}\n"
        for line in lines
    )


def event(name: str, data: str, *, number: int | None = None) -> bytes:
    """One server-sent event. ``data`` is of one line (WHATWG HTML, server-sent events)."""
    head = f"id: {number}\n" if number is not None else ""
    kind = f"event: {name}\n" if name else ""
    return f"{head}{kind}data: {data}\n\n".encode()


def batch(lines: Iterable[tuple[int, str]]) -> tuple[int, bytes] | None:
    """The first of ``lines`` (number, encoded) as one event, and the last one's number; None if there are none."""
    taken: list[str] = []
    last = size = 0
    for number, encoded in lines:
        size += len(encoded)
        if len(taken) == BATCH or (taken and size > BATCH_CHARACTERS):
            break
        last = number
        taken.append(encoded)
    return (last, lines_event(taken, number=last)) if taken else None


def lines_event(encoded: Sequence[str], *, number: int) -> bytes:
    """Lines as one event: a JSON array of :meth:`Row.as_json`; its id is the last one's number."""
    return event("", f"[{','.join(encoded)}]", number=number)
