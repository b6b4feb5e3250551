"""What people change about webhooks; each change is audited, by the address without its path."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from datetime import timedelta

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from ffsweb.accounts.models import Project, User
from ffsweb.audit.services import record
from ffsweb.notify.backoff import PATIENCE
from ffsweb.sealed import Secret
from ffsweb.web.keys import worker_sealer

from .models import Delivery, Endpoint
from .outbox import write_test
from .signing import new_secret
from .stopped import give_up
from .tasks import send_soon

MOST = 20
"""Endpoints of one project, and of the installation."""
OVERLAP = timedelta(hours=24)
"""For how long the old secret signs beside a new one."""


class NotPossible(Exception):
    """Nothing was changed; the text says why."""


@transaction.atomic
def add(
    *, actor: User, project: Project | None, url: str, events: Collection[str], request: HttpRequest | None = None
) -> tuple[Endpoint, Secret]:
    """A new endpoint and its secret, which is shown now and never again. Raises NotPossible beyond ``MOST``."""
    if project:
        Project.objects.select_for_update().get(pk=project.pk)
    if Endpoint.objects.of(project).count() >= MOST:
        raise NotPossible(f"There are {MOST} webhooks already. Remove one that is not needed.")
    secret = new_secret()
    row = Endpoint(project=project, url=url, events=sorted(events))
    row.sealed_secret = worker_sealer().seal(secret, row.context)
    row.save()
    _record(row, "webhook.add", actor, request, events=row.events)
    return row, secret


@transaction.atomic
def change(
    row: Endpoint, *, actor: User, url: str, events: Collection[str], request: HttpRequest | None = None
) -> None:
    """Another address, or other events."""
    moved = row.url != url
    row.url, row.events = url, sorted(events)
    row.save(update_fields=["url", "events"])
    _record(row, "webhook.change", actor, request, events=row.events, address="changed" if moved else "as it was")


@transaction.atomic
def rotate(row: Endpoint, *, actor: User, request: HttpRequest | None = None) -> Secret:
    """A new secret, shown now and never again; the old one signs too for ``OVERLAP``."""
    row = Endpoint.objects.select_for_update(of=("self",)).select_related("project").get(pk=row.pk)
    secret = new_secret()
    row.sealed_old_secret, row.old_until = row.sealed_secret, timezone.now() + OVERLAP
    row.sealed_secret = worker_sealer().seal(secret, row.context)
    row.save(update_fields=["sealed_secret", "sealed_old_secret", "old_until"])
    _record(row, "webhook.rotate", actor, request)
    return secret


@transaction.atomic
def forget_old_secret(row: Endpoint, *, actor: User, request: HttpRequest | None = None) -> None:
    """Let the old secret sign no more: it may be known to others."""
    Endpoint.objects.filter(pk=row.pk).update(sealed_old_secret=None, old_until=None)
    _record(row, "webhook.forget-old", actor, request)


@transaction.atomic
def switch_off(row: Endpoint, *, actor: User, request: HttpRequest | None = None) -> None:
    """Send nothing more; what waits is given up, and may be sent again later."""
    if Endpoint.objects.filter(pk=row.pk, stopped="").update(stopped=f"Switched off by {actor.username}."):
        give_up(row, "The webhook was switched off.")
    _record(row, "webhook.off", actor, request)


@transaction.atomic
def switch_on(row: Endpoint, *, actor: User, request: HttpRequest | None = None) -> None:
    """Send what happens from now on."""
    Endpoint.objects.filter(pk=row.pk).update(stopped="", failing_since=None)
    _record(row, "webhook.on", actor, request)


@transaction.atomic
def remove(row: Endpoint, *, actor: User, request: HttpRequest | None = None) -> None:
    """Forget it, its secret and its deliveries."""
    _record(row, "webhook.remove", actor, request)
    row.delete()


@transaction.atomic
def test(row: Endpoint, *, actor: User, request: HttpRequest | None = None) -> None:
    """Post something at once. Raises NotPossible if it is switched off."""
    if row.stopped:
        raise NotPossible("It is switched off. Switch it on first.")
    write_test(row, by=actor.username, key=f"test:{uuid.uuid4().hex}")
    _record(row, "webhook.test", actor, request)
    send_soon()


@transaction.atomic
def again(delivery: Delivery, *, actor: User, request: HttpRequest | None = None) -> None:
    """Post something once more, now, under its old webhook-id. Raises NotPossible."""
    if delivery.endpoint.stopped:
        raise NotPossible("The webhook is switched off. Switch it on first.")
    now = timezone.now()
    rows = Delivery.objects.filter(pk=delivery.pk, claimed_until=None)
    if not rows.update(state=Delivery.State.QUEUED, next_at=now, give_up_at=now + PATIENCE, attempts=0):
        raise NotPossible("It is being sent at this moment.")
    _record(delivery.endpoint, "webhook.again", actor, request, event=delivery.event, delivery=delivery.pk)
    send_soon()


def _record(row: Endpoint, action: str, actor: User, request: HttpRequest | None, **detail: object) -> None:
    record(actor=actor, action=action, project=row.project, target=str(row), detail=detail, request=request)
