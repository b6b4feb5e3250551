"""A mail a day of what is open, for those who want one: a person, of their projects; a project, for its listed
addresses. At the chosen hour (UTC), or as soon as the dashboard runs again on that day; not if nothing is open.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from django.db import transaction
from django.db.models import Q
from django.urls import reverse

from ffsweb.accounts.models import Membership, Project

from .letter import Letter
from .models import Digest, ListedAddress, Message
from .outbox import queue
from .recipients import MAILED

KIND = "digest"
OF_USER = "digest:user:"
"""What the keys of mails to persons begin with."""
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


def gone_by(message: Message, now: datetime) -> str:
    """Why a person's digest that waited is not sent any more, "" if it is. One query.

    What was open yesterday is told by the mail of today, and to those alone who are still told of a project.
    """
    if now - message.created_at > timedelta(days=1):
        return "It is more than a day old, and there is one of each day."
    user = message.key.removeprefix(OF_USER).partition(":")[0]
    told = Membership.objects.filter(
        role__in=MAILED, user=int(user), user__is_active=True, user__email__iexact=message.address
    )
    return "" if told.exists() else f"{message.address} belongs to nobody who is told of a project any more."


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
    whose = f"{OF_USER}{row.user_id}" if row.user_id else f"digest:project:{row.project_id}"
    chosen = "" if row.project else reverse("notify:digest")
    queue(_letter(row, items), to=to, key=f"{whose}:{today}", kind=KIND, project=row.project, chosen=chosen)
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
