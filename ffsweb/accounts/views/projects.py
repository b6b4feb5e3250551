"""The pages of projects: list, create, edit, remove."""

from __future__ import annotations

from django.contrib import messages
from django.db.models import Count
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from ffsweb.accounts import projects
from ffsweb.accounts.access import PersonRequest, ProjectRequest, administrator_view, member_view, project_view
from ffsweb.accounts.errors import Refused
from ffsweb.accounts.forms import ProjectForm, ProjectTitleForm
from ffsweb.accounts.models import Project, Role
from ffsweb.web.forms import ConfirmNameForm, posted
from ffsweb.web.htmx import go


@member_view
def listing(request: PersonRequest) -> HttpResponse:
    """The projects that this person may see, with their role in each. Two queries."""
    roles = {found.project_id: found.role for found in request.user.memberships.all()}
    found = Project.objects.visible_to(request.user)
    counted = Project.objects.filter(pk__in=found.values("pk")).annotate(people=Count("memberships")).order_by("name")
    rows = [(project, roles.get(project.pk, "administrator")) for project in counted]
    return render(request, "projects/list.html", {"rows": rows})


@administrator_view
@require_http_methods(["GET", "POST"])
def create(request: PersonRequest) -> HttpResponse:
    """A new project."""
    form = ProjectForm(posted(request))
    if request.method == "POST" and form.is_valid():
        project = projects.create_project(
            actor=request.user,
            name=form.cleaned_data["name"],
            title=form.cleaned_data["title"],
            request=request,
        )
        messages.success(request, f"{project.name} was created. Describe its first node next.")
        return go(request, f"/projects/{project.name}/")
    return render(request, "projects/create.html", {"form": form}, status=422 if form.errors else 200)


@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def edit(request: ProjectRequest, project: str) -> HttpResponse:
    """Another title."""
    before = request.project.title
    form = ProjectTitleForm(posted(request), instance=request.project)
    if request.method == "POST" and form.is_valid():
        request.project.title = before
        projects.edit_project(request.project, actor=request.user, title=form.cleaned_data["title"], request=request)
        messages.success(request, "Saved.")
        return go(request, "projects:edit", project=project)
    return render(request, "projects/edit.html", {"form": form}, status=422 if form.errors else 200)


@project_view(Role.ADMIN)
@require_http_methods(["GET", "POST"])
def remove(request: ProjectRequest, project: str) -> HttpResponse:
    """Remove the project after its name was typed."""
    form = ConfirmNameForm(posted(request), expected=request.project.name)
    if request.method == "POST" and form.is_valid():
        try:
            projects.remove_project(request.project, actor=request.user, request=request)
        except Refused as problem:
            form.add_error(None, str(problem))
        else:
            messages.success(request, f"{project} was removed. What runs on its nodes goes on running.")
            return go(request, "projects:list")
    context = {"form": form, "cancel": reverse("projects:edit", args=[project])}
    return render(request, "projects/remove.html", context, status=422 if form.errors else 200)
