"""A project leaves with everything that belongs to it, but not under an operation's feet."""

from __future__ import annotations

import pytest
from django.utils import timezone

from deployments.models import FilesVersion, Image, Node, Reading, Release, Service
from ffsweb.accounts.models import Project, User
from ffsweb.operations.models import Operation

from .conftest import Visit

pytestmark = pytest.mark.django_db


def fill(project: Project) -> None:
    node = Node.objects.create(
        project=project, name="n", address="192.0.2.1", public_key="x", sealed_private_key=b"x"
    )
    image = Image.objects.create(
        project=project, image_id="sha256:1", manifest_digest="sha256:2", architecture="amd64", layers=[], size=1
    )
    files = FilesVersion.objects.create(project=project, number=1, digest="sha256:3", manifest=[], size=0)
    release = Release.objects.create(project=project, number=1, image=image, files=files)
    Service.objects.create(project=project, node=node, name="www", live_release=release, desired_release=release)
    Reading.objects.create(node=node, taken_at=timezone.now())


def test_everything_of_it_goes(visit: Visit, alice: User, root: User, project: Project) -> None:
    fill(project)
    answer = visit(root).post("/projects/serbest/remove/", {"name": "serbest"})
    assert answer.status_code == 303
    assert not Project.objects.exists()
    assert not Image.objects.exists()


def test_it_stays_while_an_operation_is_active(visit: Visit, alice: User, root: User, project: Project) -> None:
    Operation.objects.create(project=project, kind="deploy", title="Deploy release 1", actor_name="alice")
    answer = visit(root).post("/projects/serbest/remove/", {"name": "serbest"})
    assert answer.status_code == 422
    assert "has not ended" in answer.content.decode()
    assert Project.objects.exists()
