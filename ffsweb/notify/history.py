"""The mails that were written about a project, each once, whoever got it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from ffsweb.accounts.models import Project

from .models import Message

_ROWS = 200
_WORDS = {Message.State.SENT: "sent to", Message.State.QUEUED: "waiting for", Message.State.GIVEN_UP: "given up for"}


@dataclass(frozen=True, slots=True)
class Mailed:
    """One mail as all got it; ``words`` say to how many it was sent, without their addresses."""

    subject: str
    at: datetime
    words: str


def history(project: Project, kinds: Collection[str], *, most: int = 20) -> list[Mailed]:
    """The last mails of ``kinds``, the newest first. One query."""
    rows = Message.objects.filter(project=project, kind__in=kinds).order_by("-pk")[:_ROWS]
    subjects: dict[str, tuple[str, datetime]] = {}
    states: dict[str, Counter[str]] = {}
    for key, subject, at, state in rows.values_list("key", "subject", "created_at", "state"):
        subjects.setdefault(key, (subject, at))
        states.setdefault(key, Counter())[state] += 1
    return [Mailed(*subjects[key], _words(states[key])) for key in list(subjects)[:most]]


def _words(states: Counter[str]) -> str:
    return ", ".join(
        f"{word} {states[state]} address{'' if states[state] == 1 else 'es'}"
        for state, word in _WORDS.items()
        if states[state]
    )
