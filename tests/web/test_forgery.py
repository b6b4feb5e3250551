"""A form of another site changes nothing."""

from __future__ import annotations

import pytest
from django.test import Client

from ffsweb.accounts.models import Project, User
from ffsweb.accounts.setup import first_admin_link

from .conftest import PASSWORD
from .markup import assert_well_made

pytestmark = pytest.mark.django_db


@pytest.fixture
def browser(alice: User) -> Client:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(alice)
    return browser


@pytest.mark.parametrize(
    "path",
    [
        "/projects/serbest/remove/",
        "/projects/serbest/edit/",
        "/projects/serbest/members/add/",
        "/projects/serbest/members/alice/remove/",
        "/account/",
        "/account/password/",
        "/account/logout/",
        "/account/sessions/end/",
    ],
)
def test_a_post_without_the_token_is_refused(path: str, browser: Client, project: Project) -> None:
    response = browser.post(path, {"name": "serbest", "title": "stolen"})
    assert response.status_code == 403
    assert "Nothing was changed" in response.content.decode()
    assert_well_made(response.content.decode())
    project.refresh_from_db()
    assert project.title == "Serbest web shop"
    assert browser.get("/account/").status_code == 200


def test_the_token_of_the_page_is_taken(browser: Client, project: Project) -> None:
    page = browser.get("/projects/serbest/edit/")
    token = page.context["csrf_token"]
    assert (
        browser.post("/projects/serbest/edit/", {"title": "Shop", "csrfmiddlewaretoken": str(token)}).status_code
        == 303
    )


def test_the_token_in_the_header_is_taken(browser: Client, project: Project) -> None:
    token = browser.get("/projects/serbest/edit/").context["csrf_token"]
    response = browser.post("/projects/serbest/edit/", {"title": "Shop"}, headers={"X-CSRFToken": str(token)})
    assert response.status_code == 303


def test_log_in_and_joining_are_guarded_too() -> None:
    browser = Client(enforce_csrf_checks=True)
    link = first_admin_link()
    assert link is not None
    assert (
        browser.post(link, {"username": "eve", "password": PASSWORD, "password_again": PASSWORD}).status_code == 403
    )
    assert browser.post("/account/login/", {"login": "alice", "password": PASSWORD}).status_code == 403
    assert not User.objects.exists()


def test_pages_say_what_a_browser_may_load() -> None:
    answer = Client().get("/account/login/")
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy + ";"
    assert "unsafe" not in policy
    assert answer["Cache-Control"].startswith(("no-store", "max-age=0"))
    assert "no-store" in answer["Cache-Control"]
    assert answer["X-Frame-Options"] == "DENY"
    assert "HX-Request" in answer["Vary"]
    assert "camera=()" in answer["Permissions-Policy"]
