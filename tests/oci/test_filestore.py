"""Project files come in from archives and browsers, and go out as the same tar every time."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import io
import os
import stat
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.core.filetree import FileTree, diff, tree_from_json
from deployments.core.filetree_errors import Busy, ContentMissing
from deployments.core.filetree_names import is_path
from deployments.oci.blobs import BlobDirectory
from deployments.oci.filestore import Upload, collect, files_directory, import_files, import_uploads, tar_of
from deployments.oci.zstd import zstd

from .images import everything_below

FILES = {
    "manage.py": (b"#!/usr/bin/python3\n", 0o755),
    "app/settings.py": (b"DEBUG = False\n", 0o644),
    "e": (b"", 0o644),
}


@pytest.fixture
def blobs(tmp_path: Path) -> BlobDirectory:
    return files_directory(tmp_path / "files")


def tar_archive(files: dict[str, tuple[bytes, int]], prefix: str = "./") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        root = tarfile.TarInfo("./")
        root.type, root.mode = tarfile.DIRTYPE, 0o2775
        archive.addfile(root)
        for name, (data, mode) in files.items():
            info = tarfile.TarInfo(prefix + name)
            info.size, info.mode = len(data), mode
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def zip_archive(files: dict[str, tuple[bytes, int]]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("app/", b"")
        for name, (data, mode) in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (stat.S_IFREG | mode) << 16
            archive.writestr(info, data, zipfile.ZIP_DEFLATED)
    return out.getvalue()


FORMS = {
    "tar": tar_archive(FILES),
    "tar.gz": gzip.compress(tar_archive(FILES)),
    "tar.bz2": bz2.compress(tar_archive(FILES)),
    "tar.zst": zstd.compress(tar_archive(FILES)),
    "zip": zip_archive(FILES),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_tree(form: str, blobs: BlobDirectory) -> None:
    tree = import_files(io.BytesIO(FORMS[form]), blobs)
    assert {each.path: each.mode for each in tree.entries} == {name: mode for name, (_, mode) in FILES.items()}
    for each in tree.entries:
        content = FILES[each.path][0]
        assert (each.size, each.sha256) == (len(content), hashlib.sha256(content).hexdigest())
        assert blobs.path(each.digest).read_bytes() == content
    assert set(blobs.digests()) == {each.digest for each in tree.entries}


@pytest.mark.parametrize("form", FORMS)
def test_a_file_is_read_with_its_progress(form: str, blobs: BlobDirectory, tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(FORMS[form])
    seen: list[tuple[int, int | None]] = []
    import_files(path, blobs, on_progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (path.stat().st_size,) * 2


def test_the_archive_of_git_is_taken_in(blobs: BlobDirectory, tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    for command in (
        ["init", "--quiet", "."],
        ["add", "a"],
        ["-c", "user.name=x", "-c", "user.email=x@example.org", "commit", "--quiet", "-m", "x"],
        ["archive", "--output", "out.tar", "HEAD"],
    ):
        subprocess.run(["git", *command], cwd=tmp_path, check=True, env={"PATH": os.environ["PATH"]})
    assert [each.path for each in import_files(tmp_path / "out.tar", blobs).entries] == ["a"]


def test_a_directory_from_a_browser_is_taken_in(blobs: BlobDirectory) -> None:
    uploads = [Upload(name, io.BytesIO(data), mode) for name, (data, mode) in FILES.items()]
    assert import_uploads(uploads, blobs) == import_files(io.BytesIO(FORMS["tar"]), blobs)


def test_a_zip_from_a_system_without_modes_gives_plain_files(blobs: BlobDirectory) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        info = zipfile.ZipInfo("a.exe")
        info.create_system, info.external_attr = 0, 0x20
        archive.writestr(info, b"x")
    assert [each.mode for each in import_files(io.BytesIO(out.getvalue()), blobs).entries] == [0o644]


def test_a_zip_from_macos_keeps_its_names(blobs: BlobDirectory) -> None:
    data = zip_archive({"cafe.txt": (b"x", 0o644)}).replace(b"cafe.txt", "caé.txt".encode())
    assert [each.path for each in import_files(io.BytesIO(data), blobs).entries] == ["caé.txt"]


def test_many_files_are_kept_with_one_sync(blobs: BlobDirectory) -> None:
    files = {f"d{n % 10}/f{n}": (str(n).encode(), 0o644) for n in range(300)}
    assert len(import_files(io.BytesIO(tar_archive(files)), blobs).entries) == 300


def test_the_tar_unpacks_to_the_tree(blobs: BlobDirectory, tmp_path: Path) -> None:
    long = {"é/" + "/".join(["d" * 90] * 8) + "/f": (b"deep", 0o755), "-rf": (b"x", 0o644), **FILES}
    tree = import_files(io.BytesIO(tar_archive(long)), blobs)
    (tmp_path / "out").mkdir()
    done = subprocess.run(
        ["tar", "-x", "-C", str(tmp_path / "out")],
        input=b"".join(tar_of(tree, [each.path for each in tree.entries], blobs)),
        capture_output=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    for name, (data, mode) in long.items():
        path = tmp_path / "out" / name
        assert (path.read_bytes(), path.stat().st_mode & 0o777) == (data, mode)


def test_the_tar_holds_what_changed_and_is_the_same_every_time(blobs: BlobDirectory) -> None:
    old = import_files(io.BytesIO(tar_archive(FILES)), blobs)
    new = import_files(io.BytesIO(tar_archive(FILES | {"e": (b"new", 0o644)})), blobs)
    sent = [each.path for each in diff(old, new).changed]
    first = b"".join(tar_of(new, sent, blobs))
    assert first == b"".join(tar_of(new, list(reversed(sent)), blobs))
    with tarfile.open(fileobj=io.BytesIO(first)) as archive:
        assert [(each.name, each.mtime, each.uid) for each in archive] == [("e", 0, 0)]
    assert b"".join(tar_of(new, [], blobs)) == bytes(1024)


def test_a_path_that_is_not_in_the_tree_cannot_be_sent(blobs: BlobDirectory) -> None:
    with pytest.raises(KeyError, match="x"):
        b"".join(tar_of(FileTree(), ["x"], blobs))


@pytest.mark.parametrize("content", [b"DEBUG = True!\n", b"short", b"much longer than it was before\n", None])
def test_damaged_content_ends_the_tar_early(content: bytes | None, blobs: BlobDirectory) -> None:
    tree = import_files(io.BytesIO(tar_archive(FILES)), blobs)
    entry = tree.get("app/settings.py")
    assert entry is not None
    path = blobs.path(entry.digest)
    path.unlink() if content is None else path.write_bytes(content)
    sent = b""
    with pytest.raises(ContentMissing):
        for chunk in tar_of(tree, ["app/settings.py", "manage.py"], blobs):
            sent += chunk
    assert not sent.endswith(bytes(1024))


def test_a_new_upload_mends_damaged_content(blobs: BlobDirectory) -> None:
    tree = import_files(io.BytesIO(tar_archive(FILES)), blobs)
    blobs.path(tree.entries[0].digest).write_bytes(b"damaged")
    import_files(io.BytesIO(tar_archive(FILES)), blobs)
    blobs.verify(tree.entries[0].digest)


def test_collection_keeps_the_content_of_kept_trees(blobs: BlobDirectory) -> None:
    old = import_files(io.BytesIO(tar_archive(FILES)), blobs)
    new = import_files(io.BytesIO(tar_archive({"e": (b"new", 0o644), "f": (b"", 0o644)})), blobs)
    assert collect(blobs, [new]).blobs == 0
    assert collect(blobs, [new], grace=0).blobs == len(
        {e.digest for e in old.entries} - {e.digest for e in new.entries}
    )
    assert set(blobs.digests()) == {each.digest for each in new.entries}


def test_collection_does_not_run_beside_an_upload(blobs: BlobDirectory) -> None:
    with blobs.workspace(), pytest.raises(Busy, match="Try again"):
        collect(blobs, [])


names = st.lists(
    st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(is_path), min_size=1, max_size=3
).map(lambda parts: "d/" * (len(parts) - 1) + "".join(parts).replace("/", "-"))
names = names.filter(lambda name: is_path(name) and name != "d")


@settings(max_examples=60, deadline=None)
@given(
    files=st.dictionaries(
        names.filter(is_path).filter(lambda n: n != "d"), st.binary(max_size=600), min_size=1, max_size=5
    )
)
def test_what_goes_in_comes_out(files: dict[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as directory:
        one, two = files_directory(Path(directory) / "1"), files_directory(Path(directory) / "2")
        tree = import_uploads([Upload(name, io.BytesIO(data)) for name, data in files.items()], one)
        again = import_files(io.BytesIO(b"".join(tar_of(tree, [each.path for each in tree.entries], one))), two)
        assert again == tree == tree_from_json(tree.as_json())
        zipped = zip_archive({name: (data, 0o644) for name, data in files.items()})
        assert import_files(io.BytesIO(zipped), two) == tree
        inside = {name for name in everything_below(Path(directory) / "1") if "blobs" in name}
        assert len(inside) == len(set(files.values()))
