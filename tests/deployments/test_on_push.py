"""A pushed image that the policy takes up becomes a release, and is deployed or waits for somebody."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from deployments.core.push_policy import goes_to, matches
from deployments.models import Image, Release, Service, TakenUp
from deployments.services import on_push, push_policy
from ffsweb.accounts import tokens
from ffsweb.accounts.models import Membership, Role
from ffsweb.audit.models import AuditEvent
from ffsweb.notify.models import Message
from ffsweb.operations.models import Hold, Operation
from ffsweb.webhooks.models import Delivery, Endpoint
from tests.deployments.fleet import log_of, run
from tests.deployments.push_site import Site
from tests.oci.test_forms import some_layer
from tests.support.threads import at_once


class Builder:
    """A build machine with a token of alice's, which pushes what is like the sample's second release."""

    def __init__(self, site: Site) -> None:
        self.site, project = site, site.fleet.project
        alice = site.fleet.alice
        alice.email = "alice@example.org"
        alice.save()
        self.token = tokens.make(actor=alice, project=project, name="ci", role=Role.OPERATOR, days=7).token
        self.policy("deploy")
        site.fleet.read(site.row)

    def policy(self, mode: str, pattern: str = "serbest:v*", **more: Any) -> None:
        fields = {"services": [], "tags": [], "waves": "", **more}
        push_policy.set_policy(
            project=self.site.fleet.project, actor=self.site.fleet.alice, mode=mode, pattern=pattern, **fields
        )

    def image(self, number: int) -> Image:
        return self.site.image("x" * number, self.site.base, some_layer(1, files=400, changed=number))

    def push(self, image: Image, name: str = "serbest:v1") -> None:
        with transaction.atomic():
            push_policy.note(
                project=self.site.fleet.project, image=image, name=name, token=self.token, by="alice (ci)"
            )


@pytest.fixture
def builder(site: Site) -> Builder:
    return Builder(site)


def taken_up() -> TakenUp:
    return TakenUp.objects.select_related("release", "operation", "plan").get()


def test_what_matches_is_deployed_in_the_name_of_whoever_made_the_token(builder: Builder, site: Site) -> None:
    image = builder.image(4)
    for name in ("serbest:v1", "serbest:v1", "serbest:v1.1"):
        builder.push(image, name)
    assert on_push.take_up_waiting() == 1 and on_push.take_up_waiting() == 0
    row = taken_up()
    assert (row.state, row.name) == ("started", "serbest:v1")
    assert row.release is not None and row.release.image == image and row.release.note == "Pushed as serbest:v1"
    assert row.operation is not None and row.operation.actor == site.fleet.alice
    ended = run(row.operation)
    assert ended.state == "succeeded", log_of(ended)
    assert Service.objects.get().live_release == row.release
    event = AuditEvent.objects.get(action="push-policy.take-up")
    assert (event.actor_name, event.detail["pushed_by"], event.detail["image"]) == (
        "alice",
        "alice (ci)",
        image.image_id,
    )
    assert AuditEvent.objects.filter(action="deploy.request").exists() and not Message.objects.exists()
    builder.push(image)
    assert on_push.take_up_waiting() == 0, "an image is taken up once"


def test_of_two_workers_at_once_one_begins_it(builder: Builder, site: Site) -> None:
    builder.push(builder.image(4))
    begun = at_once(*[on_push.take_up_waiting] * 2)
    assert sorted(begun, key=str) == [0, 1]
    assert (taken_up().state, Release.objects.count()) == ("started", 3)
    assert Operation.objects.filter(kind="deploy").count() == 1


@pytest.mark.parametrize("name", ["serbest:main", "web:v1", ""])
def test_what_does_not_match_stays_among_the_images(builder: Builder, site: Site, name: str) -> None:
    builder.push(site.second.image, name)
    assert not TakenUp.objects.exists()


def test_without_a_policy_or_with_it_off_nothing_is_done(builder: Builder, site: Site) -> None:
    builder.policy("off")
    builder.push(site.second.image)
    assert not TakenUp.objects.exists()


def test_a_release_and_its_plan_wait_and_people_are_told_once(builder: Builder, site: Site) -> None:
    project = site.fleet.project
    Endpoint.objects.create(project=project, url="https://x.example/", events=["push.waits"], sealed_secret=b"")
    builder.policy("ask")
    builder.push(builder.image(4))
    assert on_push.take_up_waiting() == 0 and on_push.take_up_waiting() == 0
    row = taken_up()
    assert (row.state, row.operation) == ("asks", None) and row.plan is not None and row.release is not None
    assert not Operation.objects.filter(kind="deploy").exists()
    mail = Message.objects.get()
    assert mail.subject == "serbest: serbest:v1 waits for you" and row.plan.hash in mail.text
    assert Delivery.objects.get().event == "push.waits"


def test_who_may_deploy_no_more_deploys_nothing_by_pushing(builder: Builder, site: Site) -> None:
    builder.push(builder.image(4))
    Membership.objects.update(role=Role.VIEWER)
    assert on_push.take_up_waiting() == 0
    row = taken_up()
    assert row.state == "not_deployed" and "may not deploy" in row.message
    assert row.release is None and Release.objects.count() == 2


def test_a_token_that_was_withdrawn_meanwhile_counts_no_more(builder: Builder, site: Site) -> None:
    builder.push(builder.image(4))
    tokens.revoke(builder.token, actor=site.fleet.alice)
    on_push.take_up_waiting()
    assert "counts no more" in taken_up().message


def test_a_plan_that_is_refused_starts_nothing_and_people_are_told_why(builder: Builder, site: Site) -> None:
    site.row.readings.all().delete()
    builder.push(builder.image(4))
    assert on_push.take_up_waiting() == 0
    row = taken_up()
    assert row.state == "not_deployed" and "refused" in row.message and row.release is not None
    assert "node-a: " in row.message and "never read" in row.message and row.plan is not None
    mail = Message.objects.get()
    assert mail.subject == "serbest: serbest:v1 was not deployed" and row.message in mail.text
    assert not Operation.objects.filter(kind="deploy").exists()


def test_it_waits_for_services_that_are_in_use_and_only_the_newest_goes_on(builder: Builder, site: Site) -> None:
    first, second = builder.image(4), builder.image(5)
    other = Operation.objects.create(project=site.fleet.project, kind="test", title="A deploy", state="running")
    hold = Hold.objects.create(resource=site.service.resource, operation=other)
    builder.push(first)
    assert on_push.take_up_waiting() == 0
    assert taken_up().state == "waiting" and not AuditEvent.objects.filter(action="deploy.refused").exists()
    builder.push(second, "serbest:v2")
    assert on_push.take_up_waiting() == 0
    hold.delete()
    assert on_push.take_up_waiting() == 1
    rows = {row.image_id: row for row in TakenUp.objects.select_related("release")}
    assert rows[first.pk].state == "overtaken" and rows[first.pk].release is None
    assert rows[second.pk].state == "started"
    assert not Message.objects.exists()


def test_it_does_not_wait_for_ever(builder: Builder, site: Site) -> None:
    other = Operation.objects.create(project=site.fleet.project, kind="test", title="A deploy", state="running")
    Hold.objects.create(resource=site.service.resource, operation=other)
    builder.push(builder.image(4))
    TakenUp.objects.update(created_at=timezone.now() - on_push.PATIENCE - timedelta(seconds=1))
    on_push.take_up_waiting()
    assert taken_up().state == "not_deployed" and "in use for a day" in taken_up().message


def test_a_policy_that_chooses_no_service_says_so(builder: Builder, site: Site) -> None:
    builder.policy("deploy", services=["api"])
    builder.push(builder.image(4))
    on_push.take_up_waiting()
    assert "no service" in taken_up().message


def test_a_mistake_is_not_made_again_and_again(
    builder: Builder, site: Site, monkeypatch: pytest.MonkeyPatch, caplog: Any
) -> None:
    def broken(**_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("deployments.services.on_push.deploys.preview", broken)
    builder.push(builder.image(4))
    assert on_push.take_up_waiting() == 0
    assert taken_up().state == "not_deployed" and "ZeroDivisionError" in taken_up().message


@pytest.mark.parametrize(
    ("pattern", "name", "wanted"),
    [
        ("shop:v*", "shop:v1.2", True),
        ("shop:v*", "shop:V1", False),
        ("*:main", "web:main", True),
        ("shop:*", "", False),
        ("shop:v[0-9]", "shop:v7", True),
    ],
)
def test_a_pattern_is_of_name_and_tag(pattern: str, name: str, wanted: bool) -> None:
    assert matches(pattern, name) is wanted


def test_services_are_chosen_by_name_and_by_their_nodes_tags() -> None:
    assert goes_to("www", [], services=[], tags=[])
    assert goes_to("www", ["eu", "edge"], services=["www"], tags=["eu"])
    assert not goes_to("api", ["eu"], services=["www"], tags=["eu"])
    assert not goes_to("www", ["us"], services=[], tags=["eu"])
