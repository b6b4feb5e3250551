"""The page about what becomes of pushed images."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from deployments.forms.push_policy import PushPolicyForm
from deployments.services.push_policy import set_policy
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.web.forms import posted
from ffsweb.web.htmx import go

SHOWN = 30


@project_view(Role.VIEWER, write=Role.ADMIN)
@require_http_methods(["GET", "HEAD", "POST"])
def policy(request: ProjectRequest, project: str) -> HttpResponse:
    """The policy, for admins to change, and the last images that it took up. Three queries."""
    form = PushPolicyForm(posted(request), project=request.project)
    if request.method == "POST" and form.is_valid():
        set_policy(project=request.project, actor=request.user, request=request, **form.cleaned_data)
        messages.success(request, "Saved. It counts for what is pushed from now on.")
        return go(request, "deployments:push_policy", project=project)
    rows = request.project.taken_up.select_related("release", "plan", "operation").defer("plan__body")
    context = {
        "form": form,
        "rows": rows[:SHOWN],
        "said": [
            (field.label, dict(field.field.choices)[field.initial] if field.name == "mode" else field.initial)
            for field in form
        ],
    }
    return render(request, "deployments/push_policy.html", context, status=422 if form.errors else 200)
