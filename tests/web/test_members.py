"""The members of a project: who may change them, and that a project keeps an admin."""

from __future__ import annotations

import pytest

from ffsweb.accounts.models import Membership, Project, Role, User
from ffsweb.audit.models import AuditEvent

from .conftest import Visit
from .markup import assert_well_made

pytestmark = pytest.mark.django_db

MEMBERS = "/projects/serbest/members/"


def _role(project: Project, user: User) -> Role | None:
    return project.role_of(User.objects.get(pk=user.pk))


def test_an_admin_adds_somebody_who_has_an_account(
    project: Project, alice: User, mallory: User, visit: Visit
) -> None:
    response = visit(alice).post(MEMBERS + "add/", {"username": "Mallory", "role": "operator"})
    assert response.status_code == 303
    assert _role(project, mallory) is Role.OPERATOR
    event = AuditEvent.objects.get(action="member.add")
    assert (event.actor, event.project, event.target, event.detail) == (
        alice,
        project,
        "mallory",
        {"role": "operator"},
    )


@pytest.mark.parametrize(
    "answer",
    [
        {"username": "nobody-there", "role": "viewer"},
        {"username": "bob", "role": "admin"},
        {"username": "mallory", "role": "owner"},
        {"username": "", "role": "viewer"},
        {"username": "mallory"},
        {},
    ],
)
def test_a_bad_answer_adds_nobody(
    answer: dict[str, str], project: Project, alice: User, bob: User, mallory: User, visit: Visit
) -> None:
    response = visit(alice).post(MEMBERS + "add/", answer)
    assert response.status_code == 422
    assert_well_made(response.content.decode())
    assert _role(project, mallory) is None
    assert _role(project, bob) is Role.OPERATOR


def test_a_deactivated_account_cannot_be_added(project: Project, alice: User, mallory: User, visit: Visit) -> None:
    User.objects.filter(pk=mallory.pk).update(is_active=False)
    assert visit(alice).post(MEMBERS + "add/", {"username": "mallory", "role": "viewer"}).status_code == 422


def test_an_admin_changes_a_role(project: Project, alice: User, bob: User, visit: Visit) -> None:
    visit(alice).post(MEMBERS + "bob/role/", {"role": "viewer"})
    assert _role(project, bob) is Role.VIEWER
    assert AuditEvent.objects.get(action="member.role").detail == {"role": "viewer", "before": "operator"}


def test_the_same_role_again_is_no_change(alice: User, bob: User, visit: Visit) -> None:
    visit(alice).post(MEMBERS + "bob/role/", {"role": "operator"})
    assert not AuditEvent.objects.filter(action="member.role").exists()


def test_no_such_role_changes_nothing(project: Project, alice: User, bob: User, visit: Visit) -> None:
    response = visit(alice).post(MEMBERS + "bob/role/", {"role": "god"}, follow=True)
    assert "There is no such role" in response.content.decode()
    assert _role(project, bob) is Role.OPERATOR


def test_an_admin_removes_a_member(project: Project, alice: User, bob: User, visit: Visit) -> None:
    his = visit(bob)
    visit(alice).post(MEMBERS + "bob/remove/")
    assert _role(project, bob) is None
    assert his.get(MEMBERS).status_code == 404


@pytest.mark.parametrize(("verb", "data"), [("role", {"role": "viewer"}), ("remove", {})])
def test_the_last_admin_stays(verb: str, data: dict[str, str], project: Project, alice: User, visit: Visit) -> None:
    response = visit(alice).post(f"{MEMBERS}alice/{verb}/", data, follow=True)
    assert "alice is the last admin of serbest" in response.content.decode()
    assert _role(project, alice) is Role.ADMIN


def test_an_admin_who_is_deactivated_does_not_count(project: Project, alice: User, bob: User, visit: Visit) -> None:
    Membership.objects.filter(user=bob).update(role=Role.ADMIN)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    visit(alice).post(f"{MEMBERS}alice/remove/")
    assert _role(project, alice) is Role.ADMIN


def test_an_administrator_may_remove_the_last_admin(project: Project, alice: User, root: User, visit: Visit) -> None:
    visit(root).post(f"{MEMBERS}alice/remove/")
    assert _role(project, alice) is None
    assert_well_made(visit(root).get(MEMBERS).content.decode())


def test_who_leaves_is_led_to_their_projects(project: Project, alice: User, bob: User, visit: Visit) -> None:
    Membership.objects.filter(user=bob).update(role=Role.ADMIN)
    assert visit(alice).post(f"{MEMBERS}alice/remove/")["Location"] == "/projects/"


def test_a_member_of_another_project_is_out_of_reach(alice: User, mallory: User, visit: Visit) -> None:
    other = Project.objects.create(name="other")
    Membership.objects.create(user=mallory, project=other, role=Role.VIEWER)
    visit(alice).post(f"{MEMBERS}mallory/role/", {"role": "admin"})
    visit(alice).post(f"{MEMBERS}mallory/remove/")
    assert _role(other, mallory) is Role.VIEWER


def test_an_invitation_of_another_project_is_out_of_reach(alice: User, root: User, visit: Visit) -> None:
    from ffsweb.accounts.invitations import invite

    made = invite(actor=root, username="dave", project=Project.objects.create(name="other"))
    assert visit(alice).post(f"{MEMBERS}links/{made.link.pk}/withdraw/").status_code == 404
    made.link.refresh_from_db()
    assert made.link.revoked_at is None


def test_viewers_see_members_and_no_way_to_change_them(alice: User, carol: User, visit: Visit) -> None:
    html = visit(carol).get(MEMBERS).content.decode()
    assert_well_made(html)
    assert "alice" in html
    assert "Remove" not in html
    assert "/members/invite/" not in html
