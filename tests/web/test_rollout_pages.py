"""How a release goes out is chosen on its page, shown in the plan, and what a service is owed can be forgotten."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.core.rollout import ASK, HOLD, OWE, PAUSE, Rollout
from deployments.forms.rollout import RolloutForm, values_of
from deployments.models import Owed, Plan, Release, Service
from ffsweb.accounts.models import User
from ffsweb.audit.models import AuditEvent
from tests.deployments.facts import read

from .conftest import Visit
from .described import Described
from .markup import assert_well_made

pytestmark = pytest.mark.django_db

CHOSEN = {"waves": "tag canary,  rest", "between": "ask", "tolerated": "1", "on_failure": "hold", "offline": "owe"}


@pytest.fixture
def services(described: Described) -> list[Service]:
    found = []
    for number in (1, 2, 3):
        node = described.node(f"node-{number}", f"192.0.2.{number}", tags=["canary"] if number == 3 else [])
        found.append(described.service(node))
        read(node)
    return found


@pytest.fixture
def release(described: Described) -> Release:
    return described.release(described.described_image())


def make(visit: Visit, person: User, services: list[Service], values: dict[str, Any]) -> Any:
    chosen = {"service": [service.pk for service in services], **values}
    return visit(person).post("/projects/serbest/releases/1/plan/", chosen, follow=True)


def test_what_is_chosen_is_in_the_plan_and_offered_again(
    visit: Visit, bob: User, services: list[Service], release: Release
) -> None:
    page = make(visit, bob, services, CHOSEN).content.decode()
    assert_well_made(page)
    plan = Plan.objects.get().parsed()
    assert plan.rollout == Rollout("tag canary, rest", between=ASK, tolerated=1, on_failure=HOLD, offline=OWE)
    assert plan.shown_waves == (("www@node-3",), ("www@node-1", "www@node-2"))
    assert "In 2 waves; after each but the last: wait until somebody approves." in page
    assert "Wave 1, 1 service:" in page
    offered = visit(bob).get("/projects/serbest/releases/1/").content.decode()
    assert_well_made(offered)
    assert 'value="tag canary, rest"' in offered
    assert '<option value="hold" selected>' in offered


def test_nothing_chosen_is_all_at_once_and_back_on_failure(
    visit: Visit, bob: User, services: list[Service], release: Release
) -> None:
    page = make(visit, bob, services, {}).content.decode()
    assert "All nodes together." in page
    assert "When one fails: roll back all." in page
    assert Plan.objects.get().parsed().rollout == Rollout()


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"waves": "1, 0"}, "Wave 2 reads “0”"),
        ({"waves": "tag eu, rest"}, "None of the chosen nodes has the tag eu"),
        ({"between": "pause"}, "A pause takes between a second and a week"),
        ({"on_failure": "panic"}, "not one of the available choices"),
        ({"tolerated": "-1"}, "Failures that are tolerated"),
        ({"waves": "1," * 300}, "Waves"),
    ],
)
def test_what_cannot_be_makes_no_plan_and_says_why(
    visit: Visit, bob: User, services: list[Service], release: Release, values: dict[str, str], why: str
) -> None:
    page = make(visit, bob, services, values).content.decode()
    assert why in page
    assert not Plan.objects.exists()


def test_a_fresh_plan_goes_out_like_the_one_before(
    visit: Visit, bob: User, services: list[Service], release: Release
) -> None:
    make(visit, bob, services, CHOSEN)
    services[0].node.tags = ["canary"]
    services[0].node.save()
    page = visit(bob).get(f"/projects/serbest/plans/{Plan.objects.get().hash}/").content.decode()
    assert "Make a fresh plan" in page
    for name, value in {**CHOSEN, "waves": "tag canary, rest"}.items():
        assert f'name="{name}" value="{value}"' in page


def test_the_form_says_what_it_was_given() -> None:
    chosen = Rollout("1, rest", between=PAUSE, pause=600, tolerated=2)
    form = RolloutForm({name: value for name, value in values_of(chosen).items() if value is not None})
    assert form.is_valid()
    assert form.cleaned_data["rollout"] == chosen


def test_what_is_owed_is_shown_and_can_be_forgotten_by_operators(
    visit: Visit, bob: User, carol: User, services: list[Service], release: Release
) -> None:
    Owed.objects.create(service=services[0], release=release, operation=7, problem="The disk is full.")
    service = "/projects/serbest/nodes/node-1/services/www/"
    shown = visit(bob).get(service).content.decode()
    assert_well_made(shown)
    assert "The disk is full." in shown
    assert "Forget it" in shown
    assert "owed release 1" in visit(carol).get("/").content.decode()
    assert "Forget it" not in visit(carol).get(service).content.decode()
    assert visit(carol).post(f"{service}owed/forget/").status_code == 403
    assert "owed nothing any more" in visit(bob).post(f"{service}owed/forget/", follow=True).content.decode()
    assert not Owed.objects.exists()
    assert AuditEvent.objects.filter(action="deploy.forget").count() == 1
    assert "is owed nothing." in visit(bob).post(f"{service}owed/forget/", follow=True).content.decode()
