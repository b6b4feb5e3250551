"""What a service is owed, because its node was away when a release went out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.views.decorators.http import require_POST

from deployments.services import catching_up
from deployments.views.instances import find_service
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.web.htmx import go

if TYPE_CHECKING:
    from django.http import HttpResponse


@project_view(Role.OPERATOR)
@require_POST
def forget(request: ProjectRequest, project: str, node: str, service: str) -> HttpResponse:
    """Owe the service nothing any more: it stays on the release that it has."""
    found = find_service(request, node, service)
    if catching_up.forget(service=found, actor=request.user, request=request):
        messages.success(request, f"{found} is owed nothing any more. It stays on the release that it has.")
    else:
        messages.info(request, f"{found} is owed nothing.")
    return go(request, "deployments:service", project=project, node=node, service=service)
