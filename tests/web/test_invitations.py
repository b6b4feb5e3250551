"""Invitations and new-password links: shown once, good once, and only as long as the inviter may invite."""

from __future__ import annotations

import datetime as dt
import re

import pytest
import time_machine
from django.test import Client

from ffsweb.accounts import invitations
from ffsweb.accounts.errors import LinkSpent, Refused
from ffsweb.accounts.models import Membership, OneTimeLink, Project, Role, User
from ffsweb.audit.models import AuditEvent

from .conftest import PASSWORD, Visit
from .markup import assert_well_made

pytestmark = pytest.mark.django_db

GOOD = {"full_name": "Dave", "password": PASSWORD, "password_again": PASSWORD}


def _shown(html: str, page: str) -> str:
    found = re.search(rf"http://testserver(/account/{page}/[\w-]+/)", html)
    assert found, html
    return found.group(1)


@pytest.fixture
def link(project: Project, alice: User, visit: Visit) -> str:
    response = visit(alice).post("/projects/serbest/members/invite/", {"username": "dave", "role": "operator"})
    assert response.status_code == 200
    assert_well_made(response.content.decode())
    return _shown(response.content.decode(), "join")


def test_who_was_invited_joins_with_the_role(link: str, project: Project) -> None:
    browser = Client()
    page = browser.get(link)
    assert "dave" in page.content.decode()
    assert_well_made(page.content.decode())
    assert browser.post(link, GOOD)["Location"] == "/"
    dave = User.objects.get(username="dave")
    assert project.role_of(dave) is Role.OPERATOR
    assert not dave.is_administrator
    assert browser.get("/projects/serbest/members/").status_code == 200
    assert AuditEvent.objects.filter(action="user.join", project=project, actor=dave).exists()


def test_an_invitation_is_good_once(link: str) -> None:
    Client().post(link, GOOD)
    assert Client().post(link, GOOD).status_code == 404
    assert User.objects.filter(username="dave").count() == 1


def test_the_link_is_not_shown_again(link: str, alice: User, visit: Visit) -> None:
    html = visit(alice).get("/projects/serbest/members/").content.decode()
    assert "dave" in html
    assert link.split("/")[-2] not in html


def test_an_invitation_ends_after_three_days(project: Project, alice: User) -> None:
    with time_machine.travel(dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC), tick=False) as clock:
        made = invitations.invite(actor=alice, username="dave", project=project)
        clock.shift(dt.timedelta(days=3, seconds=1))
        with pytest.raises(LinkSpent):
            invitations.accept(token=made.token, full_name="", password=PASSWORD)
    assert not User.objects.filter(username="dave").exists()


def test_a_withdrawn_invitation_is_worthless(link: str, alice: User, visit: Visit) -> None:
    pk = OneTimeLink.objects.get().pk
    assert visit(alice).post(f"/projects/serbest/members/links/{pk}/withdraw/").status_code == 303
    assert Client().post(link, GOOD).status_code == 404


def test_a_second_invitation_withdraws_the_first(link: str, project: Project, alice: User) -> None:
    invitations.invite(actor=alice, username="dave", project=project)
    assert Client().get(link).status_code == 404


@pytest.mark.parametrize("loss", ["demoted", "removed", "deactivated"])
def test_it_is_worthless_when_the_inviter_may_not_invite_any_more(loss: str, link: str, alice: User) -> None:
    if loss == "demoted":
        alice.memberships.update(role=Role.OPERATOR)
    elif loss == "removed":
        alice.memberships.all().delete()
    else:
        User.objects.filter(pk=alice.pk).update(is_active=False)
    assert Client().get(link).status_code == 404
    assert Client().post(link, GOOD).status_code == 404
    assert not User.objects.filter(username="dave").exists()


def test_a_project_admin_cannot_invite_an_administrator(project: Project, alice: User, visit: Visit) -> None:
    with pytest.raises(Refused):
        invitations.invite(actor=alice, username="dave", administrator=True)
    visit(alice).post(
        "/projects/serbest/members/invite/", {"username": "dave", "role": "admin", "administrator": "on"}
    )
    assert not OneTimeLink.objects.get().administrator


def test_an_administrator_invites_an_administrator(root: User, visit: Visit) -> None:
    response = visit(root).post("/system/invite/", {"username": "erin", "administrator": "on"})
    link = _shown(response.content.decode(), "join")
    Client().post(link, GOOD)
    assert User.objects.get(username="erin").is_administrator


def test_a_name_that_is_taken_is_refused(project: Project, alice: User, bob: User, visit: Visit) -> None:
    for name in ("bob", "BOB", "not a name", ""):
        response = visit(alice).post("/projects/serbest/members/invite/", {"username": name, "role": "viewer"})
        assert response.status_code == 422, name
    assert not OneTimeLink.objects.exists()


def test_a_name_taken_after_the_invitation_is_not_taken_over(link: str) -> None:
    User.objects.create_user("dave", password="the first dave")
    assert Client().post(link, GOOD).status_code == 404
    assert User.objects.get(username="dave").check_password("the first dave")
    assert not Membership.objects.filter(user__username="dave").exists()


def test_somebody_who_is_logged_in_does_not_join_by_accident(link: str, bob: User, visit: Visit) -> None:
    response = visit(bob).post(link, GOOD)
    assert response["Location"] == "/account/"
    assert not User.objects.filter(username="dave").exists()
    assert Client().get(link).status_code == 200


def test_a_link_of_one_kind_opens_no_other_page(link: str) -> None:
    token = link.split("/")[-2]
    assert Client().get(f"/account/new-password/{token}/").status_code == 404
    assert Client().get(f"/account/first/{token}/").status_code == 404


def test_a_new_password_ends_every_session(root: User, bob: User, visit: Visit) -> None:
    old = visit(bob)
    response = visit(root).post("/system/people/bob/password-link/")
    assert_well_made(response.content.decode())
    link = _shown(response.content.decode(), "new-password")
    assert old.get("/account/").status_code == 200
    fresh = "another staple battery horse"
    assert_well_made(Client().get(link).content.decode())
    assert Client().post(link, {"password": fresh, "password_again": fresh}).status_code == 303
    assert old.get("/account/").status_code == 302
    bob.refresh_from_db()
    assert bob.check_password(fresh)
    assert Client().get(link).status_code == 404


def test_no_link_is_made_for_an_account_that_is_deactivated(root: User, bob: User, visit: Visit) -> None:
    made = invitations.password_link(bob, actor=root)
    User.objects.filter(pk=bob.pk).update(is_active=False)
    assert visit(root).post("/system/people/bob/password-link/").status_code == 404
    assert Client().get(f"/account/new-password/{made.token}/").status_code == 404
