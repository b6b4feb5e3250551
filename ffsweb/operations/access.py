"""Which operation an address means, and whether a stream that is open may stay so."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user
from django.http import Http404, HttpRequest

from ffsweb.accounts.access import ProjectRequest
from ffsweb.accounts.models import Project, User

from .models import Operation


class OperationRequest(ProjectRequest):
    """What a view behind ``project_view(…, of=project_of)`` gets. For annotations only."""

    operation: Operation


def project_of(request: HttpRequest, operation_id: int) -> Project:
    """The project of the operation in the address; sets ``request.operation``. Raises Http404. One query."""
    operation = Operation.objects.select_related("project").filter(pk=operation_id).first()
    if operation is None:
        raise Http404("There is no such operation, or you are not a member of its project.")
    request.operation = operation  # type: ignore[attr-defined]
    return operation.project


def still_allowed(session_key: str | None, user_id: int, operation_id: int) -> bool:
    """Whether the session still stands for this person, and the person may still see the operation.

    Read from the database anew: a log-out, a deactivated account or a lost membership ends a stream. Four queries.
    """
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    user = get_user(request)
    if not isinstance(user, User) or user.pk != user_id or not user.is_active:
        return False
    return Operation.objects.visible_to(user).filter(pk=operation_id).exists()
