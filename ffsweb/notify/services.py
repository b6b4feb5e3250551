"""What people change about mail; each change is audited."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from ffsweb.accounts.models import Project, User
from ffsweb.audit.services import record
from ffsweb.sealed import Secret
from ffsweb.web.keys import worker_sealer

from .backoff import PATIENCE
from .letter import Letter
from .models import Digest, ListedAddress, MailServer, Message, Muted
from .outbox import queue
from .tasks import send_soon

MOST_ADDRESSES = 20


class NotPossible(Exception):
    """Nothing was changed; the text says why."""


@transaction.atomic
def save_server(*, actor: User, fields: dict[str, Any], request: HttpRequest | None = None) -> None:
    """Store what :class:`~ffsweb.notify.forms.MailServerForm` checked; what waits for the server is tried at once."""
    row = MailServer.objects.select_for_update().filter(pk=1).first() or MailServer(pk=1)
    place = row.context
    for name in ("host", "port", "tls", "user", "sender", "base_url"):
        setattr(row, name, fields[name])
    if not row.user or (row.context != place and not fields["password"]):
        row.sealed_password = None
    elif fields["password"]:
        row.sealed_password = worker_sealer().seal(Secret(fields["password"]), row.context)
    row.save()
    Message.objects.queued().filter(waits_for_server=True).update(next_at=timezone.now())
    detail = {name: fields[name] for name in ("port", "tls", "user", "sender", "base_url")}
    detail["password"] = "changed" if fields["password"] else "as it was"
    record(actor=actor, action="mail.server", target=row.host, detail=detail, request=request)
    send_soon()


@transaction.atomic
def remove_server(*, actor: User, request: HttpRequest | None = None) -> None:
    """Forget the server and its password; that of the environment counts again, if there is one."""
    row = MailServer.objects.select_for_update().filter(pk=1).first()
    if row is not None:
        record(actor=actor, action="mail.server-remove", target=row.host, request=request)
        row.delete()


@transaction.atomic
def send_test(*, actor: User, request: HttpRequest | None = None) -> None:
    """Mail something to ``actor``, at once. Raises NotPossible if they have no address."""
    if not actor.email:
        raise NotPossible("Your account has no e-mail address. Enter one on the page of your account first.")
    letter = Letter(
        subject="A test mail",
        happened=f"{actor.username} asked for this mail on the page System, Mail. Mail arrives.",
        todo="Nothing.",
        path="/system/mail/",
    )
    queue(letter, to=[actor.email], key=f"test:{uuid.uuid4().hex}", kind="test")
    record(actor=actor, action="mail.test", target=actor.email, request=request)
    send_soon()


@transaction.atomic
def again(message: Message, *, actor: User, request: HttpRequest | None = None) -> None:
    """Try a mail that was not sent again now, and for another week. Raises NotPossible if it was sent."""
    now = timezone.now()
    tried = Message.objects.filter(pk=message.pk).exclude(state=Message.State.SENT)
    if not tried.update(state=Message.State.QUEUED, next_at=now, give_up_at=now + PATIENCE, attempts=0):
        raise NotPossible("It was sent meanwhile.")
    record(actor=actor, action="mail.again", target=message.subject, detail={"message": message.pk}, request=request)
    send_soon()


@transaction.atomic
def list_address(project: Project, address: str, *, actor: User, request: HttpRequest | None = None) -> None:
    """Send a project's mail to ``address`` too; one that is listed already stays. Raises NotPossible beyond 20."""
    Project.objects.select_for_update().get(pk=project.pk)
    listed = ListedAddress.objects.filter(project=project)
    if listed.filter(address__iexact=address).exists():
        return
    if listed.count() >= MOST_ADDRESSES:
        raise NotPossible(f"There are {MOST_ADDRESSES} addresses already. Use a mailing list.")
    ListedAddress.objects.create(project=project, address=address)
    record(actor=actor, action="notify.address-add", project=project, target=address, request=request)


@transaction.atomic
def unlist_address(row: ListedAddress, *, actor: User, request: HttpRequest | None = None) -> None:
    """Send nothing more to a listed address."""
    record(actor=actor, action="notify.address-remove", project=row.project, target=row.address, request=request)
    row.delete()


@transaction.atomic
def choose(
    project: Project,
    user: User,
    wanted: Collection[str],
    *,
    known: Collection[str],
    actor: User,
    request: HttpRequest | None = None,
) -> None:
    """Of the ``known`` kinds, mail ``user`` the ``wanted`` ones and no other; the same again is nothing."""
    Project.objects.select_for_update().get(pk=project.pk)
    rows = Muted.objects.filter(project=project, user=user, kind__in=known)
    before = set(rows.values_list("kind", flat=True))
    after = set(known) - set(wanted)
    if before == after:
        return
    rows.filter(kind__in=before - after).delete()
    Muted.objects.bulk_create(Muted(project=project, user=user, kind=kind) for kind in sorted(after - before))
    detail = {"off": sorted(after)}
    record(actor=actor, action="notify.choice", project=project, target=user.username, detail=detail, request=request)


@transaction.atomic
def choose_digest(
    hour: int | None,
    *,
    actor: User,
    project: Project | None = None,
    request: HttpRequest | None = None,
) -> None:
    """Mail ``actor``, or the listed addresses of ``project``, what is open each day at ``hour`` (0 to 23, UTC); None:
    no more. Whose hour is over today gets the first one tomorrow."""
    whose = {"project": project} if project else {"user": actor}
    now = timezone.now()
    done = now.date() if hour is not None and hour <= now.hour else None
    if hour is None:
        Digest.objects.filter(**whose).delete()
    else:
        first = {"hour": hour, "done": done}
        Digest.objects.update_or_create(**whose, defaults={"hour": hour}, create_defaults=first)
    target = project.name if project else actor.username
    detail = {"hour": "none" if hour is None else f"{hour}:00 UTC"}
    record(actor=actor, action="notify.digest", project=project, target=target, detail=detail, request=request)
