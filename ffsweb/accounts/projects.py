"""Making, renaming and removing projects."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction
from django.http import HttpRequest

from ffsweb.audit.services import record

from .errors import Refused
from .models import Membership, Project, Role, User

RemovalGuard = Callable[[Project], str | None]

removal_guards: list[RemovalGuard] = []
"""Each is asked, inside the transaction, before a project is removed; a text is the reason why not, None agrees.

Apps append theirs in ``AppConfig.ready()``.
"""

RESERVED_NAMES = frozenset({"new"})
"""Names that an address of the dashboard takes itself (``/projects/new/``)."""


@transaction.atomic
def create_project(*, actor: User, name: str, title: str = "", request: HttpRequest | None = None) -> Project:
    """A new project with ``actor`` as its first admin. The name must have been validated and be free."""
    project = Project.objects.create(name=name, title=title)
    Membership.objects.create(user=actor, project=project, role=Role.ADMIN)
    record(
        actor=actor,
        action="project.create",
        project=project,
        target=name,
        detail={"title": title},
        request=request,
    )
    return project


@transaction.atomic
def edit_project(project: Project, *, actor: User, title: str, request: HttpRequest | None = None) -> None:
    """Change the title; the name is part of paths on the nodes and stays."""
    before = project.title
    project.title = title
    project.save(update_fields=["title"])
    detail = {"title": title, "before": before}
    record(actor=actor, action="project.edit", project=project, target=project.name, detail=detail, request=request)


@transaction.atomic
def remove_project(project: Project, *, actor: User, request: HttpRequest | None = None) -> None:
    """Remove the project and all that belongs to it from the dashboard; what runs on its nodes goes on running.

    Raises ``Refused`` with the first guard's reason, and then nothing was removed. The audit events stay.
    """
    locked = Project.objects.select_for_update().filter(pk=project.pk).first()
    if locked is None:
        raise Refused(f"{project.name} was removed already.")
    for guard in removal_guards:
        reason = guard(locked)
        if reason:
            raise Refused(f"{reason} Nothing was removed.")
    record(actor=actor, action="project.remove", project=locked, target=locked.name, request=request)
    locked.delete()
