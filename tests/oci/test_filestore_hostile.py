"""What has no place among project files is refused with its reason, and nothing of the upload stays."""

from __future__ import annotations

import bz2
import gzip
import io
import stat
import struct
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deployments.core import filetree_errors as errors
from deployments.core.filetree_errors import FilesError
from deployments.oci import drafts
from deployments.oci.blobs import BlobDirectory
from deployments.oci.fileintake import FilesLimits
from deployments.oci.filestore import Upload, collect, files_directory, import_files, import_uploads
from deployments.oci.zstd import zstd

from .images import everything_below, member, tar
from .test_filestore import FORMS, tar_archive, zip_archive

DAMAGED_ZIP = bytearray(zip_archive({"damaged": (b"x" * 1000, 0o644)}))
DAMAGED_ZIP[DAMAGED_ZIP.index(b"damaged") + 9] ^= 0xFF
WIDE = zstd.compress(tar_archive({"x": (bytes(50_000), 0o644)}), options={zstd.CompressionParameter.window_log: 30})
WIDE = b"\x28\xb5\x2f\xfd\x00" + bytes([(30 - 10) << 3]) + WIDE[6:]  # asks for a window of 1 GiB
SMALL = FilesLimits(archive_bytes=300_000, expanded_bytes=200_000, file_bytes=100_000, files=20)


@pytest.fixture
def blobs(tmp_path: Path) -> Iterator[BlobDirectory]:
    yield files_directory(tmp_path / "files")
    assert {Path(name).name for name in everything_below(tmp_path / "files")} == set()


def refuse(data: bytes, blobs: BlobDirectory, error: type[FilesError], match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        import_files(io.BytesIO(data), blobs, SMALL)
    assert type(caught.value) is error
    assert "Nothing was kept." in str(caught.value)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"", "empty"),
        (b"hello", "end mark"),
        (b"hello" * 500, "not a tar"),
        (b"\x28\xb5\x2f\xfd" + bytes(60), "compressed stream"),
        (b"PK\x03\x04" + bytes(100), "before its directory"),
        (b"PK\x05\x06" + bytes(18), "no files"),
        (tar([member("d/", kind=tarfile.DIRTYPE)]), "no files"),
        (bytes(10240), "empty"),
        (tar([member("a", b"a")])[:-1024], "end mark"),
        (FORMS["tar.gz"][:-20], "compressed stream"),
        (FORMS["tar.bz2"][:-20], "compressed stream"),
        (FORMS["tar.zst"][:-5], "compressed stream"),
        (FORMS["tar.zst"][:20], "compressed stream"),
        (FORMS["tar.zst"] + b"more", "follows the end"),
        (WIDE, "more than 128 MiB of memory"),
        (FORMS["zip"][:-30], "before its directory"),
        (FORMS["zip"] + b"more", "follows the end"),
        (FORMS["tar"] + b"more", "follows the end"),
        (DAMAGED_ZIP, "damaged"),
        (b"BZh9" + bytes(100), "damaged"),
    ],
)
def test_what_cannot_be_read_is_refused(data: bytes, match: str, blobs: BlobDirectory) -> None:
    refuse(data, blobs, errors.Unreadable, match)


@pytest.mark.parametrize("make", [tar_archive, zip_archive])
@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("../evil", r"'\.\.'|leads out"),
        ("a/../../evil", r"'\.\.'|leads out"),
        ("a\nb", "control"),
        ("a\\b", "backslash"),
        ("x" * 256, "too long"),
        ("/".join(["x" * 100] * 11), "too long|more than 1024"),
    ],
)
def test_bad_names_are_refused(make: type, name: str, match: str, blobs: BlobDirectory) -> None:
    refuse(make({name: (b"x", 0o644)}), blobs, errors.BadPath, match)


def test_absolute_names_are_refused(blobs: BlobDirectory) -> None:
    refuse(tar([member("/etc/passwd", b"x")]), blobs, errors.BadPath, "absolute")
    refuse(zip_archive({"/etc/passwd": (b"x", 0o644)}), blobs, errors.BadPath, "absolute")


def test_a_zip_name_with_a_zero_byte_is_refused(blobs: BlobDirectory) -> None:
    data = zip_archive({"a.txt-b": (b"x", 0o644)}).replace(b"a.txt-b", b"a.txt\0b")
    refuse(data, blobs, errors.BadPath, "control")


def test_a_zip_name_in_an_old_code_page_is_refused(blobs: BlobDirectory) -> None:
    data = zip_archive({"cafe.txt": (b"x", 0o644)}).replace(b"cafe.txt", b"caf\x82.txt")
    refuse(data, blobs, errors.BadPath, "not UTF-8")


@pytest.mark.parametrize(
    ("kind", "what"),
    [
        (tarfile.SYMTYPE, "symbolic link"),
        (tarfile.LNKTYPE, "hard link"),
        (tarfile.CHRTYPE, "character device"),
        (tarfile.BLKTYPE, "block device"),
        (tarfile.FIFOTYPE, "named pipe"),
    ],
)
def test_what_is_no_file_is_refused_by_name(kind: bytes, what: str, blobs: BlobDirectory) -> None:
    refuse(tar([member("x", kind=kind, link="y")]), blobs, errors.NotAFile, f"'x' is a {what}")


def test_a_link_in_a_zip_is_refused(blobs: BlobDirectory) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("x")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(info, "/etc/passwd")
    refuse(out.getvalue(), blobs, errors.NotAFile, "'x' is a link")


@pytest.mark.parametrize("make", [tar_archive, zip_archive])
@pytest.mark.parametrize("mode", [0o4755, 0o2755, 0o1644])
def test_special_modes_are_refused(make: type, mode: int, blobs: BlobDirectory) -> None:
    refuse(make({"x": (b"x", mode)}), blobs, errors.BadMode, "'x' has the setuid")


def test_names_that_cannot_both_be_are_refused(blobs: BlobDirectory) -> None:
    refuse(tar([member("a", b"1"), member("./a", b"2")]), blobs, errors.Clash, "'a' occurs twice")
    refuse(tar([member("a", b"1"), member("a/b", b"2")]), blobs, errors.Clash, "also a directory")
    with pytest.warns(UserWarning, match="Duplicate name"):
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr("a", b"1")
            archive.writestr("a", b"2")
    refuse(out.getvalue(), blobs, errors.Clash, "'a' occurs twice")


@pytest.mark.parametrize("pack", [lambda data: data, gzip.compress, bz2.compress, zstd.compress])
def test_a_file_beyond_the_limit_is_refused(pack: type, blobs: BlobDirectory) -> None:
    refuse(pack(tar_archive({"x": (bytes(100_001), 0o644)})), blobs, errors.TooMuch, "'x' has more than")


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress])
def test_bombs_are_refused(pack: type, blobs: BlobDirectory) -> None:
    bomb = tar_archive({"x": (bytes(50_000_000), 0o644)})
    refuse(pack(bomb), blobs, errors.TooMuch, "has more than|unpacks to more")
    refuse(pack(bytes(50_000_000)), blobs, errors.TooMuch, "unpacks to more")


def test_zip_bombs_are_refused(blobs: BlobDirectory) -> None:
    refuse(zip_archive({"x": (bytes(50_000_000), 0o644)}), blobs, errors.TooMuch, "'x' has more than|together")
    many = {f"f{n}": (bytes(90_000), 0o644) for n in range(10)}
    refuse(zip_archive(many), blobs, errors.TooMuch, "together")


def test_a_zip_that_lies_about_sizes_is_refused(blobs: BlobDirectory) -> None:
    data = zip_archive({"x": (bytes(50_000), 0o644)})
    lie = data.replace(struct.pack("<I", 50_000), struct.pack("<I", 10))
    refuse(lie, blobs, errors.Unreadable, "damaged")


def test_a_zip_that_announces_too_much_is_not_opened(blobs: BlobDirectory) -> None:
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1000, 1000, 46_000, 0, 0)
    refuse(FORMS["zip"][:-22] + end, blobs, errors.TooMuch, "more than 20 files")
    end = struct.pack("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 3, 3, 2**31, 0, 0)
    refuse(FORMS["zip"][:-22] + end, blobs, errors.TooMuch, "directory of the zip file is too large")
    large = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 3, 3, 2**40, 0)
    body = FORMS["zip"][:-22]
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, len(body), 1)
    refuse(
        body + large + locator + FORMS["zip"][-22:], blobs, errors.TooMuch, "directory of the zip file is too large"
    )
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, 0, 1)
    refuse(body + large + locator + FORMS["zip"][-22:], blobs, errors.Unreadable, "large directory")


def test_an_encrypted_zip_is_refused(blobs: BlobDirectory) -> None:
    data = bytearray(zip_archive({"x": (b"x", 0o644)}))
    for magic, offset in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        for at in range(len(data) - 4):
            if data[at : at + 4] == magic:
                data[at + offset] |= 1
    refuse(bytes(data), blobs, errors.Unreadable, "is encrypted")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_a_zip_are_refused(method: int, blobs: BlobDirectory) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.writestr("x", b"x" * 1000)
    refuse(out.getvalue(), blobs, errors.Unreadable, "not read")


def test_an_upload_beyond_the_limit_is_refused(blobs: BlobDirectory) -> None:
    files = {f"f{n}": (bytes(90_000), 0o644) for n in range(4)}
    refuse(tar_archive(files), blobs, errors.TooMuch, "larger than|together")
    refuse(b"PK\x03\x04" + bytes(400_000), blobs, errors.TooMuch, "larger than")


@pytest.mark.parametrize("make", [tar_archive, zip_archive])
def test_many_files_are_refused(make: type, blobs: BlobDirectory) -> None:
    refuse(make({f"f{n}": (b"", 0o644) for n in range(21)}), blobs, errors.TooMuch, "more than 20 files")


def test_a_browser_that_sends_bad_names_is_refused(blobs: BlobDirectory) -> None:
    for name in ("../x", "/x", "", "a\0b"):
        with pytest.raises(errors.BadPath):
            import_uploads([Upload("good", io.BytesIO(b"x")), Upload(name, io.BytesIO(b"x"))], blobs)
    with pytest.raises(errors.Unreadable, match="no files"):
        import_uploads([], blobs)


def test_a_full_disk_is_said_and_nothing_stays(blobs: BlobDirectory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drafts, "RESERVE", 2**62)
    for data in FORMS.values():
        refuse(data, blobs, errors.NoRoom, "left")


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    data = bytearray(draw(st.sampled_from(list(FORMS.values()))))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(len(data) - 1, 0)))
        match draw(st.sampled_from(["change", "remove", "insert", "cut", "number"])):
            case "change":
                data[at : at + 1] = draw(st.binary(min_size=1, max_size=1))
            case "remove":
                del data[at : at + draw(st.sampled_from([1, 4, 100, 512]))]
            case "insert":
                data[at:at] = draw(st.binary(max_size=20))
            case "cut":
                del data[at:]
            case "number":
                data[at : at + 4] = draw(st.sampled_from([b"\xff" * 4, bytes(4), b"PK\x05\x06", b"PK\x06\x07"]))
    return bytes(data)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=mutations())
def test_a_mutated_upload_is_a_tree_or_a_files_error(data: bytes) -> None:
    with tempfile.TemporaryDirectory() as directory:
        blobs = files_directory(Path(directory))
        try:
            tree = import_files(io.BytesIO(data), blobs, SMALL)
        except FilesError as error:
            assert str(error)
            assert set(blobs.digests()) == set()
        else:
            for each in tree.entries:
                blobs.verify(each.digest)
            collect(blobs, [], grace=0)
        assert {Path(name).name for name in everything_below(Path(directory))} == set()
