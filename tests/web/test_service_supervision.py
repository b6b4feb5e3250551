"""What the page of a service says about who watches it, and how well its programs are."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from deployments.models import Image, Service
from deployments.oci.imageconfig import ImageConfig
from ffsweb.accounts.models import User
from tests.deployments.facts import node_facts, read, service_facts

from .conftest import Visit
from .described import Described
from .markup import faults_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def service(described: Described) -> Service:
    image = described.described_image()
    image.config, image.python = ImageConfig(entrypoint=("/a",)).as_json(), "/usr/bin/python3.11"
    image.save()
    described.release(image)
    return described.service(described.node(), supervision="auto")


def test_the_page_says_the_mode_that_was_detected_and_why(visit: Visit, carol: User, service: Service) -> None:
    page = visit(carol).get(service.get_absolute_url()).content.decode()
    assert "Release 1 runs in mode supervisor. The image has Python 3.11, so our supervisor can watch it." in page


def supervised(
    service: Service, *children: dict[str, Any], before: dict[str, str] | None = None, **facts: Any
) -> None:
    """The service is live, and its node was read just now: what the supervisor had written a second before."""
    now = time.time()
    rows = [{"name": "main", "state": "healthy", "restarts": 0} | child for child in children]
    beats = {"at": now, "state": "healthy", "children": rows, "before": before}
    release = service.project.releases.get()
    Service.objects.update(live_release=release, desired_release=release)
    told = service_facts(release, heartbeats=beats, **facts)
    read(service.node, node_facts({"www": told}, time=now), ago=20)


def text_of(page: str) -> str:
    """What a page says, without its markup."""
    return " ".join(re.sub(r"<[^>]*>", " ", page).split())


def test_the_page_says_how_each_program_is_and_why_it_was_restarted(
    visit: Visit, carol: User, service: Service
) -> None:
    child = {"state": "running", "heartbeat_age": 7.5, "restarts": 2, "reason": "3 heartbeats missed"}
    supervised(service, child, before={"state": "gave up", "reason": "3 crashes within 5 s"}, restarts=4)
    page = text_of(visit(carol).get(service.get_absolute_url()).content.decode())
    assert "main: running, restarted 2 times; last reason: 3 heartbeats missed" in page
    assert "gave up; 3 crashes within 5 s" in page
    assert "Restarts 6 4 by systemd, 2 by the supervisor" in page
    assert "Heartbeat 27 s ago" in page


def test_the_board_says_how_old_the_heartbeat_is_how_often_it_was_restarted_and_why(
    visit: Visit, carol: User, service: Service
) -> None:
    child = {"heartbeat_age": 30.5, "restarts": 2, "reason": "hung: no heartbeat for 30 s"}
    supervised(service, child, restarts=1)
    for address in ("/", "/projects/serbest/", "/projects/serbest/services/"):
        page = text_of(visit(carol).get(address).content.decode())
        assert "none 50 s ago 3 hung: no heartbeat for 30 s none 20 s ago" in page, address


def test_a_long_or_a_hostile_reason_is_cut_on_the_board_and_shown_as_text(
    visit: Visit, carol: User, service: Service
) -> None:
    supervised(service, {"restarts": 1, "reason": "<b>it ended</b> " + "x" * 900})
    page = visit(carol).get("/").content.decode()
    assert "&lt;b&gt;it ended&lt;/b&gt; xxx" in page
    assert "<b>it ended" not in page
    assert not faults_of(page)
    assert f">&lt;b&gt;it ended&lt;/b&gt; {'x' * 31}…<" in page


def test_a_program_that_sends_no_heartbeats_is_not_shown_as_if_it_did(
    visit: Visit, carol: User, service: Service
) -> None:
    supervised(service, {"heartbeat_age": None})
    page = text_of(visit(carol).get(service.get_absolute_url()).content.decode())
    assert "Heartbeat the program sends none" in page
    assert "Live 1 none none none none 20 s ago" in text_of(visit(carol).get("/").content.decode())


def test_of_a_service_without_a_supervisor_the_page_says_that_there_is_no_heartbeat(
    visit: Visit, carol: User, service: Service
) -> None:
    read(service.node, node_facts({"www": service_facts(service.project.releases.get())}))
    assert "Heartbeat none" in text_of(visit(carol).get(service.get_absolute_url()).content.decode())


def test_the_releases_page_says_for_each_service_in_which_mode_it_would_run(
    visit: Visit, bob: User, carol: User, described: Described, service: Service, django_assert_max_num_queries: Any
) -> None:
    for number in range(2, 12):
        described.service(described.node(f"node-{number}"), supervision="health")
    client = visit(bob)
    with django_assert_max_num_queries(12):
        page = client.get("/projects/serbest/releases/1/").content.decode()
    assert not faults_of(page)
    assert 'title="It was chosen for this service.">mode health<' in page
    assert 'title="The image has Python 3.11, so our supervisor can watch it.">mode supervisor<' in page
    for person in (bob, carol):
        said = text_of(visit(person).get("/projects/serbest/releases/1/").content.decode())
        assert "Supervision supervisor, where the service has it automatic. The image has Python 3.11" in said


@pytest.mark.parametrize(
    ("supervision", "python", "tone", "words"),
    [
        ("auto", "/usr/bin/python3.11", "OK", "Mode supervisor. The image has Python 3.11"),
        ("own", "", "OK", "Mode own. It was chosen for this service."),
        ("health", "", "Warning", "Mode health. It was chosen for this service. But it seems not to fit"),
        (
            "auto",
            "",
            "Warning",
            "Mode none. The image has no Python. It has no health check either. Nobody says that",
        ),
    ],
)
def test_the_plan_says_the_mode_and_why(
    visit: Visit, bob: User, service: Service, supervision: str, python: str, tone: str, words: str
) -> None:
    Service.objects.update(supervision=supervision)
    Image.objects.update(python=python)
    read(service.node)
    answer = visit(bob).post("/projects/serbest/releases/1/plan/", {"service": service.pk}, follow=True)
    assert f"{tone} Supervision {words}" in text_of(answer.content.decode())
