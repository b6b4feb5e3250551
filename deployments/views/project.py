"""A project's first page."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from deployments.models.board import fleet_board
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.operations.models import Operation


@project_view(Role.VIEWER)
def overview(request: ProjectRequest, project: str) -> HttpResponse:
    """What runs, the last operations, and what is left to do until the first deploy."""
    found = request.project
    steps = [
        ("Describe a node", "deployments:node_create", found.nodes.exists()),
        ("Give it a service", "deployments:nodes", found.services.exists()),
        ("Import the settings", "deployments:settings", found.settings.exists()),
        ("Upload an image", "deployments:images", found.images.exists()),
        ("Make a release", "deployments:release_create", found.releases.exists()),
        ("Deploy it", "deployments:releases", found.services.filter(live_release__isnull=False).exists()),
    ]
    context = {
        "rows": fleet_board(request.user, project=found.name),
        "steps": steps,
        "done": all(done for _, _, done in steps),
        "operations": Operation.objects.filter(project=found)[:8],
        "release": found.releases.for_lists().first(),
    }
    return render(request, "deployments/project.html", context)
