"""The health check of a service on its pages: described, refused with a reason, shown, and told of in the plan."""

from __future__ import annotations

import pytest

from deployments.models import Service
from ffsweb.accounts.models import User
from ffsweb.audit.models import AuditEvent
from tests.deployments.facts import read

from .conftest import Visit
from .described import Described
from .markup import assert_well_made
from .test_service_pages import FIELDS, WWW, service
from .test_service_supervision import text_of

__all__ = ["service"]

pytestmark = pytest.mark.django_db


def test_the_form_explains_it_and_what_is_described_is_kept_and_shown(
    visit: Visit, alice: User, carol: User, service: Service
) -> None:
    form = visit(alice).get(f"{WWW}edit/").content.decode()
    assert_well_made(form)
    assert "tcp://:5432" in form
    data = {**FIELDS, "health_check": " https://:443/healthz ", "health_from": "both"}
    assert visit(alice).post(f"{WWW}edit/", data).status_code == 303
    service.refresh_from_db()
    assert (service.health_check, service.health_from) == ("https://:443/healthz", "both")
    assert AuditEvent.objects.get(action="service.edit").detail["changed"] == ["health_check", "health_from"]
    page = visit(carol).get(WWW).content.decode()
    assert_well_made(page)
    assert "Health check https://:443/healthz asked from the dashboard and the node" in text_of(page)


def test_a_form_without_it_leaves_the_side_as_it_was(visit: Visit, alice: User, service: Service) -> None:
    Service.objects.update(health_check="tcp://:443", health_from="dashboard")
    assert visit(alice).post(f"{WWW}edit/", FIELDS).status_code == 303
    service.refresh_from_db()
    assert (service.health_check, service.health_from) == ("", "dashboard")
    assert "Health check none" in text_of(visit(alice).get(WWW).content.decode())


@pytest.mark.parametrize(
    ("line", "asked_from", "words"),
    [
        ("https://:444/", "node", "does not publish TCP port 444 of the host (it publishes 443)"),
        ("tcp://:8443", "dashboard", "does not publish TCP port 8443"),
        ("https://:0/", "node", "from 1 to 65535"),
        ("https://:443/a b", "node", "There is no space"),
        ("https://:443/\r\nHost: x", "node", "without tabs and control characters"),
        ("https://:443/\0", "node", "Null characters are not allowed"),
        ("https://:443/" + "a" * 290, "node", "at most 300 characters"),
        ("command: /app/check", "both", "only be asked from the node"),
        ("command: 'a", "node", "cannot be read"),
        ("www.example.org", "node", "none of the forms"),
        ("https://:443/", "elsewhere", "not one of the available choices"),
    ],
)
def test_what_cannot_be_asked_is_refused_with_the_reason(
    visit: Visit, alice: User, service: Service, line: str, asked_from: str, words: str
) -> None:
    data = {**FIELDS, "health_check": line, "health_from": asked_from}
    answer = visit(alice).post(f"{WWW}edit/", data)
    assert answer.status_code == 422
    assert words in text_of(answer.content.decode())
    service.refresh_from_db()
    assert service.health_check == ""


def test_a_port_cannot_be_taken_from_under_it(visit: Visit, alice: User, service: Service) -> None:
    data = {**FIELDS, "health_check": "https://:443/", "health_from": "node"}
    assert visit(alice).post(f"{WWW}edit/", data).status_code == 303
    assert visit(alice).post(f"{WWW}edit/", {**data, "ports": "444:8443"}).status_code == 422
    assert visit(alice).post(f"{WWW}edit/", {**data, "ports": "443:8443/udp"}).status_code == 422


def test_what_is_hostile_is_shown_as_text(visit: Visit, alice: User, service: Service) -> None:
    Service.objects.update(health_check="command: <b>x</b>")
    for address in (WWW, f"{WWW}edit/"):
        page = visit(alice).get(address).content.decode()
        assert "<b>x" not in page
        assert "&lt;b&gt;x&lt;/b&gt;" in page


@pytest.mark.parametrize(
    ("line", "tone", "words"),
    [
        ("https://:443/healthz", "OK", "The gate asks https://:443/healthz from the dashboard."),
        ("", "OK", "The service has none."),
        ("tcp://:5432", "Refused", "The service does not publish TCP port 5432 of the host"),
    ],
)
def test_the_plan_says_what_the_gate_will_ask(
    visit: Visit, bob: User, described: Described, service: Service, line: str, tone: str, words: str
) -> None:
    described.release(described.described_image())
    Service.objects.update(health_check=line, health_from="dashboard")
    read(service.node)
    answer = visit(bob).post("/projects/serbest/releases/1/plan/", {"service": service.pk}, follow=True)
    assert f"{tone} Health check {words}" in text_of(answer.content.decode())
