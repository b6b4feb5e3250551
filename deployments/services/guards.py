"""What keeps a project from being removed."""

from __future__ import annotations

from ffsweb.accounts.models import Project
from ffsweb.operations.models import Operation


def project_is_idle(project: Project) -> str | None:
    """Why ``project`` cannot be removed now, or None. One query."""
    busy = Operation.objects.filter(project=project).active().first()
    return f"Operation {busy.pk} “{busy}” of {project} has not ended. Wait for it, or cancel it." if busy else None
