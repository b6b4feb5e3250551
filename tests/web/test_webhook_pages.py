"""The pages of webhooks: of a project, and of the installation."""

from __future__ import annotations

import re

import pytest

from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent
from ffsweb.webhooks.models import Delivery, Endpoint

from .conftest import Visit
from .markup import assert_well_made

pytestmark = pytest.mark.django_db
WEBHOOKS = "/projects/serbest/webhooks/"
URL = "https://hooks.example.org/in/path-that-is-a-secret"


def make(visit: Visit, who: User, at: str = WEBHOOKS, **fields: object) -> str:
    answer = visit(who).post(f"{at}new/", {"url": URL, "events": ["operation.failed"], **fields})
    assert answer.status_code == 200, answer.content.decode()
    assert_well_made(answer.content.decode())
    return answer.content.decode()


def test_a_webhook_is_made_and_its_secret_is_shown_once(project: Project, alice: User, visit: Visit) -> None:
    shown = make(visit, alice)
    secret = re.findall(r"whsec_[A-Za-z0-9+/=]{44}", shown)[0]
    row = Endpoint.objects.get()
    assert (row.project, row.url, row.events) == (project, URL, ["operation.failed"])
    for path in (WEBHOOKS, f"{WEBHOOKS}{row.pk}/", f"{WEBHOOKS}{row.pk}/edit/"):
        page = visit(alice).get(path)
        assert_well_made(page.content.decode())
        assert secret not in page.content.decode()
    event = AuditEvent.objects.get(action="webhook.add")
    assert event.target == "https://hooks.example.org"
    assert "path-that-is-a-secret" not in str(event.detail) and secret not in str(event.detail)


def test_only_admins_of_the_project_see_its_webhooks(
    project: Project, alice: User, bob: User, mallory: User, visit: Visit
) -> None:
    make(visit, alice)
    at = f"{WEBHOOKS}{Endpoint.objects.get().pk}/"
    assert [visit(who).get(at).status_code for who in (alice, bob, mallory)] == [200, 403, 404]
    other = Project.objects.create(name="other")
    Endpoint.objects.update(project=other)
    assert visit(alice).get(at).status_code == 404
    assert visit(alice).post(f"{at}act/", {"verb": "off"}).status_code == 404


def test_the_installations_webhooks_are_its_administrators(alice: User, root: User, visit: Visit) -> None:
    make(visit, root, "/system/webhooks/")
    at = f"/system/webhooks/{Endpoint.objects.get().pk}/"
    assert Endpoint.objects.get().project is None
    for path in ("/system/webhooks/", at, f"{at}edit/", f"{at}remove/"):
        assert_well_made(visit(root).get(path).content.decode())
        assert visit(alice).get(path).status_code == 403
    assert visit(alice).get(f"{WEBHOOKS}{Endpoint.objects.get().pk}/").status_code == 404


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://hooks.example.org/", "Write an https address"),
        ("https://alice:pw@hooks.example.org/", "without user and password"),
        ("https://127.1/", "neither a name nor an IP address"),
        ("nonsense", "Write a whole address"),
    ],
)
def test_an_address_that_cannot_be_is_refused(alice: User, visit: Visit, url: str, said: str) -> None:
    answer = visit(alice).post(f"{WEBHOOKS}new/", {"url": url, "events": ["operation.failed"]})
    assert answer.status_code == 422 and said in answer.content.decode()
    assert not Endpoint.objects.exists()


def test_it_is_changed_tested_rotated_switched_off_and_on_and_removed(
    project: Project, alice: User, visit: Visit
) -> None:
    first = make(visit, alice)
    browser, at = visit(alice), f"{WEBHOOKS}{Endpoint.objects.get().pk}/"
    browser.post(f"{at}edit/", {"url": f"{URL}-2", "events": ["node.unreachable"]})
    assert Endpoint.objects.get().events == ["node.unreachable"]
    browser.post(f"{at}act/", {"verb": "test"})
    delivery = Delivery.objects.get()
    page = browser.get(at)
    assert_well_made(page.content.decode())
    assert "Waiting" in page.content.decode() and delivery.identity in page.content.decode()
    second = browser.post(f"{at}act/", {"verb": "rotate"}).content.decode()
    keys = [re.findall(r"whsec_[A-Za-z0-9+/=]{44}", text)[0] for text in (first, second)]
    assert keys[0] != keys[1] and Endpoint.objects.get().old_until is not None
    browser.post(f"{at}act/", {"verb": "forget-old"})
    assert Endpoint.objects.get().sealed_old_secret is None
    browser.post(f"{at}act/", {"verb": "off"})
    delivery.refresh_from_db()
    assert Endpoint.objects.get().stopped == "Switched off by alice." and delivery.state == "given_up"
    browser.post(f"{at}deliveries/{delivery.pk}/again/")
    delivery.refresh_from_db()
    assert delivery.state == "given_up"
    browser.post(f"{at}act/", {"verb": "on"})
    browser.post(f"{at}deliveries/{delivery.pk}/again/")
    delivery.refresh_from_db()
    assert Endpoint.objects.get().stopped == "" and delivery.state == "queued"
    assert browser.post(f"{at}remove/", {"name": "something else"}).status_code == 422
    browser.post(f"{at}remove/", {"name": "https://hooks.example.org"})
    assert not Endpoint.objects.exists() and not Delivery.objects.exists()


def test_a_project_has_so_many_webhooks_and_no_more(
    project: Project, alice: User, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ffsweb.webhooks.services.MOST", 1)
    make(visit, alice)
    answer = visit(alice).post(f"{WEBHOOKS}new/", {"url": URL, "events": ["operation.failed"]})
    assert answer.status_code == 422 and "webhooks already" in answer.content.decode()
