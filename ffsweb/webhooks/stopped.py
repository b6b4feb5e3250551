"""An endpoint that takes nothing is switched off, and those who can mend it are mailed."""

from __future__ import annotations

from datetime import datetime

from django.urls import reverse

from ffsweb.notify.kinds import Kind
from ffsweb.notify.letter import Letter, one_line
from ffsweb.notify.outbox import queue
from ffsweb.notify.recipients import administrators, recipients

from .models import Delivery, Endpoint

KIND = Kind(
    "webhook",
    "A webhook was switched off",
    "Its receiver took nothing for days, or said that it is gone. Once.",
)


def stop(endpoint: Endpoint, why: str, now: datetime) -> None:
    """Send nothing more to ``endpoint``, inside the caller's transaction; of two workers one tells."""
    if not Endpoint.objects.filter(pk=endpoint.pk, stopped="").update(stopped=one_line(why, 300)):
        return
    give_up(endpoint, "The webhook was switched off.")
    project = endpoint.project
    page = page_of(endpoint)
    letter = Letter(
        subject=f"{project.name if project else 'ffsweb'}: a webhook was switched off",
        happened=f"Nothing is sent to {endpoint} any more. {why}",
        facts=(("Address", str(endpoint)), ("Switched off at", f"{now:%Y-%m-%d %H:%M:%S} UTC")),
        todo="Mend the receiver, then switch the webhook on again on its page. There what was not taken can be sent "
        "again.",
        path=page,
    )
    to = recipients(project, KIND.name) if project else administrators()
    key = f"webhook:{endpoint.pk}:{now:%Y-%m-%dT%H:%M:%S}"
    queue(letter, to=to, key=key, kind=KIND.name, project=project, chosen="" if project else page)


def give_up(endpoint: Endpoint, why: str) -> None:
    """What waits for ``endpoint`` waits no more."""
    waiting = Delivery.objects.queued().filter(endpoint=endpoint)
    waiting.update(state=Delivery.State.GIVEN_UP, last_error=why, claim="", claimed_until=None)


def page_of(endpoint: Endpoint) -> str:
    """The path of its page."""
    if endpoint.project:
        return reverse("webhooks:one", args=[endpoint.project.name, endpoint.pk])
    return reverse("webhooks:system_one", args=[endpoint.pk])
