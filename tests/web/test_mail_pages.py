"""The pages of mail: an administrator enters the server, members choose what they get."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent
from ffsweb.notify.models import ListedAddress, MailServer, Message, Muted

from .conftest import Visit

pytestmark = pytest.mark.django_db

PAGE = "/system/mail/"
SERVER = {
    "host": "mx.example.org",
    "port": "587",
    "tls": "starttls",
    "user": "ffsweb",
    "password": "mail-password",
    "sender": "ffsweb@example.org",
    "base_url": "",
}
NOTIFICATIONS = "/projects/serbest/notifications/"


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


def message(**fields: Any) -> Message:
    now = timezone.now()
    given = {"key": "k", "kind": "test", "address": "bob@example.org", "subject": "A mail", "created_at": now}
    return Message.objects.create(**{**given, "next_at": now, "give_up_at": now, **fields})


@pytest.fixture
def mailable(alice: User, bob: User, carol: User) -> None:
    for user in (alice, bob, carol):
        user.email = f"{user.username}@example.org"
        user.save()


def test_an_administrator_enters_the_server_and_its_password_is_never_shown(visit: Visit, root: User) -> None:
    client = visit(root)
    assert "There is none yet." in text_of(client.get(PAGE))
    text = text_of(client.post(PAGE, SERVER, follow=True))
    assert "Saved." in text
    row = MailServer.objects.get()
    assert (row.pk, row.host, row.port, row.user) == (1, "mx.example.org", 587, "ffsweb")
    assert row.sealed_password is not None
    assert "mail-password" not in text
    assert "mail-password" not in "".join(AuditEvent.objects.values_list("detail_json", flat=True))
    sealed = bytes(row.sealed_password)
    client.post(PAGE, {**SERVER, "password": "", "sender": "other@example.org"})
    row.refresh_from_db()
    assert (row.sender, bytes(row.sealed_password or b"")) == ("other@example.org", sealed)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("host", "mx.example.org:25", "without port and scheme"),
        ("host", "https://mx.example.org", "without port and scheme"),
        ("host", "mx.example.org\nX", "without port and scheme"),
        ("port", "0", "greater than or equal to 1"),
        ("tls", "none", "only a server on this machine"),
        ("sender", "x@example.org\r\nBcc: y@example.org", "valid email address"),
        ("sender", "üñï@example.org", ""),
        ("base_url", "ffs.example.org", "scheme and host alone"),
        ("base_url", "javascript:alert(1)", "scheme and host alone"),
    ],
)
def test_what_cannot_be_used_is_refused(visit: Visit, root: User, field: str, value: str, said: str) -> None:
    answer = visit(root).post(PAGE, {**SERVER, field: value})
    assert answer.status_code == 422
    assert said in text_of(answer)
    assert "mail-password" not in text_of(answer)
    assert not MailServer.objects.exists()


def test_another_server_needs_its_own_password(visit: Visit, root: User) -> None:
    client = visit(root)
    client.post(PAGE, SERVER)
    answer = client.post(PAGE, {**SERVER, "host": "evil.example.org", "password": ""})
    assert answer.status_code == 422
    assert "counts for its own server" in text_of(answer)
    assert MailServer.objects.get().host == "mx.example.org"


def test_a_test_mail_goes_to_whoever_asks_and_is_seen_on_the_page(visit: Visit, root: User) -> None:
    client = visit(root)
    assert "Your account has no e-mail address." in text_of(client.post(f"{PAGE}test/", follow=True))
    root.email = "root@example.org"
    root.save()
    text = text_of(client.post(f"{PAGE}test/", follow=True))
    assert "A mail to root@example.org is on its way" in text
    assert "A test mail" in text
    Message.objects.update(last_error="The mail server mx.example.org:587 could not be reached: refused.", attempts=1)
    assert "could not be reached" in text_of(client.get(PAGE))
    Message.objects.update(state="sent", last_error="")
    assert "Sent: 1" in text_of(client.get(PAGE, headers={"HX-Request": "true"}))


def test_a_mail_that_was_given_up_is_tried_again_by_a_button(visit: Visit, root: User) -> None:
    row = message(state="given_up", last_error="550 No such <user>")
    client = visit(root)
    assert "550 No such &lt;user&gt;" in text_of(client.get(f"{PAGE}?state=given_up"))
    assert "A mail" not in text_of(client.get(f"{PAGE}?state=sent"))
    assert "It is tried again now." in text_of(client.post(f"{PAGE}{row.pk}/again/", follow=True))
    row.refresh_from_db()
    assert row.state == "queued"
    Message.objects.update(state="sent")
    assert "It was sent meanwhile." in text_of(client.post(f"{PAGE}{row.pk}/again/", follow=True))


def test_the_server_is_removed_with_its_password(visit: Visit, root: User) -> None:
    client = visit(root)
    client.post(PAGE, SERVER)
    client.post(f"{PAGE}remove/")
    assert not MailServer.objects.exists()
    assert client.post(f"{PAGE}remove/").status_code == 303


def test_the_outbox_asks_as_much_for_many_mails_as_for_few(
    visit: Visit, root: User, project: Project, django_assert_max_num_queries: Any
) -> None:
    for at in range(120):
        message(key=f"k{at}", project=project)
    client = visit(root)
    with django_assert_max_num_queries(10):
        assert client.get(PAGE).status_code == 200


def test_a_member_chooses_for_themselves_alone(visit: Visit, bob: User, alice: User, mailable: None) -> None:
    client = visit(bob)
    text = text_of(client.get(NOTIFICATIONS))
    assert "An operation did not succeed" in text
    assert "bob@example.org" in text
    assert "alice@example.org" not in text
    assert client.post(f"{NOTIFICATIONS}people/bob/").status_code == 303
    assert "operation" in Muted.objects.filter(user=bob).values_list("kind", flat=True)
    assert client.post(f"{NOTIFICATIONS}people/bob/", {"kind": ["operation", "no such kind"]}).status_code == 303
    assert "operation" not in Muted.objects.values_list("kind", flat=True)
    assert client.post(f"{NOTIFICATIONS}people/alice/").status_code == 403
    assert not Muted.objects.filter(user=alice).exists()


def test_an_admin_chooses_for_others_and_lists_addresses(
    visit: Visit, alice: User, bob: User, carol: User, mailable: None
) -> None:
    client = visit(alice)
    client.post(f"{NOTIFICATIONS}people/bob/")
    assert Muted.objects.filter(user=bob).exists()
    assert client.post(f"{NOTIFICATIONS}people/carol/").status_code == 404, "a viewer is not mailed"
    for address in ("oncall@example.org", "OnCall@example.org"):
        assert client.post(f"{NOTIFICATIONS}addresses/", {"address": address}).status_code == 303
    row = ListedAddress.objects.get()
    assert "oncall@example.org" in text_of(client.get(NOTIFICATIONS))
    assert client.post(f"{NOTIFICATIONS}addresses/", {"address": "no address"}).status_code == 422
    client.post(f"{NOTIFICATIONS}addresses/{row.pk}/remove/")
    assert not ListedAddress.objects.exists()


def test_addresses_have_an_end(visit: Visit, alice: User, project: Project) -> None:
    for at in range(20):
        ListedAddress.objects.create(project=project, address=f"a{at}@example.org")
    answer = visit(alice).post(f"{NOTIFICATIONS}addresses/", {"address": "one-more@example.org"})
    assert "Use a mailing list." in text_of(answer)
    assert ListedAddress.objects.count() == 20


def test_an_address_of_another_project_cannot_be_removed(visit: Visit, alice: User) -> None:
    other = ListedAddress.objects.create(project=Project.objects.create(name="other"), address="a@example.org")
    assert visit(alice).post(f"{NOTIFICATIONS}addresses/{other.pk}/remove/").status_code == 404
    assert ListedAddress.objects.exists()


def test_a_viewer_reads_and_changes_nothing(visit: Visit, carol: User, bob: User, mailable: None) -> None:
    client = visit(carol)
    text = text_of(client.get(NOTIFICATIONS))
    assert "bob@example.org" not in text
    assert "no mail server yet" in text
    assert client.post(f"{NOTIFICATIONS}people/carol/").status_code == 403
    assert client.post(f"{NOTIFICATIONS}addresses/", {"address": "x@example.org"}).status_code == 403
