"""Uploaded archives, as operations: a bad one gets one clear message on its page and in its log, and leaves nothing."""

from __future__ import annotations

import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile

from deployments.models import FilesVersion, Image
from deployments.services.requests import request_import
from deployments.services.uploads import UploadRefused, take_upload
from ffsweb.operations.models import LogLine, Operation
from tests.deployments.fleet import Fleet, log_of, run
from tests.oci.images import Picture, archive, everything_below, layer, member, podman_members, tar

GOOD = archive(podman_members(Picture()))


def with_name(name: str) -> bytes:
    """A good image archive that begins with a member of that name."""
    return tar([member(name, b"x")])[:-1024] + GOOD


def left(data: Path) -> set[str]:
    """Everything that an import may leave: blobs, drafts and uploads; what a store consists of does not count."""
    found = {name for part in ("oci", "files", "uploads") for name in everything_below(data / part)}
    return found - {"oci-layout", "index.json"}


def take_in(fleet: Fleet, what: str, content: bytes, path: Path) -> Operation:
    path.write_bytes(content)
    return fleet.take_in(what, path)


def one_clear_message(operation: Operation, match: str) -> None:
    """Failed; the row says why and that nothing was kept; the log shows it as an error and ends with it."""
    assert operation.state == "failed"
    assert match in operation.message
    assert "Nothing was kept" in operation.message
    assert "Traceback" not in operation.message
    assert LogLine.objects.filter(operation=operation, stream="error", text=operation.message).count() == 1
    assert log_of(operation).splitlines()[-1] == f"Failed. {operation.message}"


IMAGES: dict[str, tuple[bytes, str]] = {
    "truncated": (GOOD[:5000], "ends"),
    "truncated-gzip": (gzip.compress(GOOD)[:-40], "ends"),
    "without-end-mark": (GOOD[:-1024], "end mark"),
    "leading-out": (with_name("../../etc/passwd"), ".."),
    "absolute": (with_name("/etc/passwd"), "/etc/passwd"),
    "text": (b"hello, world\n" * 100, "not a tar"),
    "zip": (b"PK\x03\x04" + bytes(600), "not a tar"),
    "tar-without-image": (archive({"readme.txt": b"hello"}), "neither a manifest.json nor an index.json"),
    "layer-leading-out": (
        archive(podman_members(Picture(layers=[layer(etc_base="x"), b"this is no layer" * 100]))),
        "tar",
    ),
}


@pytest.mark.parametrize("name", IMAGES)
def test_a_bad_image_archive_gets_one_clear_message_and_leaves_nothing(
    name: str, fleet: Fleet, data: Path, tmp_path: Path
) -> None:
    content, match = IMAGES[name]
    one_clear_message(take_in(fleet, "image", content, tmp_path / "image.tar"), match)
    assert not Image.objects.exists()
    assert left(data) == set()


def test_a_refused_image_leaves_the_ones_in_the_store_as_they_were(fleet: Fleet, data: Path, tmp_path: Path) -> None:
    assert take_in(fleet, "image", GOOD, tmp_path / "good.tar").state == "succeeded"
    before = left(data)
    one_clear_message(take_in(fleet, "image", GOOD[:6000], tmp_path / "bad.tar"), "ends")
    assert left(data) == before
    assert Image.objects.count() == 1


def tar_with(change: Callable[[tarfile.TarInfo], None], name: str = "odd") -> bytes:
    """An archive of a good file and of one that ``change`` made odd."""
    info = tarfile.TarInfo(name)
    info.mode = 0o644
    change(info)
    return tar([member("good.txt", b"good"), (info, b"")])


def kind(of: bytes, link: str = "") -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname = of, link

    return change


def mode(bits: int) -> Callable[[tarfile.TarInfo], None]:
    def change(info: tarfile.TarInfo) -> None:
        info.mode = bits

    return change


def as_it_is(info: tarfile.TarInfo) -> None:
    return


def zip_with_link() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive_:
        info = zipfile.ZipInfo("odd")
        info.external_attr = 0o120777 << 16
        archive_.writestr(info, "/etc/passwd")
    return out.getvalue()


FILES: dict[str, tuple[bytes, str]] = {
    "symbolic-link": (tar_with(kind(tarfile.SYMTYPE, "/etc/passwd")), "'odd' is a symbolic link"),
    "hard-link": (tar_with(kind(tarfile.LNKTYPE, "good.txt")), "'odd' is a hard link"),
    "character-device": (tar_with(kind(tarfile.CHRTYPE)), "'odd' is a character device"),
    "block-device": (tar_with(kind(tarfile.BLKTYPE)), "'odd' is a block device"),
    "named-pipe": (tar_with(kind(tarfile.FIFOTYPE)), "'odd' is a named pipe"),
    "link-in-a-zip": (zip_with_link(), "'odd' is a link"),
    "setuid": (tar_with(mode(0o4755)), "setuid"),
    "setgid": (tar_with(mode(0o2755)), "set"),
    "newline": (tar_with(as_it_is, "a\nb"), "control"),
    "escape": (tar_with(as_it_is, "a\x1b]0;title\x07b"), "control"),
    "leading-out": (tar_with(as_it_is, "../evil"), ".."),
    "absolute": (tar_with(as_it_is, "/etc/cron.d/evil"), "absolute"),
    "truncated": (tar([member("a", b"x" * 5000)])[:2000], "ends"),
    "text": (b"hello, world\n" * 100, "not a tar"),
    "empty-tar": (bytes(10240), "empty"),
}


@pytest.mark.parametrize("name", FILES)
def test_bad_project_files_get_one_clear_message_and_leave_nothing(
    name: str, fleet: Fleet, data: Path, tmp_path: Path
) -> None:
    content, match = FILES[name]
    ended = take_in(fleet, "files", content, tmp_path / "files.tar")
    one_clear_message(ended, match)
    assert not any(ord(character) < 32 and character != "\n" for character in log_of(ended))
    assert not FilesVersion.objects.exists()
    assert left(data) == set()


def test_the_same_files_again_are_the_same_version(fleet: Fleet, tmp_path: Path) -> None:
    content = tar([member("a", b"1")])
    assert take_in(fleet, "files", content, tmp_path / "a.tar").state == "succeeded"
    assert take_in(fleet, "files", content, tmp_path / "b.tar").state == "succeeded"
    assert FilesVersion.objects.get().number == 1


def test_an_upload_that_is_gone_says_so(fleet: Fleet, data: Path, tmp_path: Path) -> None:
    missing = data / "uploads" / "gone"
    asked = request_import(project=fleet.project, what="image", upload=missing, name="image.tar", actor=fleet.alice)
    ended = run(asked)
    assert ended.state == "failed"
    assert "Upload it again." in ended.message


@pytest.mark.parametrize("what", ["image", "files"])
def test_an_archive_that_grew_beyond_the_limit_is_refused_while_it_is_read(
    what: str, fleet: Fleet, data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "UPLOAD_LIMIT", len(GOOD) - 1)
    one_clear_message(take_in(fleet, what, GOOD, tmp_path / "big.tar"), "larger than")
    assert not Image.objects.exists() and not FilesVersion.objects.exists()
    assert left(data) == set()


@pytest.mark.parametrize("what", ["image", "files"])
def test_an_upload_beyond_the_limit_is_refused_before_it_is_kept(
    what: str, fleet: Fleet, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "UPLOAD_LIMIT", len(GOOD) - 1)
    with pytest.raises(UploadRefused, match=r"at most .* are taken\. Nothing was kept\."):
        take_upload(project=fleet.project, what=what, upload=SimpleUploadedFile("image.tar", GOOD), actor=fleet.alice)
    assert not Operation.objects.exists()
    assert left(data) == set()


def test_an_empty_upload_is_refused_before_it_is_kept(fleet: Fleet, data: Path) -> None:
    with pytest.raises(UploadRefused, match=r"empty\. Nothing was kept\."):
        take_upload(
            project=fleet.project, what="image", upload=SimpleUploadedFile("image.tar", b""), actor=fleet.alice
        )
    assert not Operation.objects.exists()
    assert left(data) == set()


def test_the_name_of_an_upload_reaches_no_path(fleet: Fleet, data: Path) -> None:
    upload = SimpleUploadedFile("x", GOOD)
    upload._name = "../../evil\n<b>.tar"  # type: ignore[attr-defined]  # what a hostile client may send
    asked = take_upload(project=fleet.project, what="image", upload=upload, actor=fleet.alice)
    assert [path.name for path in (data / "uploads").iterdir()] == [asked.params["upload"]]
    assert run(asked).state == "succeeded"
    assert asked.params["name"] == "evil__b_.tar"
    assert list((data / "uploads").iterdir()) == []
