"""Uploads in parts: what arrived stays, whatever is repeated counts once, and what is wrong is refused by name."""

from __future__ import annotations

import hashlib
import os
import resource
import stat
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from deployments import tasks
from deployments.models import Upload
from deployments.oci.partfile import PartFile
from deployments.oci.running_sums import RunningSums
from deployments.services import resumable
from ffsweb.accounts.models import Project, User
from ffsweb.audit.models import AuditEvent
from ffsweb.operations.models import Operation

from .conftest import Visit
from .markup import assert_well_made
from .tus import CREATE, PART, Sender, metadata, sha256

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data")]

CONTENT = bytes(range(256)) * 40
PAGES = {"image": "/projects/serbest/images/", "files": "/projects/serbest/files/"}


@pytest.fixture(autouse=True)
def _no_sums(monkeypatch: pytest.MonkeyPatch) -> None:
    """As a process that has just started."""
    monkeypatch.setattr(resumable, "SUMS", RunningSums())
    monkeypatch.setattr("deployments.services.parts.SUMS", resumable.SUMS)


@pytest.fixture
def sender(visit: Visit, bob: User) -> Sender:
    """Bob, who has begun to send CONTENT."""
    begun = Sender(visit(bob), CONTENT)
    assert begun.create().status_code == 201
    return begun


def restart(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the web process had in memory is gone."""
    monkeypatch.setattr(resumable, "SUMS", RunningSums())
    monkeypatch.setattr("deployments.services.parts.SUMS", resumable.SUMS)


def files_in(data: Path) -> list[str]:
    return [path.name for path in data.rglob("*") if path.is_file()]


@pytest.mark.parametrize("what", list(PAGES))
def test_a_file_is_sent_in_parts_compared_and_handed_to_the_worker(
    visit: Visit, bob: User, data: Path, what: str
) -> None:
    sender = Sender(visit(bob), CONTENT)
    created = sender.create(what)
    assert (created.status_code, created["Upload-Offset"], created["Tus-Resumable"]) == (201, "0", "1.0.0")
    assert stat.S_IMODE(sender.file.stat().st_mode) == 0o600
    for start in range(0, len(CONTENT), 3000):
        answer = sender.patch(start, CONTENT[start : start + 3000])
        assert (answer.status_code, answer["Upload-Offset"]) == (204, str(min(start + 3000, len(CONTENT))))
        assert sender.offset() == sender.file.stat().st_size
    finished = sender.finish()
    operation = Operation.objects.get()
    assert (operation.kind, operation.actor_name, operation.params["name"]) == (f"import-{what}", "bob", "app.tar")
    assert finished.json() == {"operation": operation.pk, "address": f"/operations/{operation.pk}/"}
    assert files_in(data) == [operation.params["upload"]], "one file, in its place from the first byte on"
    assert (data / "uploads" / operation.params["upload"]).read_bytes() == CONTENT
    assert AuditEvent.objects.get(action=f"{what}.upload").detail["operation"] == operation.pk


def test_a_repeated_end_gives_the_same_operation(sender: Sender) -> None:
    sender.patch(0, CONTENT)
    first = sender.finish()
    sender.file.unlink()  # the worker has taken it in
    assert sender.finish().json() == first.json()
    assert sender.finish(b"another sum").json() == first.json()
    assert Operation.objects.count() == 1
    assert sender.head().status_code == 410
    assert sender.patch(len(CONTENT), b"x").status_code == 410
    assert sender.delete().status_code == 410
    assert Upload.objects.get().state == "taken"


def test_an_end_that_another_request_was_quicker_with_gives_its_operation(sender: Sender) -> None:
    sender.patch(0, CONTENT)
    stale = sender.row
    first = sender.finish().json()
    for gone in (False, True):
        if gone:
            sender.file.unlink()
        found = resumable.finish(stale, sha256=sha256(CONTENT), actor=stale.owner)
        assert isinstance(found, Operation)
        assert found.pk == first["operation"]
    assert Operation.objects.count() == 1


def test_a_wrong_sum_removes_the_file_and_says_so_each_time(sender: Sender, data: Path) -> None:
    sender.patch(0, CONTENT)
    for _ in range(2):
        answer = sender.finish(b"something else")
        assert answer.status_code == 422
        assert (
            f"Its SHA-256 is {sha256(CONTENT)}; {sha256(b'something else')} was announced."
            in answer.json()["error"]
        )
        assert "and was removed. Upload it again" in answer.json()["error"]
    assert files_in(data) == []
    assert sender.finish().status_code == 422, "it is over"
    assert not Operation.objects.exists()
    assert AuditEvent.objects.filter(action="upload.refuse").count() == 1


@pytest.mark.parametrize("sum_", ["", "abc", "g" * 64, "0" * 63, "0" * 65, "0" * 64 + "\n0"])
def test_what_is_no_sum_is_refused_and_changes_nothing(sender: Sender, sum_: str) -> None:
    sender.patch(0, CONTENT)
    assert sender.client.post(f"{sender.address}finish/", {"sha256": sum_}).status_code == 400
    assert sender.finish().status_code == 200


def test_an_end_before_the_end_is_refused_and_changes_nothing(sender: Sender) -> None:
    sender.patch(0, CONTENT[:4000])
    answer = sender.finish()
    assert answer.status_code == 409
    assert "4.0 kB of 10.2 kB are here. Send the rest first." in answer.json()["error"]
    sender.patch(4000, CONTENT[4000:])
    assert sender.finish().status_code == 200


def test_after_a_restart_what_was_sent_before_is_read_again(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    sender.patch(0, CONTENT[:4000])
    restart(monkeypatch)
    sender.patch(4000, CONTENT[4000:])
    assert sender.finish().status_code == 200


def test_a_large_file_is_compared_in_slices_that_no_proxy_gives_up_on(
    sender: Sender, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender.patch(0, CONTENT)
    restart(monkeypatch)
    monkeypatch.setattr("deployments.oci.running_sums.SLICE", 4000)
    monkeypatch.setattr(resumable, "CHECK_SECONDS", 0.0)
    answers = [sender.finish() for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 200]
    assert answers[1].json() == {"checked": 8000, "size": len(CONTENT)}


def test_bytes_that_changed_on_the_disk_are_noticed(sender: Sender, monkeypatch: pytest.MonkeyPatch) -> None:
    sender.patch(0, CONTENT)
    restart(monkeypatch)
    with sender.file.open("r+b") as file:
        file.seek(77)
        file.write(b"!")
    assert sender.finish().status_code == 422
    assert not Operation.objects.exists()


@pytest.mark.parametrize("offset", [0, 3999, 4001, 999999])
def test_a_part_for_another_place_is_refused_and_told_where_to_go_on(sender: Sender, offset: int) -> None:
    sender.patch(0, CONTENT[:4000])
    answer = sender.patch(offset, b"x" * 10)
    assert (answer.status_code, answer["Upload-Offset"]) == (409, "4000")
    assert "but 4000 bytes are here. Go on from there." in answer.content.decode()
    assert sender.file.read_bytes() == CONTENT[:4000]


@pytest.mark.parametrize("offset", ["", "-1", "+1", "1.5", "x", "٣", "9" * 40, "0x10"])
def test_an_offset_that_is_no_number_is_refused(sender: Sender, offset: str) -> None:
    answer = sender.patch(0, b"x", **{"Upload-Offset": offset})
    assert answer.status_code == 400
    assert sender.offset() == 0


def test_a_part_that_goes_beyond_the_end_is_refused_before_a_byte(sender: Sender) -> None:
    sender.patch(0, CONTENT[:-5])
    answer = sender.patch(len(CONTENT) - 5, b"123456")
    assert answer.status_code == 413
    assert b"goes beyond the 10.2 kB that were announced. Nothing of the part was kept." in answer.content
    assert sender.offset() == len(CONTENT) - 5


def test_a_part_of_another_type_is_refused(sender: Sender) -> None:
    assert sender.patch(0, b"x", content_type="application/octet-stream").status_code == 415
    assert sender.offset() == 0


def test_an_empty_part_changes_nothing(sender: Sender) -> None:
    assert sender.patch(0, b"", **{"Content-Type": PART}).status_code == 204
    assert sender.offset() == 0


@pytest.mark.parametrize("length", ["", "-1", "+5", "1e9", "٣", "x", "9" * 40, "1.0", " "])
def test_a_length_that_is_no_number_is_refused(visit: Visit, bob: User, data: Path, length: str) -> None:
    answer = Sender(visit(bob)).create(**{"Upload-Length": length})
    assert answer.status_code == 400
    assert b"Upload-Length has to be a number of bytes." in answer.content
    assert files_in(data) == []


@pytest.mark.parametrize(
    ("what", "length", "status", "said"),
    [
        ("image", "0", 422, "The file is empty. Nothing was kept."),
        ("image", "20000000001", 413, "The file has 20.0 GB; at most 20.0 GB are taken. Nothing was kept."),
        ("image", "9" * 18, 413, "at most 20.0 GB"),
        ("files", "3000000000", 413, "The file has 3.0 GB; at most 2.1 GB are taken. Nothing was kept."),
    ],
)
def test_a_length_that_cannot_be_is_refused(
    visit: Visit, bob: User, data: Path, settings: Settings, what: str, length: str, status: int, said: str
) -> None:
    settings.UPLOAD_LIMIT = 20_000_000_000
    answer = Sender(visit(bob)).create(what, **{"Upload-Length": length})
    assert answer.status_code == status
    assert said in answer.content.decode()
    assert files_in(data) == []
    assert not Upload.objects.exists()


@pytest.mark.parametrize(
    "header",
    [
        "",
        metadata(filename="a.tar"),
        metadata(filename="a.tar", what="malware"),
        "what aW1hZ2U",
        "what aW1hZ2U=\x7f",
        "what //8=",
        "what",
        metadata(what="image", filename="x" * 4000),
    ],
)
def test_metadata_that_says_nothing_is_refused(visit: Visit, bob: User, data: Path, header: str) -> None:
    assert Sender(visit(bob)).create(**{"Upload-Metadata": header}).status_code == 400
    assert files_in(data) == []


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "a\0b.tar", "<script>alert(1)</script>.tar", "\u202egnp.tar", "x" * 900]
)
def test_a_hostile_name_is_only_shown_and_only_in_part(visit: Visit, bob: User, data: Path, name: str) -> None:
    sender = Sender(visit(bob), name=name)
    assert sender.create().status_code == 201
    (kept,) = files_in(data)
    assert set(kept) <= set("0123456789abcdef")
    page = visit(bob).get(PAGES["image"]).content.decode()
    assert_well_made(page)
    assert "<script>alert" not in page
    sender.patch(0, sender.content)
    assert sender.finish().status_code == 200
    assert not set(Operation.objects.get().params["name"]) & set("/<>\0\u202e")


def test_another_version_of_the_protocol_is_refused(sender: Sender) -> None:
    for version in ("", "0.2.2", "2.0.0"):
        headers = {"Tus-Resumable": version}
        for answer in (
            sender.client.post(CREATE, headers=headers),
            sender.client.head(sender.address, headers=headers),
            sender.patch(0, b"x", **headers),
            sender.client.delete(sender.address, headers=headers),
        ):
            assert (answer.status_code, answer["Tus-Version"]) == (412, "1.0.0")
    assert sender.offset() == 0


def test_options_tell_what_is_understood(sender: Sender) -> None:
    for address in (CREATE, sender.address):
        answer = sender.client.options(address)
        assert answer.status_code == 204
        assert answer["Tus-Extension"] == "creation,termination,expiration"
        assert int(answer["Tus-Max-Size"]) > 0


def test_an_upload_belongs_to_who_began_it(
    sender: Sender, visit: Visit, alice: User, root: User, carol: User
) -> None:
    sender.patch(0, CONTENT[:4000])
    for person, status in ((alice, 404), (root, 404), (carol, 403), (None, 302)):
        other = Sender(visit(person), CONTENT)
        other.address = sender.address
        for answer in (other.head(), other.patch(4000, CONTENT[4000:]), other.delete(), other.finish()):
            assert answer.status_code == status
        assert other.client.post(f"{sender.address}discard/").status_code == status
    assert sender.offset() == 4000


def test_an_address_counts_in_its_own_project_alone(sender: Sender, bob: User, visit: Visit) -> None:
    from ffsweb.accounts.models import Membership, Role

    Membership.objects.create(user=bob, project=Project.objects.create(name="other"), role=Role.OPERATOR)
    elsewhere = Sender(visit(bob), CONTENT)
    elsewhere.address = sender.address.replace("serbest", "other")
    for answer in (elsewhere.head(), elsewhere.patch(0, CONTENT), elsewhere.delete(), elsewhere.finish()):
        assert answer.status_code == 404


def test_without_the_token_of_the_page_nothing_is_taken(bob: User, data: Path) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(bob)
    forged = Sender(browser)
    assert forged.create().status_code == 403
    assert files_in(data) == []
    with_token = Sender(Client())
    with_token.client.force_login(bob)
    with_token.create()
    forged.address = with_token.address
    for answer in (forged.patch(0, b"x"), forged.delete(), forged.finish()):
        assert answer.status_code == 403
    assert with_token.offset() == 0


def test_a_role_that_was_taken_ends_the_upload(sender: Sender, bob: User) -> None:
    bob.memberships.update(role="viewer")
    assert sender.patch(0, b"x").status_code == 403
    bob.memberships.all().delete()
    assert sender.patch(0, b"x").status_code == 404
    assert sender.file.stat().st_size == 0


def test_two_at_once_on_one_upload_are_one(sender: Sender) -> None:
    with PartFile(sender.file):
        answer = sender.patch(0, CONTENT)
        assert answer.status_code == 423
        assert b"Another request is sending to this upload." in answer.content
        assert sender.finish().status_code == 423
        assert sender.offset() == 0, "whoever asks is told"
    assert sender.patch(0, CONTENT).status_code == 204


def test_a_discarded_upload_is_gone_at_once(sender: Sender, data: Path, visit: Visit, bob: User) -> None:
    sender.patch(0, CONTENT[:100])
    assert sender.delete().status_code == 204
    assert files_in(data) == []
    for answer in (sender.head(), sender.patch(100, b"x"), sender.delete(), sender.finish()):
        assert answer.status_code == 404
    assert AuditEvent.objects.filter(action="upload.discard", target="app.tar").count() == 1


def test_the_page_shows_what_is_unfinished_and_its_button_discards(
    sender: Sender, visit: Visit, alice: User, data: Path
) -> None:
    sender.patch(0, CONTENT[:3200])
    page = sender.client.get(PAGES["image"]).content.decode()
    assert_well_made(page)
    assert "3.2 of 10.2 kB" in page
    assert "yours" in page
    assert f'data-address="{sender.address}"' in page
    others = visit(alice).get(PAGES["image"]).content.decode()
    assert "3.2 of 10.2 kB" in others
    assert "by bob" in others
    assert sender.address not in others
    assert "3.2 of 10.2 kB" not in sender.client.get(PAGES["files"]).content.decode()
    answer = sender.client.post(f"{sender.address}discard/", follow=True)
    assert b"The unfinished upload of app.tar was discarded." in answer.content
    assert files_in(data) == []


def test_a_disk_without_room_refuses_at_the_beginning(
    visit: Visit, bob: User, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resumable, "KEEP_FREE", 10**18)
    answer = Sender(visit(bob)).create()
    assert answer.status_code == 507
    assert (
        b"and this upload needs 36 B: the file, and as much again to take it in. Nothing was kept." in answer.content
    )
    assert files_in(data) == []


def test_room_that_was_promised_to_others_is_not_promised_again(
    visit: Visit, bob: User, alice: User, data: Path, settings: Settings
) -> None:
    free = os.statvfs(data).f_bavail * os.statvfs(data).f_frsize
    settings.UPLOAD_LIMIT = free
    large = {"Upload-Length": str((free - resumable.KEEP_FREE) // 3)}
    assert Sender(visit(bob)).create(**large).status_code == 201
    assert Sender(visit(alice)).create(**large).status_code == 507


def test_nobody_begins_without_end(visit: Visit, bob: User, alice: User) -> None:
    for _ in range(resumable.AT_ONCE):
        assert Sender(visit(bob)).create().status_code == 201
    answer = Sender(visit(bob)).create()
    assert answer.status_code == 409
    assert b"Finish or discard one of them first." in answer.content
    assert Sender(visit(alice)).create().status_code == 201


def test_a_disk_that_takes_no_more_keeps_what_it_took(visit: Visit, bob: User, data: Path) -> None:
    content = b"x" * 6_000_000
    sender = Sender(visit(bob), content)
    sender.create()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000_000, before[1]))
    try:
        answer = sender.patch(0, content)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert answer.status_code == 507
    assert b"The dashboard's disk took no more: File too large. What arrived is kept" in answer.content
    here = sender.offset()
    assert 0 < here <= 5_000_000
    assert sender.patch(here, content[here:]).status_code == 204
    assert sender.finish().status_code == 200


def test_a_file_that_somebody_removed_is_gone_not_begun_again(sender: Sender) -> None:
    sender.file.unlink()
    assert sender.head().status_code == 410
    assert sender.patch(0, CONTENT).status_code == 410
    assert sender.finish().status_code == 410
    assert not sender.file.exists()


def test_a_link_in_the_place_of_the_file_is_not_followed(sender: Sender, data: Path) -> None:
    precious = data / "precious"
    precious.write_bytes(b"")
    sender.file.unlink()
    sender.file.symlink_to(precious)
    with pytest.raises(OSError, match="symbolic"):
        sender.patch(0, CONTENT)
    assert precious.read_bytes() == b""


def test_an_upload_is_kept_for_seven_days_after_its_last_part(sender: Sender, data: Path) -> None:
    sender.patch(0, CONTENT[:10])
    assert timedelta(days=6, hours=23) < sender.row.expires_at - timezone.now() <= timedelta(days=7)
    Upload.objects.update(expires_at=timezone.now() + timedelta(minutes=1))
    sender.patch(10, CONTENT[10:20])
    assert sender.row.expires_at - timezone.now() > timedelta(days=6)
    tasks.expire_uploads()
    os.utime(sender.file, (0, 0))
    tasks.sweep_store()
    assert sender.offset() == 20
    Upload.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    with PartFile(sender.file):  # somebody sends just now
        tasks.expire_uploads()
        assert sender.offset() == 20
    kept = sender.file
    tasks.expire_uploads()
    assert not kept.exists()
    assert not Upload.objects.exists()


def test_of_an_upload_that_was_taken_only_the_row_expires(sender: Sender, data: Path) -> None:
    sender.patch(0, CONTENT)
    sender.finish()
    Upload.objects.update(expires_at=timezone.now() - timedelta(minutes=1))
    tasks.expire_uploads()
    assert len(files_in(data)) == 1, "the worker still waits for it"
    assert not Upload.objects.exists()


def test_sums_of_interleaved_uploads_stay_apart(visit: Visit, bob: User, alice: User) -> None:
    one, two = Sender(visit(bob), CONTENT), Sender(visit(alice), CONTENT[::-1])
    for each in (one, two):
        each.create()
    for start in range(0, len(CONTENT), 1000):
        for each in (one, two):
            each.patch(start, each.content[start : start + 1000])
    assert [one.finish().status_code, two.finish().status_code] == [200, 200]


def test_the_sum_that_is_made_meanwhile_needs_no_reading(tmp_path: Path) -> None:
    sums, path = RunningSums(kept=2), tmp_path / "file"
    path.write_bytes(CONTENT)
    sums.feed("a", 0, CONTENT[:100])
    sums.feed("a", 200, b"out of order")
    sums.feed("a", 100, CONTENT[100:])
    path.write_bytes(b"?" * len(CONTENT))  # what is read now would be wrong
    with PartFile(path) as part:
        assert sums.advance("a", part, 5.0) == (len(CONTENT), hashlib.sha256(CONTENT).hexdigest())
        for other in ("b", "c"):
            sums.feed(other, 0, b"x")
        assert sums.advance("a", part, 5.0)[1] == sha256(b"?" * len(CONTENT)), "forgotten, so read"
