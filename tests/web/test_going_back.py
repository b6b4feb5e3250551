"""The way back is offered where what it needs is proven to be on the node; else it is a deploy like any other."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from deployments.models import Plan, Proven, Release, Service
from deployments.models.desired import credentials_of
from ffsweb.accounts.models import User
from tests.certificates.material import server
from tests.deployments.facts import node_facts, read, service_facts
from tests.web.conftest import Visit
from tests.web.described import Described

pytestmark = pytest.mark.django_db

SERVICE = "/projects/serbest/nodes/node-a/services/www/"
BUTTON = "Roll back to release 1"


def text_of(answer: Any) -> str:
    return " ".join(answer.content.decode().split())


class Site:
    """Release 2 is live; release 1 was live before."""

    def __init__(self, described: Described) -> None:
        described.settings("TOKEN=x\n")
        self.service: Service = described.service(described.node(), certificate=described.certificate(server()))
        self.releases = [described.release(described.described_image(text)) for text in ("one", "two")]
        self.first, self.second = self.releases
        Service.objects.update(live_release=self.second, desired_release=self.second)
        self.service.refresh_from_db()

    def read(self, lacks: str = "") -> None:
        """What the node shows: all of release 1, but for what it ``lacks``."""
        certificate = self.service.certificate
        assert certificate is not None
        there = {
            "releases": [1, 2],
            "certs": [certificate.version],
            "credentials_held": [credentials_of(self.service, self.first)[0]],
        }
        for name, kind in (("files", "releases"), ("certificate", "certs"), ("credentials", "credentials_held")):
            if lacks == name:
                there[kind] = []
        images = [] if lacks == "image" else [self.first.image.image_id]
        held = {"ids": images, "diff_ids": [], "staged": [f"serbest:{image}" for image in images]}
        read(self.service.node, node_facts({"www": service_facts(self.second, **there)}, images_held=held))


@pytest.fixture
def site(described: Described) -> Site:
    return Site(described)


PAGES = pytest.mark.parametrize("address", [SERVICE, "/projects/serbest/releases/1/"])


@PAGES
def test_one_goes_back_by_a_button_to_what_is_on_the_node(visit: Visit, bob: User, site: Site, address: str) -> None:
    site.read()
    page = text_of(visit(bob).get(address))
    assert BUTTON in page
    assert "sent again" not in page
    assert "Roll back to release 2" not in page
    answer = visit(bob).post("/projects/serbest/releases/1/plan/", {"service": site.service.pk})
    plan = Plan.objects.get()
    assert answer["Location"] == f"/projects/serbest/plans/{plan.hash}/"
    assert (plan.parsed().kind, plan.parsed().release) == ("deploy", 1)


@PAGES
@pytest.mark.parametrize("lacks", ["files", "image", "certificate", "credentials"])
def test_what_is_not_there_would_have_to_be_sent_again(
    visit: Visit, bob: User, site: Site, address: str, lacks: str
) -> None:
    site.read(lacks)
    page = text_of(visit(bob).get(address))
    assert BUTTON not in page
    assert f"would have to be sent again: {lacks}" in page
    assert 'action="/projects/serbest/releases/1/plan/"' in page


@PAGES
def test_of_a_silent_node_nothing_is_proven(visit: Visit, bob: User, site: Site, address: str) -> None:
    site.read()
    read(site.service.node, error="Nothing listens there.")
    page = text_of(visit(bob).get(address))
    assert BUTTON not in page
    assert "what is on the node is not known" in page


def test_the_live_release_and_newer_ones_are_no_way_back(
    visit: Visit, bob: User, described: Described, site: Site
) -> None:
    described.release(described.described_image("three"))
    site.read()
    page = text_of(visit(bob).get("/projects/serbest/releases/3/"))
    assert "Roll back to release" not in page
    assert "Roll back to release" not in text_of(visit(bob).get("/projects/serbest/releases/2/"))
    assert text_of(visit(bob).get(SERVICE)).count("Roll back to release") == 1


def test_an_old_release_that_was_proven_here_is_offered_among_the_newest(
    visit: Visit, bob: User, carol: User, described: Described, site: Site
) -> None:
    for number in range(3, 15):
        image = described.described_image(str(number))
        Release.objects.create(project=described.project, number=number, image=image)
    site.read()
    Proven.objects.all().delete()
    Service.objects.update(live_release=Release.objects.get(number=14))
    assert BUTTON not in text_of(visit(bob).get(SERVICE))
    Proven.objects.create(service=site.service, release=site.first, at=timezone.now(), image_id="x")
    page = text_of(visit(bob).get(SERVICE))
    assert BUTTON in page
    assert "<strong>2</strong>" not in page
    assert "Roll back to release" not in text_of(visit(carol).get("/projects/serbest/releases/1/"))


def test_the_page_asks_as_much_for_many_releases_as_for_few(
    visit: Visit, bob: User, described: Described, site: Site, django_assert_max_num_queries: Any
) -> None:
    for number in range(3, 13):
        described.release(described.described_image(str(number)))
    site.read()
    client = visit(bob)
    with django_assert_max_num_queries(20):
        assert client.get(SERVICE).status_code == 200
