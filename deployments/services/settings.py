"""A project's settings: imported from a ``.env``, set one by one, removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from deployments.core.env_file import EnvEntry, EnvError, parse_env
from deployments.models import Setting
from deployments.models.setting import setting_context
from ffsweb.accounts.models import Project
from ffsweb.audit.services import record
from ffsweb.sealed import Secret
from ffsweb.web.keys import worker_sealer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Sequence

    from django.http import HttpRequest

    from ffsweb.accounts.models import User


@dataclass(frozen=True, slots=True)
class Imported:
    """The names that an import set, in the order of the text."""

    names: tuple[str, ...]


def import_env(
    *,
    project: Project,
    actor: User,
    text: str,
    plain: Collection[str] = (),
    request: HttpRequest | None = None,
) -> Imported:
    """Store every value of a ``.env``: sealed, unless its name is in ``plain``; raises EnvError with the bad lines,
    or with a name in ``plain`` that the text does not set.

    All or nothing. Settings that the text does not name stay as they are. About ten queries for a hundred values.
    """
    entries = parse_env(text)
    unknown = sorted(set(plain) - {entry.name for entry in entries})
    if unknown:  # misspelt, as a rule: what it stands for would be sealed
        raise EnvError.whole(f"{unknown[0][:128]} is to be plain, and the text does not set it.")
    with transaction.atomic():
        _store(project, entries, plain=plain)
        record(
            actor=actor,
            action="settings.import",
            project=project,
            detail={"names": [entry.name for entry in entries], "plain": sorted(plain)},
            request=request,
        )
    return Imported(names=tuple(entry.name for entry in entries))


def set_setting(
    *,
    project: Project,
    actor: User,
    name: str,
    value: str,
    plain: bool,
    request: HttpRequest | None = None,
) -> None:
    """Set one value."""
    with transaction.atomic():
        _store(project, [EnvEntry(name=name, value=value, line=1)], plain=[name] if plain else [])
        record(
            actor=actor,
            action="settings.set",
            project=project,
            target=name,
            detail={"plain": plain},
            request=request,
        )


def remove_setting(*, setting: Setting, actor: User, request: HttpRequest | None = None) -> None:
    """Remove one value; releases that hold it keep it."""
    with transaction.atomic():
        record(
            actor=actor,
            action="settings.remove",
            project=setting.project,
            target=setting.name,
            request=request,
        )
        setting.delete()


def _store(project: Project, entries: Sequence[EnvEntry], *, plain: Collection[str]) -> None:
    # Under this lock releases are made too: none holds one half of an import, and no two imports wait for each other.
    Project.objects.select_for_update().get(pk=project.pk)
    known = {row.name: row for row in project.settings.filter(name__in=[entry.name for entry in entries])}
    sealer = worker_sealer()
    new = []
    for entry in entries:
        row = known.get(entry.name)
        if row is None:
            row = Setting(project=project, name=entry.name, version=0)
            new.append(row)
        row.plain = entry.name in plain
        row.value = entry.value if row.plain else ""
        context = setting_context(project.pk, entry.name)
        row.sealed = None if row.plain else sealer.seal(Secret(entry.value), context)
        row.version += 1
        row.changed_at = timezone.now()
    Setting.objects.bulk_create(new)
    Setting.objects.bulk_update(known.values(), ["plain", "value", "sealed", "version", "changed_at"], batch_size=100)


def snapshot(rows: Iterable[Setting]) -> tuple[dict[str, str], dict[str, str]]:
    """The plain and the sealed values (base64) as a release keeps them."""
    plain, sealed = {}, {}
    for row in rows:
        if row.plain:
            plain[row.name] = row.value
        else:
            sealed[row.name] = row.sealed_base64()
    return plain, sealed
