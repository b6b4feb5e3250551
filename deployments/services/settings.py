"""A project's settings: imported from a ``.env``, set one by one, removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import transaction

from deployments.core.env_file import EnvEntry, parse_env
from deployments.models import Setting
from deployments.models.setting import setting_context
from ffsweb.audit.services import record
from ffsweb.sealed import Secret
from ffsweb.web.keys import worker_sealer

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from django.http import HttpRequest

    from ffsweb.accounts.models import Project, User


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did: names that are new, changed, and those whose plainness or value stayed."""

    names: tuple[str, ...]


def import_env(
    *,
    project: Project,
    actor: User,
    text: str,
    plain: Collection[str] = (),
    request: HttpRequest | None = None,
) -> Imported:
    """Store every value of a ``.env``: sealed, unless its name is in ``plain``; raises EnvError with the bad lines.

    All or nothing. Settings that the text does not name stay as they are.
    """
    entries = parse_env(text)
    with transaction.atomic():
        for entry in entries:
            _store(project, entry, plain=entry.name in plain)
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
        _store(project, EnvEntry(name=name, value=value, line=1), plain=plain)
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


def _store(project: Project, entry: EnvEntry, *, plain: bool) -> None:
    sealed = None
    if not plain:
        sealed = worker_sealer().seal(Secret(entry.value), setting_context(project.pk, entry.name))
    row, created = Setting.objects.get_or_create(
        project=project,
        name=entry.name,
        defaults={"plain": plain, "value": entry.value if plain else "", "sealed": sealed},
    )
    if not created:
        row.plain, row.value, row.sealed = plain, entry.value if plain else "", sealed
        row.version += 1
        row.save()


def snapshot(rows: Iterable[Setting]) -> tuple[dict[str, str], dict[str, str]]:
    """The plain and the sealed values (base64) as a release keeps them."""
    plain, sealed = {}, {}
    for row in rows:
        if row.plain:
            plain[row.name] = row.value
        else:
            sealed[row.name] = row.sealed_base64()
    return plain, sealed
