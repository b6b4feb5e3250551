"""Uploads in parts: what arrived stays, whatever is repeated counts once, and what is wrong is refused by name."""

from __future__ import annotations

import hashlib
import resource
import stat
from pathlib import Path

import pytest

from deployments.models import Upload
from deployments.oci.partfile import PartFile
from deployments.oci.running_sums import RunningSums
from deployments.services import resumable
from ffsweb.accounts.models import User
from ffsweb.audit.models import AuditEvent
from ffsweb.operations.models import Operation

from .conftest import Visit
from .tus import CONTENT, PAGES, PART, Sender, files_in, restart, sender, sha256

__all__ = ["sender"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data")]


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
            f"Its SHA-256 is {sha256(CONTENT)}; {sha256(b'something else')} was announced." in answer.json()["error"]
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


def test_two_at_once_on_one_upload_are_one(sender: Sender) -> None:
    with PartFile(sender.file):
        answer = sender.patch(0, CONTENT)
        assert answer.status_code == 423
        assert b"Another request is sending to this upload." in answer.content
        assert sender.finish().status_code == 423
        assert sender.offset() == 0, "whoever asks is told"
    assert sender.patch(0, CONTENT).status_code == 204


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
