"""Who one is, and the projects that there are."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from ninja import Field, Query, Router, Schema

from ffsweb.accounts import projects
from ffsweb.accounts.forms import ProjectForm
from ffsweb.accounts.models import Project, Role

from .caller import Call
from .checking import Body, checked
from .paging import Page, Paging, page
from .rights import administrators, any_token, needs

router = Router(tags=["projects"])


class Me(Schema):
    """The access token that was sent."""

    user: str
    token: str
    role: str
    project: str | None
    expires_at: datetime


class NewProject(Body):
    """A project to be made."""

    name: str = Field(description="Lower-case letters, digits and hyphens. It never changes.")
    title: str = ""


class ProjectShape(Schema):
    """A project, and the role that the token has in it."""

    id: int
    name: str
    title: str
    role: str
    created_at: datetime


@router.get("/me", response=Me, summary="Who this token is")
@any_token
def me(request: Call) -> dict[str, Any]:
    """The person in whose name the token acts, the most that it may do, and its one project (null: all)."""
    token = request.caller.admitted.token
    return {
        "user": token.user.username,
        "token": token.name,
        "role": request.caller.admitted.role.value,
        "project": token.project.name if token.project else None,
        "expires_at": token.expires_at,
    }


@router.get("/projects", response=Page[ProjectShape], summary="The projects that this token may read")
@any_token
def list_projects(request: Call, paging: Query[Paging]) -> dict[str, Any]:
    """In the order in which they were made."""
    return page(request.caller.projects(), paging, lambda row: _shape(row, request.caller.admitted.role_in(row)))


@router.post("/projects", response={201: ProjectShape}, summary="Make a project")
@administrators
def make_project(request: Call, sent: NewProject) -> dict[str, Any]:
    """The token's maker is its first admin."""
    form = ProjectForm(sent.dict())
    checked(form)
    made = projects.create_project(actor=request.user, **form.cleaned_data, request=request)
    return _shape(made, Role.ADMIN)


@router.get("/projects/{project}", response=ProjectShape, summary="One project")
@needs(Role.VIEWER)
def get_project(request: Call, project: str) -> dict[str, Any]:
    """By its name."""
    return _shape(request.project, request.role)


def _shape(row: Project, role: Role | None) -> dict[str, Any]:
    return {
        "id": row.pk,
        "name": row.name,
        "title": row.title,
        "role": (role or Role.VIEWER).value,
        "created_at": row.created_at,
    }
