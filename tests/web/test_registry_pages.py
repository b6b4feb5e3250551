"""The pages about registries: exact commands, sealed passwords, pulls that become operations."""

from __future__ import annotations

import os
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone
from pytest_django import Settings

from deployments.execution import registry_sweep
from deployments.models import ProjectBlob, PushedManifest, RegistryCredential
from deployments.models.image_store import store
from deployments.models.registry import registry_context
from deployments.oci.partfile import PartFile
from deployments.services.collect import kept_digests
from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent
from ffsweb.operations.models import Operation
from ffsweb.web.keys import worker_opener

from .conftest import Visit
from .markup import assert_well_made

pytestmark = pytest.mark.django_db
REGISTRY = "/projects/serbest/registry/"
LOGIN = {"host": "registry.example.com", "username": "robot", "password": "swordfish"}


def test_the_push_page_has_the_exact_commands(visit: Visit, bob: User, settings: Settings) -> None:
    page = visit(bob).get(REGISTRY).content.decode()
    assert_well_made(page)
    assert "podman login --tls-verify=false -u bob testserver" in page
    assert "docker push testserver/serbest:1.0" in page
    assert "Nothing was pushed yet" in page and "no TLS" in page
    settings.PUBLIC_URL = "https://testserver"
    page = visit(bob).get(REGISTRY).content.decode()
    assert "podman push localhost/serbest:1.0 testserver/serbest:1.0" in page
    assert "tls-verify" not in page and "no TLS" not in page


def test_a_registrys_password_is_sealed_for_the_worker(visit: Visit, alice: User, project: Project) -> None:
    browser = visit(alice)
    assert "No registries yet" in browser.get(f"{REGISTRY}logins/").content.decode()
    assert browser.post(f"{REGISTRY}logins/set/", LOGIN).status_code == 303
    row = RegistryCredential.objects.get()
    opened = worker_opener().open(bytes(row.sealed_password or b""), registry_context(project.pk, row.host))
    assert opened.reveal_text() == "swordfish"
    page = browser.get(f"{REGISTRY}logins/").content.decode()
    assert "robot" in page and "swordfish" not in page
    assert "swordfish" not in AuditEvent.objects.get(action="registry.set").detail_json
    browser.post(f"{REGISTRY}logins/set/", {"host": "registry.example.com", "plain_http": "on"})
    row.refresh_from_db()
    assert (row.sealed_password, row.username, row.plain_http) == (None, "", True)
    assert browser.post(f"{REGISTRY}logins/{row.pk}/remove/").status_code == 303
    assert not RegistryCredential.objects.exists()


@pytest.mark.parametrize(
    "change",
    [
        {"host": "https://registry.example.com"},
        {"host": "registry.example.com/path"},
        {"host": "Registry.example.com"},
        {"host": ""},
        {"password": ""},
        {"username": ""},
        {"username": "a:b"},
        {"username": "a\0b"},
    ],
)
def test_a_bad_registry_is_refused_beside_its_field(visit: Visit, alice: User, change: dict[str, str]) -> None:
    answer = visit(alice).post(f"{REGISTRY}logins/set/", LOGIN | change)
    assert answer.status_code == 422
    assert_well_made(answer.content.decode())
    assert "swordfish" not in answer.content.decode()
    assert not RegistryCredential.objects.exists()


def test_a_pull_becomes_an_operation(visit: Visit, bob: User) -> None:
    answer = visit(bob).post(f"{REGISTRY}pull/", {"reference": " docker://registry.example.com/team/app:1.0 "})
    operation = Operation.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/operations/{operation.pk}/")
    assert operation.params == {"reference": "registry.example.com/team/app:1.0"}
    assert AuditEvent.objects.get(action="image.pull").actor_name == "bob"


@pytest.mark.parametrize("reference", ["", "app", "app:1.0", "registry.example.com/App", "x" * 300])
def test_what_is_no_reference_is_told_beside_the_field(visit: Visit, bob: User, reference: str) -> None:
    answer = visit(bob).post(f"{REGISTRY}pull/", {"reference": reference})
    assert answer.status_code == 422
    assert_well_made(answer.content.decode())
    assert not Operation.objects.exists()


def old(path: Path) -> Path:
    before = time.time() - 25 * 3600
    os.utime(path, (before, before))
    return path


def test_uploads_that_nobody_went_on_with_expire(db: None, data: Path) -> None:
    assert registry_sweep.expire_pushes() == 0, "there may be no directory yet"
    (data / "pushes").mkdir()
    for name in ("1-old", "1-busy", "1-new"):
        (data / "pushes" / name).write_bytes(b"x")
    old(data / "pushes/1-old")
    with PartFile(old(data / "pushes/1-busy")):
        assert registry_sweep.expire_pushes() == 1
    assert {path.name for path in (data / "pushes").iterdir()} == {"1-busy", "1-new"}


def test_rows_of_blobs_that_were_collected_are_forgotten(project: Project, data: Path) -> None:
    long_ago = timezone.now() - timedelta(hours=25)
    with store().blobs.workspace() as workspace:
        with workspace.write() as writer:
            writer.write(b"there")
        workspace.keep((writer.draft,))
    there, gone = writer.draft.digest, f"sha256:{'0' * 64}"
    for digest, kept, used in ((there, there, long_ago), (gone, gone, long_ago), (f"sha256:{'1' * 64}", gone, None)):
        ProjectBlob.objects.create(
            project=project, digest=digest, diff_id=kept, size=5, content_size=5, used_at=used or timezone.now()
        )
    PushedManifest.objects.create(project=project, digest=gone)
    PushedManifest.objects.update(created_at=long_ago)
    assert registry_sweep.forget_pushed() == 2
    assert not PushedManifest.objects.exists()
    assert ProjectBlob.objects.count() == 2
    assert gone in kept_digests().wanted, "what a push was about lately is not collected"
    assert there not in kept_digests().wanted


def test_what_an_ended_pull_left_is_removed(project: Project, data: Path) -> None:
    going_on = Operation.objects.create(project=project, kind="pull-image", title="A pull", state="running")
    (data / "pulls" / f"{going_on.pk}-a").mkdir(parents=True)
    (data / "pulls" / "999-b").mkdir()
    assert registry_sweep.left_pulls() == 1
    assert [path.name for path in (data / "pulls").iterdir()] == [f"{going_on.pk}-a"]


def test_a_pull_that_begins_while_left_ones_are_looked_for_keeps_its_directory(project: Project, data: Path) -> None:
    (data / "pulls" / "999-b").mkdir(parents=True)

    def begins(execute: Any, sql: str, *rest: Any) -> Any:
        found = execute(sql, *rest)
        if "SELECT" in sql and not (data / "pulls" / "1000-a").exists():
            (data / "pulls" / "1000-a").mkdir()
        return found

    with connection.execute_wrapper(begins):
        assert registry_sweep.left_pulls() == 1
    assert [path.name for path in (data / "pulls").iterdir()] == ["1000-a"]
