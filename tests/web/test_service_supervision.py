"""What the page of a service says about who watches it, and how well its programs are."""

from __future__ import annotations

import pytest

from deployments.models import Service
from deployments.oci.imageconfig import ImageConfig
from ffsweb.accounts.models import User
from tests.deployments.facts import node_facts, read, service_facts

from .conftest import Visit
from .described import Described

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


def test_the_page_says_how_each_program_is_and_why_it_was_restarted(
    visit: Visit, carol: User, described: Described, service: Service
) -> None:
    child = {"name": "main", "state": "running", "heartbeat_age": 1.5, "restarts": 2, "reason": "3 heartbeats missed"}
    before = {"state": "gave up", "reason": "3 crashes within 5 s"}
    beats = {"at": 1_800_000_000.0, "state": "healthy", "children": [child], "before": before}
    release = service.project.releases.get()
    Service.objects.update(live_release=release, desired_release=release)
    read(service.node, node_facts({"www": service_facts(release, heartbeats=beats)}))
    page = visit(carol).get(service.get_absolute_url()).content.decode()
    assert "main: running, restarted 2 times; last reason: 3 heartbeats missed" in page
    assert "gave up; 3 crashes within 5 s" in page
