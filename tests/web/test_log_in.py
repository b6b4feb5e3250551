"""Log-in, log-out, sessions and the second factor."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
import time

import pytest
from allauth.mfa.models import Authenticator
from django.contrib.sessions.models import Session
from django.http import HttpResponse
from django.test import Client

from ffsweb.accounts.models import User
from ffsweb.audit.models import AuditEvent
from ffsweb.sealed import CannotOpen

from .conftest import PASSWORD, Visit
from .markup import assert_well_made

pytestmark = pytest.mark.django_db


def _log_in(browser: Client, name: str = "bob", password: str = PASSWORD) -> HttpResponse:
    return browser.post("/account/login/", {"login": name, "password": password})


def _actions() -> list[str]:
    return list(AuditEvent.objects.order_by("sequence").values_list("action", flat=True))


def _totp(secret: str, at: float) -> str:
    """RFC 6238 with SHA-1, 30 seconds and six digits."""
    key = base64.b32decode(secret + "=" * (-len(secret) % 8))
    mac = hmac.new(key, struct.pack(">Q", int(at) // 30), hashlib.sha1).digest()
    start = mac[-1] & 15
    return f"{(struct.unpack('>I', mac[start : start + 4])[0] & 0x7FFFFFFF) % 1_000_000:06}"


def test_a_right_password_lets_in(bob: User) -> None:
    browser = Client()
    assert_well_made(browser.get("/account/login/").content.decode())
    assert _log_in(browser).status_code == 302
    assert browser.get("/account/").status_code == 200
    assert _actions() == ["session.log-in"]


def test_a_wrong_password_does_not_and_is_recorded(bob: User) -> None:
    browser = Client()
    response = _log_in(browser, password="wrong")
    assert_well_made(response.content.decode())
    assert browser.get("/account/").status_code == 302
    event = AuditEvent.objects.get()
    assert (event.action, event.target, event.source) == ("session.log-in-failed", "bob", "127.0.0.1")


def test_what_was_typed_as_a_name_is_not_kept_unless_it_is_one(bob: User) -> None:
    _log_in(Client(), name="my-secret-password")
    assert AuditEvent.objects.get().target == "an unknown name"
    assert "my-secret" not in str(AuditEvent.objects.values())


def test_guessing_is_limited(bob: User) -> None:
    answers = [_log_in(Client(), password=f"guess {number}").status_code for number in range(7)]
    assert answers[:5] == [200] * 5
    browser = Client()
    _log_in(browser)
    assert browser.get("/account/").status_code == 302, "the right password was taken after too many wrong ones"


def test_a_deactivated_account_is_not_let_in(bob: User) -> None:
    User.objects.filter(pk=bob.pk).update(is_active=False)
    browser = Client()
    _log_in(browser)
    assert browser.get("/account/").status_code == 302


def test_log_in_leads_to_no_other_site(bob: User) -> None:
    response = Client().post(
        "/account/login/?next=https://evil.example/", {"login": "bob", "password": PASSWORD, "next": "//evil.example"}
    )
    assert response["Location"] == "/"


def test_log_out_takes_a_post_and_is_recorded(bob: User, visit: Visit) -> None:
    browser = visit(bob)
    assert_well_made(browser.get("/account/logout/").content.decode())
    assert browser.get("/account/").status_code == 200
    browser.post("/account/logout/")
    assert browser.get("/account/").status_code == 302
    assert _actions()[-1] == "session.log-out"


def test_nobody_can_sign_up_or_reset_by_mail() -> None:
    for path in ("signup", "email", "password/reset", "password/set", "confirm-email", "login/code"):
        assert Client().get(f"/account/{path}/").status_code == 404


def test_the_database_does_not_hold_session_keys(bob: User) -> None:
    browser = Client()
    _log_in(browser)
    key = browser.session.session_key
    assert key
    assert not Session.objects.filter(pk=key).exists()
    assert Session.objects.filter(pk=hashlib.sha256(key.encode()).hexdigest()[:40]).exists()


def test_the_hash_of_a_session_is_no_session(bob: User) -> None:
    browser = Client()
    _log_in(browser)
    thief = Client()
    thief.cookies["ffsweb"] = Session.objects.get().pk
    assert thief.get("/account/").status_code == 302


def test_log_in_changes_the_session_key(bob: User) -> None:
    browser = Client()
    session = browser.session
    session["before"] = "log-in"
    session.save()
    before = session.session_key
    browser.cookies["ffsweb"] = before
    _log_in(browser)
    assert browser.session.session_key != before


def test_a_changed_password_ends_other_sessions_and_keeps_this_one(bob: User, visit: Visit) -> None:
    here, elsewhere = visit(bob), visit(bob)
    assert_well_made(here.get("/account/password/").content.decode())
    fresh = "another staple battery horse"
    response = here.post("/account/password/", {"oldpassword": PASSWORD, "password1": fresh, "password2": fresh})
    assert response.status_code == 302
    assert here.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 302
    assert "user.password-change" in _actions()


def test_ending_the_other_sessions_keeps_this_one(bob: User, visit: Visit) -> None:
    here, elsewhere = visit(bob), visit(bob)
    assert here.post("/account/sessions/end/").status_code == 303
    assert here.get("/account/").status_code == 200
    assert elsewhere.get("/account/").status_code == 302


def _set_up_factor(browser: Client) -> tuple[str, list[str]]:
    asked = browser.get("/account/2fa/app/on/")
    browser.post(asked["Location"], {"password": PASSWORD})
    page = browser.get("/account/2fa/app/on/").content.decode()
    assert_well_made(page)
    found = re.search(r'class="copy-text">([A-Z2-7]+)<', page)
    assert found
    secret = found.group(1)
    response = browser.post("/account/2fa/app/on/", {"code": _totp(secret, time.time())})
    codes_page = browser.get(response["Location"]).content.decode()
    assert_well_made(codes_page)
    return secret, re.findall(r"^\s*(?:<[^>]*>)*(\d{8})$", codes_page, re.MULTILINE)


@pytest.mark.django_db(transaction=True)
def test_a_second_factor_is_asked_for_and_sealed(bob: User, visit: Visit) -> None:
    secret, codes = _set_up_factor(visit(bob))
    assert len(codes) == 10
    kept = str(list(Authenticator.objects.values_list("data", flat=True)))
    assert secret not in kept
    assert "user.second-factor-add" in _actions()

    browser = Client()
    asked = _log_in(browser)
    assert asked["Location"].startswith("/account/2fa/authenticate/")
    assert browser.get("/account/").status_code == 302, "the password alone let in"
    assert_well_made(browser.get("/account/2fa/authenticate/").content.decode())
    browser.post("/account/2fa/authenticate/", {"code": "000000"})
    assert browser.get("/account/").status_code == 302
    assert _actions()[-1] == "session.second-factor-failed"
    browser.post("/account/2fa/authenticate/", {"code": _totp(secret, time.time())})
    assert browser.get("/account/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_recovery_code_works_once(bob: User, visit: Visit) -> None:
    _, codes = _set_up_factor(visit(bob))
    for first, status in ((True, 200), (False, 302)):
        browser = Client()
        _log_in(browser)
        browser.post("/account/2fa/authenticate/", {"code": codes[0]})
        assert browser.get("/account/").status_code == status, f"first: {first}"


@pytest.mark.django_db(transaction=True)
def test_cancelling_at_the_second_factor_starts_again(bob: User, visit: Visit) -> None:
    _set_up_factor(visit(bob))
    browser = Client()
    _log_in(browser)
    browser.post("/account/logout/", {"next": "/account/login/"})
    assert browser.get("/account/login/").status_code == 200


@pytest.mark.django_db(transaction=True)
def test_a_changed_seal_is_refused(bob: User, visit: Visit) -> None:
    _set_up_factor(visit(bob))
    factor = Authenticator.objects.get(type=Authenticator.Type.TOTP)
    sealed = bytearray(base64.b64decode(factor.data["secret"]))
    sealed[-1] ^= 1
    factor.data["secret"] = base64.b64encode(bytes(sealed)).decode()
    factor.save()
    with pytest.raises(CannotOpen):
        factor.wrap().validate_code("000000")


@pytest.mark.django_db(transaction=True)
def test_a_factor_can_be_turned_off_with_the_password_only(bob: User, visit: Visit) -> None:
    browser = visit(bob)
    _set_up_factor(browser)
    assert_well_made(browser.get("/account/2fa/").content.decode())
    assert_well_made(browser.get("/account/2fa/codes/new/").content.decode())
    page = browser.get("/account/2fa/app/off/")
    assert_well_made(page.content.decode())
    browser.post("/account/2fa/app/off/")
    assert not Authenticator.objects.exists()
    assert "user.second-factor-remove" in _actions()


def test_an_administrator_removes_a_lost_factor(root: User, bob: User, visit: Visit) -> None:
    Authenticator.objects.create(user=bob, type=Authenticator.Type.TOTP, data={"secret": "x"})
    visit(root).post("/system/people/bob/remove-second-factor/")
    assert not Authenticator.objects.exists()
    again = visit(root).post("/system/people/bob/remove-second-factor/", follow=True)
    assert "has no second factor" in again.content.decode()
