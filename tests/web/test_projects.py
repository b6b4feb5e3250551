"""Projects: made by administrators, kept by their admins, removed only by typing the name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ffsweb.accounts.models import Project, Role, User
from ffsweb.accounts.projects import removal_guards
from ffsweb.audit.models import AuditEvent
from ffsweb.audit.services import verify

from .conftest import Visit
from .markup import assert_well_made

pytestmark = pytest.mark.django_db


@pytest.fixture
def guards() -> Iterator[list[object]]:
    before = list(removal_guards)
    yield removal_guards  # type: ignore[misc]
    removal_guards[:] = before


def test_an_empty_list_says_what_to_do_first(root: User, mallory: User, visit: Visit) -> None:
    administrators = visit(root).get("/projects/").content.decode()
    assert "Begin with a project" in administrators
    assert "/projects/new/" in administrators
    others = visit(mallory).get("/projects/").content.decode()
    assert "You are in no project yet" in others
    assert "/projects/new/" not in others


def test_the_list_shows_own_projects_only(project: Project, carol: User, visit: Visit) -> None:
    Project.objects.create(name="elsewhere")
    html = visit(carol).get("/projects/").content.decode()
    assert "serbest" in html
    assert "elsewhere" not in html


def test_an_administrator_makes_a_project_and_is_its_admin(root: User, visit: Visit) -> None:
    response = visit(root).post("/projects/new/", {"name": "atlas", "title": "Map tiles"})
    assert response["Location"] == "/projects/atlas/"
    project = Project.objects.get(name="atlas")
    assert project.memberships.get().role == Role.ADMIN
    assert AuditEvent.objects.get(action="project.create").detail == {"title": "Map tiles"}


@pytest.mark.parametrize(
    "name",
    ["", "x", "Atlas", "at las", "../atlas", "-atlas", "atlas-", "new", "a" * 33, "atlas\u0430", "9tiles", "serbest"],
)
def test_a_bad_name_is_refused(name: str, project: Project, root: User, visit: Visit) -> None:
    response = visit(root).post("/projects/new/", {"name": name})
    assert response.status_code == 422
    assert_well_made(response.content.decode())
    assert Project.objects.count() == 1


def test_an_admin_changes_the_title_and_never_the_name(project: Project, alice: User, visit: Visit) -> None:
    visit(alice).post("/projects/serbest/edit/", {"title": "Shop", "name": "other"})
    project.refresh_from_db()
    assert (project.name, project.title) == ("serbest", "Shop")
    assert AuditEvent.objects.get(action="project.edit").detail == {"title": "Shop", "before": "Serbest web shop"}


def test_a_title_too_long_changes_nothing(project: Project, alice: User, visit: Visit) -> None:
    assert visit(alice).post("/projects/serbest/edit/", {"title": "x" * 121}).status_code == 422
    project.refresh_from_db()
    assert project.title == "Serbest web shop"


def test_it_is_removed_when_its_name_was_typed(project: Project, alice: User, visit: Visit) -> None:
    assert visit(alice).post("/projects/serbest/remove/", {"name": "serbest"})["Location"] == "/projects/"
    assert not Project.objects.exists()
    event = AuditEvent.objects.get(action="project.remove")
    assert (event.project_name, event.project) == ("serbest", None)
    assert verify().intact


@pytest.mark.parametrize("typed", ["", "Serbest", "serbest.", "other"])
def test_another_name_removes_nothing(typed: str, project: Project, alice: User, visit: Visit) -> None:
    response = visit(alice).post("/projects/serbest/remove/", {"name": typed})
    assert response.status_code == 422
    assert_well_made(response.content.decode())
    assert Project.objects.exists()


def test_a_guard_keeps_the_project_and_says_why(
    project: Project, alice: User, visit: Visit, guards: list[object]
) -> None:
    guards.append(lambda found: f"A deployment of {found} is running.")
    response = visit(alice).post("/projects/serbest/remove/", {"name": "serbest"})
    assert "A deployment of serbest is running. Nothing was removed." in response.content.decode()
    assert Project.objects.exists()
    assert not AuditEvent.objects.filter(action="project.remove").exists()


def test_a_guard_that_agrees_is_no_obstacle(
    project: Project, alice: User, visit: Visit, guards: list[object]
) -> None:
    guards.append(lambda found: None)
    visit(alice).post("/projects/serbest/remove/", {"name": "serbest"})
    assert not Project.objects.exists()
