"""Machine files: the page, and the downloads."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST

from deployments.core.machine import MachineError
from deployments.models import HostKey
from deployments.models.node import BOOTSTRAP_COUNTS
from deployments.services import machine_files
from deployments.views.nodes import find_node
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.web.htmx import go


@project_view(Role.ADMIN)
def page(request: ProjectRequest, project: str, node: str) -> HttpResponse:
    """What the file holds, how to install a machine with it, and which host keys are awaited."""
    found = find_node(request, node)
    return render(
        request,
        "deployments/machine.html",
        {
            "node": found,
            "services": found.services.all(),
            "commands": machine_files.install_commands(found),
            "pinned": found.host_keys.filter(kind=HostKey.Kind.PINNED).first(),
            "awaited": found.host_keys.filter(kind=HostKey.Kind.BOOTSTRAP),
            "counts_days": BOOTSTRAP_COUNTS.days,
        },
    )


@project_view(Role.ADMIN)
@require_POST
def butane(request: ProjectRequest, project: str, node: str) -> HttpResponse:
    """Download ffs.bu, with a fresh bootstrap host key."""
    return _download(request, project, node, kind="bu")


@project_view(Role.ADMIN)
@require_POST
def ignition(request: ProjectRequest, project: str, node: str) -> HttpResponse:
    """Download ffs.ign, with a fresh bootstrap host key."""
    return _download(request, project, node, kind="ign")


def _download(request: ProjectRequest, project: str, node: str, *, kind: machine_files.Kind) -> HttpResponse:
    found = find_node(request, node)
    try:
        made = machine_files.make_machine_files(node=found, actor=request.user, kind=kind, request=request)
    except MachineError as error:
        messages.error(request, f"The file was not made: {error}")
        return go(request, "deployments:machine", project=project, node=node)
    response = HttpResponse(made.text, content_type=made.content_type)
    response["Content-Disposition"] = f'attachment; filename="ffs.{kind}"'
    # It holds a private host key: no cache may keep it.
    response["Cache-Control"] = "no-store"
    return response
