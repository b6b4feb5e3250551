"""Access tokens: shown once, withdrawn at once, and never more than their maker."""

from __future__ import annotations

import datetime as dt
import re

import pytest
import time_machine
from django.test import Client
from django.utils import timezone

from ffsweb.accounts import tokens
from ffsweb.accounts.errors import Refused, TokenRefused
from ffsweb.accounts.links import token_hash
from ffsweb.accounts.memberships import change_role, remove_member
from ffsweb.accounts.models import AccessToken, Membership, Project, Role, User
from ffsweb.audit.models import AuditEvent

from .conftest import Visit
from .markup import assert_well_made

pytestmark = pytest.mark.django_db
TOKEN = re.compile(r"ffs_[A-Za-z0-9_-]{43}")
PAGE = "/projects/serbest/tokens/"


def made(user: User, project: Project, role: Role = Role.OPERATOR, **more: object) -> tokens.MadeToken:
    return tokens.make(actor=user, project=project, name="builder", role=role, days=30, **more)  # type: ignore[arg-type]


def ask(browser: Client, **more: object) -> str:
    answer = browser.post(f"{PAGE}new/", {"name": "builder", "role": "operator", "days": "30"} | more)
    assert answer.status_code == 200, answer.content.decode()
    page = answer.content.decode()
    assert_well_made(page)
    return TOKEN.findall(page)[0]


def test_a_token_is_shown_once_and_its_hash_is_kept(visit: Visit, bob: User) -> None:
    browser = visit(bob)
    text = ask(browser)
    token = AccessToken.objects.get()
    assert (token.token_hash, token.user, token.role) == (token_hash(text), bob, "operator")
    assert text not in browser.get(PAGE).content.decode()
    event = AuditEvent.objects.get(action="token.make")
    assert (event.actor_name, event.target) == ("bob", "builder")
    assert text not in event.detail_json


def test_it_admits_in_its_role(bob: User, project: Project) -> None:
    token = made(bob, project, Role.VIEWER)
    admitted = tokens.admit(username="bob", text=token.text)
    assert (admitted.token, admitted.role) == (token.token, Role.VIEWER)
    assert admitted.may("serbest", Role.VIEWER) and not admitted.may("serbest", Role.OPERATOR)
    assert not admitted.may("elsewhere", Role.VIEWER)
    token.token.refresh_from_db()
    assert token.token.last_used_at is not None


@pytest.mark.parametrize(
    ("username", "change"),
    [("carol", str), ("bob", str.lower), ("bob", lambda text: text[4:]), ("bob", lambda text: ""), ("b\0b", str)],
)
def test_a_wrong_token_or_name_admits_nobody(bob: User, project: Project, username: str, change: object) -> None:
    text = made(bob, project).text
    with pytest.raises(TokenRefused, match="not known"):
        tokens.admit(username=username, text=change(text))  # type: ignore[operator]


def test_nobody_makes_a_token_that_may_more_than_they(visit: Visit, carol: User, project: Project) -> None:
    with pytest.raises(Refused, match=r"less than Operator\. No token was made"):
        made(carol, project, Role.OPERATOR)
    answer = visit(carol).post(f"{PAGE}new/", {"name": "x", "role": "operator", "days": "30"})
    assert answer.status_code == 422
    assert not AccessToken.objects.exists()


def test_a_role_that_was_taken_from_the_maker_is_taken_from_the_token(
    bob: User, alice: User, project: Project
) -> None:
    text = made(bob, project).text
    change_role(project, bob, actor=alice, role=Role.VIEWER)
    assert tokens.admit(username="bob", text=text).role is Role.VIEWER
    remove_member(project, bob, actor=alice)
    with pytest.raises(TokenRefused, match="no member any more"):
        tokens.admit(username="bob", text=text)


def test_a_deactivated_maker_has_no_tokens(bob: User, project: Project) -> None:
    text = made(bob, project).text
    User.objects.filter(pk=bob.pk).update(is_active=False)
    with pytest.raises(TokenRefused):
        tokens.admit(username="bob", text=text)


def test_a_token_ends(bob: User, project: Project) -> None:
    token = made(bob, project)
    with (
        time_machine.travel(timezone.now() + dt.timedelta(days=31)),
        pytest.raises(TokenRefused, match="is too old"),
    ):
        tokens.admit(username="bob", text=token.text)


def test_a_withdrawn_token_counts_no_more(visit: Visit, bob: User, project: Project) -> None:
    token = made(bob, project)
    browser = visit(bob)
    assert browser.post(f"{PAGE}{token.token.pk}/revoke/").status_code == 303
    with pytest.raises(TokenRefused, match="was withdrawn"):
        tokens.admit(username="bob", text=token.text)
    with pytest.raises(TokenRefused, match="was withdrawn"):
        tokens.admit_again(token.token.pk)
    page = browser.post(f"{PAGE}{token.token.pk}/revoke/", follow=True).content.decode()
    assert "was withdrawn already" in page
    assert AuditEvent.objects.filter(action="token.revoke").count() == 1


def test_others_tokens_are_seen_and_withdrawn_by_admins_alone(
    visit: Visit, alice: User, bob: User, carol: User, project: Project
) -> None:
    token = made(bob, project).token
    assert "builder" not in visit(carol).get(PAGE).content.decode()
    assert visit(carol).post(f"{PAGE}{token.pk}/revoke/").status_code == 404
    assert "builder" in visit(alice).get(PAGE).content.decode()
    assert visit(alice).post(f"{PAGE}{token.pk}/revoke/").status_code == 303


def test_another_project_is_read_only_if_the_token_names_it_and_its_maker_sees_it(
    bob: User, project: Project
) -> None:
    other = Project.objects.create(name="other")
    with pytest.raises(Refused, match="no member of one of these"):
        made(bob, project, also_reads=[other])
    member = Membership.objects.create(user=bob, project=other, role=Role.ADMIN)
    plain = tokens.admit(username="bob", text=made(bob, project).text)
    wide = tokens.admit(username="bob", text=made(bob, project, also_reads=[other]).text)
    assert not plain.reads("other")
    assert wide.reads("other") and not wide.may("other", Role.OPERATOR)
    member.delete()
    assert not wide.reads("other")


def test_the_page_offers_other_projects_only_where_there_are_some(visit: Visit, bob: User) -> None:
    assert "May also use" not in visit(bob).get(f"{PAGE}new/").content.decode()
    other = Project.objects.create(name="other")
    Membership.objects.create(user=bob, project=other, role=Role.VIEWER)
    ask(visit(bob), also_reads=[other.pk])
    assert list(AccessToken.objects.get().also_reads.all()) == [other]


OWN = "/account/tokens/"


def test_a_token_for_all_projects_is_made_on_the_accounts_page(visit: Visit, bob: User) -> None:
    browser = visit(bob)
    assert_well_made(browser.get(f"{OWN}new/").content.decode())
    page = browser.post(f"{OWN}new/", {"name": "laptop", "role": "admin", "days": "30"}).content.decode()
    assert_well_made(page)
    text = TOKEN.findall(page)[0]
    assert AccessToken.objects.get().project is None
    listed = browser.get(OWN).content.decode()
    assert_well_made(listed)
    assert "all of yours" in listed and text not in listed
    assert AuditEvent.objects.get(action="token.make").project is None


def test_it_acts_in_each_project_as_far_as_its_maker(bob: User, project: Project) -> None:
    other = Project.objects.create(name="other")
    text = tokens.make(actor=bob, project=None, name="laptop", role=Role.ADMIN, days=7).text
    admitted = tokens.admit_bearer(text)
    assert (admitted.role_in(project), admitted.role_in(other)) == (Role.OPERATOR, None)
    assert admitted.may("serbest", Role.OPERATOR) and not admitted.may("serbest", Role.ADMIN)
    assert not admitted.may("other", Role.VIEWER) and not admitted.may("nowhere", Role.VIEWER)
    Membership.objects.create(user=bob, project=other, role=Role.ADMIN)
    assert admitted.role_in(other) is Role.ADMIN and admitted.reads("other")
    low = tokens.admit_bearer(tokens.make(actor=bob, project=None, name="low", role=Role.VIEWER, days=7).text)
    assert low.role_in(other) is Role.VIEWER and not low.may("other", Role.OPERATOR)


def test_layers_of_another_project_are_no_right_to_call_the_api_for_it(bob: User, project: Project) -> None:
    other = Project.objects.create(name="other")
    Membership.objects.create(user=bob, project=other, role=Role.ADMIN)
    admitted = tokens.admit_bearer(made(bob, project, also_reads=[other]).text)
    assert (admitted.role_in(project), admitted.role_in(other)) == (Role.OPERATOR, None)


def test_own_tokens_are_withdrawn_by_their_maker_alone(
    visit: Visit, bob: User, alice: User, project: Project
) -> None:
    token = tokens.make(actor=bob, project=None, name="laptop", role=Role.VIEWER, days=7).token
    assert visit(alice).post(f"{OWN}{token.pk}/revoke/").status_code == 404
    assert "laptop" not in visit(alice).get(f"{PAGE}").content.decode()
    assert visit(bob).post(f"{OWN}{token.pk}/revoke/").status_code == 303
    assert visit(bob).post(f"{OWN}{token.pk}/revoke/", follow=True).content.decode().count("was withdrawn already")
