"""Writing to the audit log, and checking it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from ffsweb.web.client import address_of

from .chain import GENESIS, Entry, Stored, Verdict, canonical, check
from .models import AuditEvent, AuditHead

if TYPE_CHECKING:
    from ffsweb.accounts.models import Project, User

SYSTEM = "ffsweb"
"""The actor of what the installation does by itself."""


def record(
    *,
    actor: User | str | None,
    action: str,
    project: Project | None = None,
    target: str = "",
    detail: Mapping[str, Any] | None = None,
    request: HttpRequest | None = None,
) -> AuditEvent:
    """Append one event to the chain, inside the caller's transaction: both are kept, or neither.

    ``action`` is ``noun.verb``; ``detail`` must be plain JSON and never hold a secret (a ``Secret`` raises
    TypeError). Of a ``request`` that came with an access token, the token is named. From here to the end of the
    transaction the head of the chain is locked: record last, and wait for nothing after it. Four queries.
    """
    name = actor if isinstance(actor, str) else (actor.username if actor else SYSTEM)
    person = None if actor is None or isinstance(actor, str) else actor
    by_token = getattr(request, "token_name", "")
    detail_json = canonical(dict(detail or {}) | ({"by_token": by_token} if by_token else {}))
    with transaction.atomic():
        head = _locked_head()
        entry = Entry(
            sequence=head.sequence + 1,
            at=timezone.now(),
            actor=_bounded(name, 150),
            action=_bounded(action, 64),
            project=project.name if project else "",
            target=_bounded(target, 255),
            detail=detail_json,
            source=address_of(request) if request else "",
            previous=head.hash,
        )
        event = AuditEvent(
            sequence=entry.sequence,
            at=entry.at,
            actor=person,
            actor_name=entry.actor,
            action=entry.action,
            project=project,
            project_name=entry.project,
            target=entry.target,
            detail_json=entry.detail,
            source=entry.source,
            previous_hash=entry.previous,
            hash=entry.digest(),
        )
        event.save()
        AuditHead.objects.filter(pk=head.pk).update(sequence=event.sequence, hash=event.hash)
    return event


def verify() -> Verdict:
    """Check the whole chain against its head; names the first broken event. Reads every event once."""
    head = AuditHead.objects.filter(pk=1).first()
    return check(_stored(), (head.sequence, head.hash) if head else (0, GENESIS))


def _locked_head() -> AuditHead:
    """The one head row, locked until the transaction ends (SQLite: the whole database is, by BEGIN IMMEDIATE)."""
    AuditHead.objects.get_or_create(pk=1, defaults={"hash": GENESIS})
    return AuditHead.objects.select_for_update().get(pk=1)


def _stored() -> Iterator[Stored]:
    for event in AuditEvent.objects.order_by("sequence", "pk").select_related("project").iterator(2000):
        entry = Entry(
            sequence=event.sequence,
            at=event.at,
            actor=event.actor_name,
            action=event.action,
            project=event.project_name,
            target=event.target,
            detail=event.detail_json,
            source=event.source,
            previous=event.previous_hash,
        )
        yield Stored(entry, event.hash, event.project.name if event.project else None)


def _bounded(text: str, limit: int) -> str:
    """``text`` as a database takes it: without NUL and lone surrogates, at most ``limit`` characters."""
    clean = text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"
