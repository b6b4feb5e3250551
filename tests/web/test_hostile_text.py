"""Text from nodes and archives holds what it likes; rows and pages take it on every database."""

from __future__ import annotations

import pytest

from deployments.models import Image
from deployments.models.storable import storable
from ffsweb.accounts.models import User
from tests.deployments.facts import node_facts, read, service_facts

from .conftest import Visit
from .described import Described
from .markup import assert_well_made

pytestmark = pytest.mark.django_db
ODD = "a\0b\ud800c\u202e<script>alert(1)</script>\x1b[31m"


def test_a_reading_with_odd_text_is_stored_and_shown(visit: Visit, alice: User, described: Described) -> None:
    node = described.node()
    service = described.service(node)
    read(node, node_facts({"www": service_facts(None, status_text=ODD)}, hostname=ODD, os=ODD, podman=ODD))
    for address in ("/", node.get_absolute_url(), service.get_absolute_url()):
        page = visit(alice).get(address)
        assert page.status_code == 200
        assert_well_made(page.content.decode())
        assert b"<script>alert" not in page.content
        assert b"\0" not in page.content
        assert b"\x1b" not in page.content
    read(node, error=f"It said {ODD}")
    assert visit(alice).get(node.get_absolute_url()).status_code == 200


def test_an_image_with_odd_text_is_stored_and_shown(visit: Visit, alice: User, described: Described) -> None:
    image = described.described_image()
    image.reference, image.config = ODD * 20, {**image.config, "env": [f"A={ODD}"], "labels": [["x\0", ODD]]}
    image.save()
    image = Image.objects.get()
    assert len(image.reference) == 255
    assert "\0" not in str(image.config)
    page = visit(alice).get("/projects/serbest/images/").content
    assert_well_made(page.decode())
    assert b"<script>alert" not in page


def test_a_backslash_before_what_looks_like_an_escape_stays(described: Described) -> None:
    assert storable({"a": ["\\u0000", 1, None, True, 1.5, "\\"]}) == {"a": ["\\u0000", 1, None, True, 1.5, "\\"]}
