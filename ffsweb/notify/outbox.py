"""Putting mail into the outbox. Everything that is mailed goes through :func:`queue`."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils import timezone

from ffsweb.accounts.models import Project

from .backoff import PATIENCE
from .letter import Letter
from .models import MailServer, Message

KEPT = timedelta(days=400)
"""How long a mail that was sent or given up is remembered, and so not mailed again."""
WHY = "ffsweb at {base} sends this{about}. What is sent to whom is chosen {where}."


def queue(
    letter: Letter, *, to: Iterable[str], key: str, kind: str, project: Project | None = None, chosen: str = ""
) -> None:
    """Write one mail for each address of ``to``, inside the caller's transaction: the event is kept with its mails,
    or neither is. A worker sends them within about 15 seconds after the commit, and tries for a week.

    ``key`` (at most 200 characters) names the event, with everything that makes it another one:
    ``operation:17``, ``certificate:5:30-days``. For the same key and address (compared without case) a second mail is
    never written, whatever it would say, for as long as the first is remembered (``KEPT``); so calling it twice for
    one event is harmless, from two workers at once too. An address that is none is left out. ``kind`` is the name of
    a registered kind (:mod:`ffsweb.notify.kinds`): whether people want it is for ``recipients`` to say, before.
    ``chosen`` is the path of the page where it is chosen, if that is not the project's. Two queries, whatever the
    number of addresses.
    """
    if not key or len(key) > 200:
        msg = f"a key has 1 to 200 characters; this has {len(key)}"
        raise ValueError(msg)
    boxes = {address.lower(): address for address in to if usable(address)}
    if not boxes:
        return
    now, base = timezone.now(), base_url()
    about = f" because of the project {project.name}" if project else ""
    page = chosen or (f"/projects/{project.name}/notifications/" if project else "")
    where = f"at {base}{page}" if page else "by its administrators"
    why = WHY.format(base=base, about=about, where=where)
    subject, text, html = letter.title(), letter.as_text(base, why), letter.as_html(base, why)
    Message.objects.bulk_create(
        [
            Message(
                project=project,
                kind=kind,
                key=key,
                address=address,
                subject=subject,
                text=text,
                html=html,
                created_at=now,
                next_at=now,
                give_up_at=now + PATIENCE,
            )
            for address in boxes.values()
        ],
        ignore_conflicts=True,
    )


def usable(address: str) -> bool:
    """Whether mail can be addressed so: one plain ASCII address, no name, no list."""
    try:
        validate_email(address)
    except ValidationError:
        return False
    return address.isascii() and len(address) <= 254


def base_url() -> str:
    """What the links in mails begin with. One query."""
    chosen = MailServer.objects.values_list("base_url", flat=True).filter(pk=1).first()
    return chosen or settings.PUBLIC_URL


def forget_old() -> None:
    """Remove what was sent or given up long ago."""
    old = Message.objects.exclude(state=Message.State.QUEUED).filter(created_at__lt=timezone.now() - KEPT)
    old.delete()
