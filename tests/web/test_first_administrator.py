"""The first administrator comes in by a one-time link, and only while there is none."""

from __future__ import annotations

import datetime as dt

import pytest
import time_machine
from django.test import Client

from ffsweb.accounts.models import OneTimeLink, User
from ffsweb.accounts.setup import first_admin_link
from ffsweb.audit.models import AuditEvent

from .markup import assert_well_made

pytestmark = pytest.mark.django_db

GOOD = {
    "username": "ruth",
    "full_name": "Ruth Root",
    "password": "correct horse battery staple",
    "password_again": "correct horse battery staple",
}


def _link() -> str:
    link = first_admin_link()
    assert link is not None
    return link


def test_it_makes_the_administrator_and_logs_them_in() -> None:
    browser, link = Client(), _link()
    assert_well_made(browser.get(link).content.decode())
    assert browser.post(link, GOOD)["Location"] == "/"
    user = User.objects.get()
    assert (user.username, user.is_administrator, user.is_superuser, user.is_staff) == ("ruth", True, False, False)
    assert browser.get("/system/people/").status_code == 200
    assert set(AuditEvent.objects.values_list("action", "actor_name")) == {
        ("setup.first-administrator", "ruth"),
        ("session.log-in", "ruth"),
    }


def test_reading_the_page_spends_nothing() -> None:
    browser, link = Client(), _link()
    for _ in range(3):
        assert browser.get(link).status_code == 200
    assert browser.post(link, GOOD).status_code == 302


def test_it_works_once() -> None:
    link = _link()
    Client().post(link, GOOD)
    second = Client().post(link, {**GOOD, "username": "eve"})
    assert second.status_code == 404
    assert User.objects.count() == 1


def test_there_is_no_link_once_there_is_an_administrator(root: User) -> None:
    assert first_admin_link() is None


def test_a_link_made_before_is_dead_once_there_is_an_administrator() -> None:
    link = _link()
    User.objects.create_user("root", is_administrator=True)
    assert Client().get(link).status_code == 404
    assert Client().post(link, GOOD).status_code == 404
    assert not User.objects.filter(username="ruth").exists()


def test_a_new_link_withdraws_the_one_before() -> None:
    old, new = _link(), _link()
    assert Client().get(old).status_code == 404
    assert Client().get(new).status_code == 200


def test_it_is_too_old_after_a_day() -> None:
    with time_machine.travel(dt.datetime(2026, 11, 24, 12, tzinfo=dt.UTC), tick=False) as clock:
        link = _link()
        clock.shift(dt.timedelta(hours=23, minutes=59))
        assert Client().get(link).status_code == 200
        clock.shift(dt.timedelta(minutes=2))
        assert Client().post(link, GOOD).status_code == 404
    assert not User.objects.exists()


def test_the_database_does_not_hold_the_token() -> None:
    token = _link().strip("/").split("/")[-1]
    stored = OneTimeLink.objects.get()
    assert len(token) >= 43
    assert token not in [str(getattr(stored, field.attname)) for field in OneTimeLink._meta.concrete_fields]


def test_the_address_can_be_given() -> None:
    link = first_admin_link("http://127.0.0.1:8000/")
    assert link is not None
    assert link.startswith("http://127.0.0.1:8000/account/first/")


@pytest.mark.parametrize(
    "change",
    [
        {"password_again": "something else entirely"},
        {"password": "short", "password_again": "short"},
        {"password": "password1234", "password_again": "password1234"},
        {
            "username": "a-very-long-unusual-name",
            "password": "a-very-long-unusual-name",
            "password_again": "a-very-long-unusual-name",
        },
        {"username": ""},
        {"username": "Ruth"},
        {"username": "../ruth"},
        {"username": "ruth\n"},
        {"username": "x" * 33},
        {"password": "x" * 300, "password_again": "x" * 300},
    ],
)
def test_bad_answers_are_named_and_the_link_stays_good(change: dict[str, str]) -> None:
    browser, link = Client(), _link()
    response = browser.post(link, {**GOOD, **change})
    if change.get("username") == "ruth\n":  # a browser's text field takes no newline; Django strips it
        assert response.status_code == 302
        return
    assert response.status_code == 422
    assert_well_made(response.content.decode())
    assert not User.objects.exists()
    assert browser.post(link, GOOD).status_code == 302


@pytest.mark.parametrize("token", ["x", "../x", "%00", "é", "a" * 5000])
def test_a_made_up_link_leads_nowhere(token: str) -> None:
    _link()
    assert Client().get(f"/account/first/{token}/").status_code == 404
