"""That nobody looked at certificates for long is told when somebody looks again: who is away cannot say so."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import transaction
from django.urls import reverse

from certificates.models import Certificate, Looked
from ffsweb.accounts.models import Project
from ffsweb.notify import kinds
from ffsweb.notify.letter import Letter
from ffsweb.notify.outbox import queue
from ffsweb.notify.recipients import recipients
from ffsweb.web.measures import span_in_words

LONG = timedelta(days=1)
KIND = kinds.Kind(
    "certificate-gap",
    "Certificates were not looked at for a day",
    "The dashboard, or its clock (beat), did not run: nothing was looked at and nothing was mailed. Once, when it "
    "runs again.",
)


def note(now: datetime) -> None:
    """Note that it is looked now; mail each project with certificates of a gap before it. Two queries without one.

    One transaction: of two workers one tells, and what breaks in between is told by the next look.
    """
    with transaction.atomic():
        gap = Looked.now(now)
        if gap < LONG:
            return
        owners = Certificate.objects.values("project")
        for project in Project.objects.filter(pk__in=owners):
            queue(
                _letter(project, now - gap, now),
                to=recipients(project, KIND.name),
                key=f"certificate-gap:{project.pk}:{_moment(now - gap)}",
                kind=KIND.name,
                project=project,
            )


def _letter(project: Project, since: datetime, now: datetime) -> Letter:
    return Letter(
        subject=f"{project.name}: certificates were not looked at for {span_in_words(now - since)}",
        happened="The dashboard did not look at certificates for a while. It looks again now, and what nears its end "
        "or is wrong by now is mailed separately.",
        facts=(("Last look", _moment(since)), ("Looks again since", _moment(now))),
        todo="Find out why the dashboard or its clock (ffs beat) did not run. Let something outside watch that "
        "they run: what does not run cannot tell of it.",
        path=reverse("certificates:alerts", args=[project.name]),
    )


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
