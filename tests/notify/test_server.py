"""How the worker comes to the mail server: protected, logged in, and with a password that no other server gets."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from ffsweb.accounts.models import User
from ffsweb.notify import sending, server, services
from ffsweb.notify.letter import Letter
from ffsweb.notify.models import MailServer as Row
from ffsweb.notify.models import Message
from ffsweb.notify.outbox import queue
from tests.certificates.material import issue

from .conftest import Serving
from .mailserver import PASSWORD, MailServer, with_certificate


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A certificate for localhost that this process trusts, and its key."""
    issued = issue("localhost", names=("localhost",))
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(issued.pem)
    key.write_bytes(issued.key_pem())
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return str(certificate), str(key)


def save(actor: User, mail_server: MailServer, **fields: Any) -> None:
    given = {"host": "localhost", "port": mail_server.port, "tls": "starttls", "user": "ffsweb", "password": PASSWORD}
    services.save_server(actor=actor, fields={**given, "sender": "ffsweb@example.org", "base_url": "", **fields})


def error_after_sending() -> str:
    queue(Letter(subject="x", happened="y"), to=["alice@example.org"], key="event", kind="test")
    sending.send_due()
    return Message.objects.get().last_error


@pytest.mark.parametrize("tls", ["starttls", "tls"])
def test_mail_goes_over_tls_with_a_log_in(
    serving: Serving, files: tuple[str, str], people: dict[str, User], tls: str
) -> None:
    context = with_certificate(*files)
    if tls == "starttls":
        mail_server = serving(tls_context=context, require_starttls=True, auth_required=True)
    else:
        mail_server = serving(ssl_context=context, auth_require_tls=False)
    save(people["alice"], mail_server, tls=tls)
    assert error_after_sending() == ""
    assert mail_server.addresses() == ["alice@example.org"]
    assert mail_server.logins == [(b"ffsweb", PASSWORD.encode())]


def test_a_server_without_starttls_gets_neither_password_nor_mail(
    mail_server: MailServer, people: dict[str, User]
) -> None:
    save(people["alice"], mail_server)
    assert "does not offer" in error_after_sending()
    assert (mail_server.logins, mail_server.taken) == ([], [])


def test_a_certificate_that_nobody_vouches_for_stops_it(
    serving: Serving, files: tuple[str, str], people: dict[str, User], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    mail_server = serving(tls_context=with_certificate(*files))
    save(people["alice"], mail_server)
    assert "No safe connection" in error_after_sending()
    assert (mail_server.logins, mail_server.taken) == ([], [])


def test_a_wrong_password_is_told_without_showing_it(
    serving: Serving, files: tuple[str, str], people: dict[str, User]
) -> None:
    mail_server = serving(auth_required=True, tls_context=with_certificate(*files))
    save(people["alice"], mail_server, password="not-the-right-one")
    error = error_after_sending()
    assert "refused the user name or the password (status 535)" in error
    assert "not-the-right-one" not in error
    assert Message.objects.get().state == "queued"


def test_mail_in_the_clear_goes_to_no_other_machine(transactional_db: None) -> None:
    Row.objects.create(pk=1, host="192.0.2.1", port=25, tls="none", sender="ffsweb@example.org")
    assert "with TLS only" in error_after_sending()


def test_a_stored_password_opens_for_no_other_server(people: dict[str, User], mail_server: MailServer) -> None:
    save(people["alice"], mail_server)
    stored = server.in_use()
    assert stored is not None
    assert stored.password is not None
    assert stored.password.reveal_text() == PASSWORD
    assert PASSWORD.encode() not in bytes(Row.objects.get().sealed_password or b"")
    Row.objects.update(host="evil.example.org")
    assert "cannot be opened" in error_after_sending()


def test_a_new_place_without_a_password_forgets_the_old_one(people: dict[str, User], mail_server: MailServer) -> None:
    save(people["alice"], mail_server)
    save(people["alice"], mail_server, password="")
    assert Row.objects.get().sealed_password is not None, "the same place: it stays"
    save(people["alice"], mail_server, password="", host="127.0.0.1")
    assert Row.objects.get().sealed_password is None


def test_a_web_process_cannot_open_it(people: dict[str, User], mail_server: MailServer, settings: Any) -> None:
    save(people["alice"], mail_server)
    settings.PROCESS = "web"
    with pytest.raises(ImproperlyConfigured):
        server.in_use()


def test_the_server_of_the_environment_counts_until_one_is_entered(transactional_db: None, settings: Any) -> None:
    assert server.in_use() is None
    settings.EMAIL_BACKEND = server.SMTP
    settings.EMAIL_HOST, settings.EMAIL_PORT, settings.EMAIL_USE_TLS = "mx.example.org", 587, True
    settings.DEFAULT_FROM_EMAIL = "Fleet <fleet@example.org>"
    found = server.in_use()
    assert found is not None
    assert (found.host, found.port, found.tls, found.sender, found.password) == (
        "mx.example.org", 587, "starttls", "fleet@example.org", None,
    )  # fmt: skip
    Row.objects.create(pk=1, host="127.0.0.1", port=25, tls="none", sender="ffsweb@example.org")
    found = server.in_use()
    assert found is not None
    assert found.host == "127.0.0.1"


def test_a_server_that_refuses_the_sender_loses_no_mail(mail_server: MailServer, monkeypatch: Any) -> None:
    async def refuse(*_: Any) -> str:
        return "553 5.7.1 Sender address rejected"

    mail_server.handle_MAIL = refuse  # type: ignore[attr-defined]
    error = error_after_sending()
    assert error == "The server refuses the sender ffsweb@example.org: 553 5.7.1 Sender address rejected."
    assert Message.objects.get().state == "queued"
