"""Archives come in by a page: kept once, readable by nobody else, and handed to the worker; a refused one is gone."""

from __future__ import annotations

import errno
import os
import resource
import stat
import time
from pathlib import Path

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import TemporaryFileUploadHandler
from pytest_django import Settings

from deployments import tasks
from deployments.services import uploads
from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent
from ffsweb.operations.models import Operation

from .conftest import Visit
from .markup import assert_well_made

pytestmark = pytest.mark.django_db

PAGES = {"image": "/projects/serbest/images/", "files": "/projects/serbest/files/"}
BOTH = pytest.mark.parametrize("what", list(PAGES))


@pytest.fixture(params=["in memory", "on disk"])
def spooled(request: pytest.FixtureRequest, settings: Settings) -> None:
    """Django keeps small uploads in memory and writes large ones to a file: both ways have to end the same."""
    if request.param == "on disk":
        handler = f"{TemporaryFileUploadHandler.__module__}.{TemporaryFileUploadHandler.__qualname__}"
        settings.FILE_UPLOAD_HANDLERS = [handler]


def archive(content: bytes = b"an archive, or not", name: str = "app.tar") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)


def left_in(data: Path) -> list[str]:
    return [path.name for path in data.rglob("*") if path.is_file()]


def nothing_was_kept(data: Path) -> None:
    assert left_in(data) == []
    assert not Operation.objects.exists()


@BOTH
@pytest.mark.usefixtures("spooled")
def test_an_operator_uploads_and_lands_on_the_operation(visit: Visit, bob: User, data: Path, what: str) -> None:
    answer = visit(bob).post(PAGES[what], {"archive": archive()})
    operation = Operation.objects.get()
    assert answer.status_code == 303
    assert answer["Location"] == f"/operations/{operation.pk}/"
    assert (operation.kind, operation.actor_name, operation.state) == (f"import-{what}", "bob", "queued")
    kept = data / "uploads" / operation.params["upload"]
    assert kept.read_bytes() == b"an archive, or not"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert left_in(data) == [kept.name], "the file is moved, not copied"
    event = AuditEvent.objects.get(action=f"{what}.upload")
    assert (event.actor_name, event.target, event.detail["operation"]) == ("bob", "app.tar", operation.pk)


def test_the_project_of_the_address_gets_it(visit: Visit, bob: User, data: Path, mallory: User) -> None:
    Project.objects.create(name="other")
    assert visit(bob).post("/projects/other/images/", {"archive": archive()}).status_code == 404
    assert visit(mallory).post(PAGES["image"], {"archive": archive()}).status_code == 404
    nothing_was_kept(data)


@BOTH
@pytest.mark.usefixtures("spooled")
def test_a_viewer_sees_the_page_without_the_form_and_may_not_upload(
    visit: Visit, carol: User, data: Path, what: str
) -> None:
    page = visit(carol).get(PAGES[what])
    assert page.status_code == 200
    assert b'type="file"' not in page.content
    assert visit(carol).post(PAGES[what], {"archive": archive()}).status_code == 403
    nothing_was_kept(data)


@BOTH
def test_no_file_and_an_empty_file_are_told_apart(visit: Visit, bob: User, data: Path, what: str) -> None:
    missing = visit(bob).post(PAGES[what], {})
    assert missing.status_code == 422
    assert b"This field is required" in missing.content
    empty = visit(bob).post(PAGES[what], {"archive": archive(b"")})
    assert empty.status_code == 422
    assert b"The file is empty. Nothing was kept." in empty.content
    assert_well_made(empty.content.decode())
    nothing_was_kept(data)


@pytest.mark.usefixtures("spooled")
@BOTH
def test_a_file_over_the_limit_is_refused_and_gone(
    visit: Visit, bob: User, data: Path, settings: Settings, what: str
) -> None:
    settings.UPLOAD_LIMIT = 1000
    answer = visit(bob).post(PAGES[what], {"archive": archive(b"x" * 5000)})
    assert answer.status_code == 422
    assert b"The file has 5.0 kB; at most 1.0 kB are taken. Nothing was kept." in answer.content
    nothing_was_kept(data)
    assert visit(bob).post(PAGES[what], {"archive": archive(b"x" * 1000)}).status_code == 303


@pytest.mark.usefixtures("spooled")
def test_a_disk_without_room_refuses_before_the_worker_starts(
    visit: Visit, bob: User, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uploads, "KEEP_FREE", 10**18)
    answer = visit(bob).post(PAGES["image"], {"archive": archive()})
    assert answer.status_code == 422
    assert b"has not enough room for this file. Nothing was kept." in answer.content
    nothing_was_kept(data)


def test_a_disk_that_takes_no_more_is_told_and_leaves_nothing(
    visit: Visit, bob: User, data: Path, settings: Settings
) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 20_000_000
    client = visit(bob)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, before[1]))
    try:
        answer = client.post(PAGES["image"], {"archive": archive(b"x" * 5_000_001)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert answer.status_code == 422
    assert b"The file could not be kept: File too large. Nothing was kept." in answer.content
    nothing_was_kept(data)


@pytest.mark.usefixtures("spooled")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("../../etc/passwd", "passwd"),
        ("..", "archive"),
        ("a\0b.tar", "ab.tar"),
        ("<script>alert(1)</script>.tar", "script_.tar"),
        ("line\nbreak\x1b[31m.tar", "linebreak_31m.tar"),
        ("\u202egnp.tar", "gnp.tar"),
        ("größe-日本.tar", "größe-日本.tar"),
        ("x" * 400 + ".tar", "x" * 116 + ".tar"),
    ],
)
def test_a_hostile_name_is_only_shown_and_only_in_part(
    visit: Visit, bob: User, data: Path, name: str, shown: str
) -> None:
    file = archive()
    file._name = name
    answer = visit(bob).post(PAGES["image"], {"archive": file})
    if answer.status_code == 422:  # Django itself takes no file whose name is empty once it is cleaned
        nothing_was_kept(data)
        return
    operation = Operation.objects.get()
    assert operation.params["name"] == shown
    assert operation.title == f"Take in image: {shown}"
    assert [path.name for path in (data / "uploads").iterdir()] == [operation.params["upload"]]
    assert set(operation.params["upload"]) <= set("0123456789abcdef")


@pytest.mark.usefixtures("spooled")
def test_of_several_parts_one_is_kept_and_the_others_are_gone(visit: Visit, bob: User, data: Path) -> None:
    parts = {"archive": [archive(b"first"), archive(b"second")], "other": archive(b"third")}
    assert visit(bob).post(PAGES["files"], parts).status_code == 303
    (kept,) = left_in(data)
    assert (data / "uploads" / kept).read_bytes() == b"second"


@pytest.mark.usefixtures("spooled")
def test_an_upload_whose_request_is_not_recorded_is_not_kept(
    visit: Visit, bob: User, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_room(**_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(uploads, "request_import", no_room)
    assert visit(bob).post(PAGES["files"], {"archive": archive()}).status_code == 422
    nothing_was_kept(data)


def test_what_a_killed_web_process_left_half_written_is_swept_after_a_day(db: None, data: Path) -> None:
    old, young = data / "incoming" / "tmp1.upload.tar", data / "incoming" / "tmp2.upload.tar"
    for path in (old, young):
        path.write_bytes(b"half a file")
    os.utime(old, (time.time() - 2 * 24 * 3600,) * 2)
    tasks.sweep_store()
    assert not old.exists()
    assert young.exists()
