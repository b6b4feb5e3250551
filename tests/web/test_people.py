"""What administrators do to accounts, and what nobody can do to the last administrator."""

from __future__ import annotations

import pytest

from ffsweb.accounts import invitations
from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent

from .conftest import Visit
from .markup import assert_well_made

pytestmark = pytest.mark.django_db


def _again(user: User) -> User:
    return User.objects.get(pk=user.pk)


def test_everybody_is_listed(root: User, alice: User, mallory: User, visit: Visit) -> None:
    html = visit(root).get("/system/people/").content.decode()
    assert_well_made(html)
    assert all(name in html for name in ("root", "alice", "mallory"))


def test_the_list_takes_as_many_queries_for_many(
    root: User, visit: Visit, django_assert_max_num_queries: object
) -> None:
    for number in range(30):
        User.objects.create(username=f"person{number}")
    browser = visit(root)
    with django_assert_max_num_queries(6):  # type: ignore[operator]
        browser.get("/system/people/")


def test_deactivating_ends_sessions_and_withdraws_links(
    project: Project, root: User, alice: User, visit: Visit
) -> None:
    hers = visit(alice)
    made = invitations.invite(actor=alice, username="dave", project=project)
    visit(root).post("/system/people/alice/deactivate/")
    assert hers.get("/account/").status_code == 302
    assert visit(None).get(f"/account/join/{made.token}/").status_code == 404
    visit(root).post("/system/people/alice/activate/")
    assert _again(alice).is_active
    assert hers.get("/account/").status_code == 302, "an ended session came back"
    assert visit(None).get(f"/account/join/{made.token}/").status_code == 404


def test_ending_sessions_ends_them(root: User, bob: User, visit: Visit) -> None:
    his = visit(bob)
    visit(root).post("/system/people/bob/end-sessions/")
    assert his.get("/account/").status_code == 302


def test_an_administrator_is_made_and_unmade(root: User, bob: User, visit: Visit) -> None:
    visit(root).post("/system/people/bob/make-administrator/")
    assert visit(bob).get("/system/people/").status_code == 200
    visit(root).post("/system/people/bob/remove-administrator/")
    assert visit(bob).get("/system/people/").status_code == 403
    assert list(AuditEvent.objects.filter(action__startswith="user.adm").values_list("action", "target")) == [
        ("user.administrator-remove", "bob"),
        ("user.administrator-add", "bob"),
    ]


@pytest.mark.parametrize("verb", ["deactivate", "remove-administrator"])
def test_the_last_administrator_stays(verb: str, root: User, bob: User, visit: Visit) -> None:
    response = visit(root).post(f"/system/people/root/{verb}/", follow=True)
    assert response.status_code == 200
    assert _again(root).is_administrator
    assert _again(root).is_active


def test_a_deactivated_administrator_does_not_count_as_another(root: User, visit: Visit) -> None:
    User.objects.create(username="gone", is_administrator=True, is_active=False)
    visit(root).post("/system/people/root/remove-administrator/")
    assert _again(root).is_administrator


def test_nobody_deactivates_themselves(root: User, visit: Visit) -> None:
    User.objects.create(username="other", is_administrator=True)
    response = visit(root).post("/system/people/root/deactivate/", follow=True)
    assert "You cannot deactivate your own account" in response.content.decode()
    assert _again(root).is_active


def test_there_is_nothing_else_to_do_to_an_account(root: User, bob: User, visit: Visit) -> None:
    assert visit(root).post("/system/people/bob/delete/").status_code == 404
    assert visit(root).post("/system/people/nobody/deactivate/").status_code == 404


def test_nothing_happens_by_looking(root: User, bob: User, visit: Visit) -> None:
    assert visit(root).get("/system/people/bob/deactivate/").status_code == 405
    assert_well_made(visit(root).get("/system/people/bob/").content.decode())
    assert _again(bob).is_active


def test_any_link_can_be_withdrawn(project: Project, root: User, alice: User, visit: Visit) -> None:
    made = invitations.invite(actor=alice, username="dave", project=project)
    browser = visit(root)
    assert "dave" in browser.get("/system/people/").content.decode()
    browser.post(f"/system/links/{made.link.pk}/withdraw/")
    response = browser.post(f"/system/links/{made.link.pk}/withdraw/", follow=True)
    assert "used or withdrawn already" in response.content.decode()
    assert visit(None).get(f"/account/join/{made.token}/").status_code == 404


def test_a_person_changes_their_own_profile(bob: User, visit: Visit) -> None:
    browser = visit(bob)
    assert browser.post("/account/", {"first_name": "Robert", "email": "bob@example.org"}).status_code == 303
    assert (_again(bob).first_name, _again(bob).email) == ("Robert", "bob@example.org")
    assert browser.post("/account/", {"first_name": "Bob", "email": "not an address"}).status_code == 422
    assert _again(bob).first_name == "Robert"


def test_a_profile_changes_no_rights(bob: User, visit: Visit) -> None:
    visit(bob).post(
        "/account/", {"first_name": "Bob", "is_administrator": "on", "username": "root", "is_staff": "on"}
    )
    assert (_again(bob).is_administrator, _again(bob).is_staff, _again(bob).username) == (False, False, "bob")
