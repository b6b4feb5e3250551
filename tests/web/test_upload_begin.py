"""How uploads in parts begin, and what is refused before anything is sent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pytest_django import Settings

from deployments.models import Upload
from deployments.services import resumable
from ffsweb.accounts.models import User
from ffsweb.operations.models import Operation

from .conftest import Visit
from .markup import assert_well_made
from .tus import CREATE, PAGES, Sender, files_in, metadata, sender

__all__ = ["sender"]

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data")]


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
