"""A mail a day of what is open, for those who want one: a person, of their projects; a project, for its listed
addresses. At the chosen hour (UTC), or as soon as the dashboard runs again on that day; not if nothing is open.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime

from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from ffsweb.accounts.models import Project

from .letter import Letter
from .models import Digest, ListedAddress
from .outbox import queue
from .recipients import MAILED

KIND = "digest"
_SENTENCES = 20


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that is open: ``label`` is what it is about, ``text`` what is open about it, on one line."""

    project: Project
    label: str
    text: str


Source = Callable[[Collection[Project]], Iterable[Item]]
sources: list[Source] = []
"""What is open in projects, the worst first, as each application sees it: their ``ready()`` adds to it."""


def send_due(now: datetime) -> int:
    """Put the digests that are due into the outbox; how many that were. One query if none is.

    Each is written in one transaction with the note that its day is done, by compare-and-swap: of two workers one
    writes it, and what breaks in between is written at the next tick.
    """
    today = now.astimezone(UTC).date()
    due = Digest.objects.filter(hour__lte=now.astimezone(UTC).hour).filter(Q(done=None) | Q(done__lt=today))
    count = 0
    for row in due.select_related("user", "project"):
        with transaction.atomic():
            if Digest.objects.filter(pk=row.pk, done=row.done, hour=row.hour).update(done=today):
                count += _write(row, today)
    return count


def _write(row: Digest, today: date) -> bool:
    """Whether there was somebody to tell, and something."""
    if row.user is not None:
        to = [row.user.email] if row.user.email and row.user.is_active else []
        mine = Project.objects.filter(memberships__user=row.user, memberships__role__in=MAILED)
        projects = list(mine.order_by("name"))
    else:
        to = list(ListedAddress.objects.filter(project=row.project).values_list("address", flat=True))
        projects = [row.project] if row.project else []
    items = [item for source in sources for item in source(projects)] if to and projects else []
    if not items:
        return False
    whose = f"user:{row.user_id}" if row.user_id else f"project:{row.project_id}"
    chosen = "" if row.project else reverse("notify:digest")
    queue(_letter(row, items), to=to, key=f"digest:{whose}:{today}", kind=KIND, project=row.project, chosen=chosen)
    return True


def _letter(row: Digest, items: list[Item]) -> Letter:
    by_project: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        by_project[item.project.name].append(item)
    number = f"{len(items)} thing{' is' if len(items) == 1 else 's are'} open"
    whose = row.project.name if row.project else "ffsweb"
    lines = [f"{name}: {len(of_it)} open." for name, of_it in sorted(by_project.items())]
    facts = [
        (item.label if row.project else f"{name}: {item.label}", item.text)
        for name, of_it in sorted(by_project.items())
        for item in of_it
    ]
    return Letter(
        subject=f"{whose}: {number}",
        happened="\n".join(["What is open today, and was mailed when it began:", *lines[:_SENTENCES]]),
        facts=tuple(facts),
        todo="Look at each on its page. Who looks after something says so there; then nobody else has to.",
        path=reverse("certificates:alerts", args=[row.project.name]) if row.project else "/",
    )
