"""Would a restore do? Looked at once a day: the newest backup, the keys, and the copy of the keys."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from ffsweb.backup import keyfile, sealing
from ffsweb.backup.checking import check
from ffsweb.backup.errors import BackupError
from ffsweb.backup.models import Backup, KeysCopy, Watch
from ffsweb.notify.letter import Letter
from ffsweb.notify.outbox import queue
from ffsweb.notify.recipients import administrators
from ffsweb.sealed import SealedError
from ffsweb.web import keys

EVERY: Final = timedelta(days=1)
AGAIN: Final = timedelta(hours=1)
"""How long until it is looked again while something is wrong: that all is well again is told soon."""
KIND: Final = "backup"


def look(now: datetime) -> None:
    """Look if it is due, note what was found, and tell the administrators when that changed. Nothing where no backup
    was ever made. Reads the newest backup to its end: minutes, for one with many images."""
    newest = Backup.objects.first()
    watch = Watch.objects.filter(pk=1).first()
    pause = AGAIN if watch and watch.trouble else EVERY
    if newest is None or (watch and watch.looked_at and watch.tested == newest.pk and watch.looked_at + pause > now):
        return
    problem = _of_file(newest)
    Backup.objects.filter(pk=newest.pk).update(tested_at=now, problem=problem)
    found = [problem, _of_age(newest, now), *_of_keys()]
    _note(newest, " ".join(text for text in found if text), now)


def _of_file(backup: Backup) -> str:
    if not backup.place:
        return ""  # it went down a pipe: where it is now, nobody here knows
    try:
        with Path(backup.place).open("rb") as file:
            check(file, keys.worker_opener(), keyfile.private_names(settings.KEYS))
    except OSError as error:
        return f"The newest backup, {backup.place}, cannot be read by the worker: {error.strerror}."
    except (BackupError, SealedError) as error:
        return f"The newest backup, {backup.place}, is of no use: {error}"
    return ""


def _of_age(backup: Backup, now: datetime) -> str:
    days = (now - backup.made_at).days
    if days < settings.BACKUP_DAYS:
        return ""
    return f"The newest backup is {days} days old."


def _of_keys() -> list[str]:
    try:
        openers = {keys.WORKER: keys.worker_opener(), keys.WEB: keys.web_opener()}
    except SealedError as error:
        return [f"The keys cannot be used: {error}"]
    found = [f"The keys do not open {text}" for text in sealing.closed(openers)[:10]]
    copy = KeysCopy.objects.first()
    if copy is None:
        return [
            *found,
            "The keys were never copied: without them no backup opens. Run ffs backup --keys FILE.",
        ]
    here = {f"{ring}/{key}" for ring, names in keyfile.private_names(settings.KEYS).items() for key in names}
    if here - set(copy.keys):
        found.append("A ring was rotated after the keys were copied. Run ffs backup --keys FILE again.")
    return found


@transaction.atomic
def _note(newest: Backup, trouble: str, now: datetime) -> None:
    """Of two workers that looked at once, one tells."""
    Watch.objects.get_or_create(pk=1)
    watch = Watch.objects.select_for_update().get(pk=1)
    before, watch.trouble = watch.trouble, trouble
    since, watch.since = watch.since, (watch.since if before and trouble else now) if trouble else None
    watch.looked_at, watch.tested = now, newest.pk
    watch.save()
    if bool(before) != bool(trouble):
        letter = _wrong(trouble) if trouble else _well(newest, since or now)
        key = f"backup:{'wrong' if trouble else 'well'}:{now.isoformat()}"
        queue(letter, to=administrators(), key=key, kind=KIND)


def _wrong(trouble: str) -> Letter:
    return Letter(
        subject="A restore of this dashboard would fail",
        happened=trouble,
        todo="Make a backup (ffs backup) and, if that is what is missing, a copy of the keys. It is looked again "
        "every hour, and you are told when all is well.",
        path=reverse("backup:backups"),
    )


def _well(newest: Backup, since: datetime) -> Letter:
    made = newest.made_at.astimezone(UTC)
    return Letter(
        subject="A restore of this dashboard would do again",
        happened="The newest backup can be decrypted, and the keys open what is sealed.",
        facts=(
            ("Newest backup", f"{made:%Y-%m-%d %H:%M} UTC"),
            ("Was wrong since", f"{since.astimezone(UTC):%Y-%m-%d %H:%M} UTC"),
        ),
        todo="Nothing.",
        path=reverse("backup:backups"),
    )
