"""A release's files: what the manifest says and nothing else, whatever the archive holds."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from deployments.core import node_commands
from deployments.core.node_input import StagedFile, stage_files_head

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.nodekit.conftest import Program, Said

FILES = {"a.txt": b"hello", "bin/run": b"#!/bin/sh\n", "deep/er/ü 漢.txt": b"x" * 3000, "-rf": b"dash", "empty": b""}


def row(name: str, data: bytes, mode: int = 0o644) -> StagedFile:
    return StagedFile(name, mode, len(data), hashlib.sha256(data).hexdigest())


def tar(*members: tuple[tarfile.TarInfo, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for member, data in members:
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def member(name: str, data: bytes = b"", **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in more.items():
        setattr(info, key, value)
    return info, data


def plain(files: dict[str, bytes]) -> bytes:
    return tar(*(member(name, data) for name, data in files.items()))


def stage(
    program: Program,
    files: dict[str, bytes],
    archive: bytes,
    *,
    sent: list[str] | None = None,
    release: int = 1,
    base: int | None = None,
) -> Said:
    rows = [row(name, data, 0o755 if name.startswith("bin/") else 0o600) for name, data in files.items()]
    head = stage_files_head(rows, list(files) if sent is None else sent)
    return program.command(node_commands.stage_files((1, 1), "www", release, base), head + archive)


def tree(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def nothing_happened(program: Program, outside: Path) -> None:
    assert not list((program.service / "releases").glob("*")) if program.service.exists() else True
    assert program.leftovers() == []
    assert not outside.exists()


def test_files_arrive_whole_read_only_and_owned_by_root(as_root: Program) -> None:
    said = stage(as_root, FILES, plain(FILES))
    assert said.result == {"event": "result", "ok": True, "files": 5, "sent": 5, "already": False}
    release = as_root.service / "releases/1"
    assert tree(release) == FILES
    for path in (release, *release.rglob("*")):
        status = path.lstat()
        executable = path.is_dir() or path.name == "run"
        assert (status.st_uid, status.st_gid) == (0, 0)
        assert stat.S_IMODE(status.st_mode) == (0o555 if executable else 0o444), path
    assert as_root.leftovers() == []


@pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_form_of_tar_is_taken(as_root: Program, form: int) -> None:
    name = "long/" * 20 + "name"
    files = {name: b"data"}
    assert stage(as_root, files, tar(member(name, b"data"), form=form)).code == "ok"


def test_unchanged_files_come_from_the_base(as_root: Program) -> None:
    assert stage(as_root, FILES, plain(FILES)).code == "ok"
    changed = FILES | {"a.txt": b"new", "added": b"!"}
    del changed["empty"]
    sent = {name: changed[name] for name in ("a.txt", "added")}
    said = stage(as_root, changed, plain(sent), sent=list(sent), release=2, base=1)
    assert (said.code, said.result["sent"]) == ("ok", 2)
    assert tree(as_root.service / "releases/2") == changed
    assert tree(as_root.service / "releases/1") == FILES


def test_the_same_release_again_is_done_and_another_under_its_number_is_refused(as_root: Program) -> None:
    assert stage(as_root, FILES, plain(FILES)).code == "ok"
    assert stage(as_root, FILES, plain(FILES)).result["already"] is True
    assert stage(as_root, {"a.txt": b"other"}, plain({"a.txt": b"other"})).code == "exists"
    assert tree(as_root.service / "releases/1") == FILES


def test_a_release_may_have_no_files(as_root: Program) -> None:
    assert stage(as_root, {}, b"").code == "ok"
    assert tree(as_root.service / "releases/1") == {}


def test_a_missing_base_is_named(as_root: Program) -> None:
    assert stage(as_root, FILES, b"", sent=[], base=7).code == "not-found"
    assert stage(as_root, FILES, b"", sent=[]).code == "bad-input"


def test_a_damaged_base_is_not_passed_on(as_root: Program) -> None:
    assert stage(as_root, FILES, plain(FILES)).code == "ok"
    damaged = as_root.service / "releases/1/a.txt"
    damaged.chmod(0o644)
    damaged.write_bytes(b"HELLO")
    said = stage(as_root, FILES, b"", sent=[], release=2, base=1)
    assert said.code == "verify"
    assert not (as_root.service / "releases/2").exists()
    assert as_root.leftovers() == []


def _link(name: str, target: str, kind: bytes) -> tuple[tarfile.TarInfo, bytes]:
    return member(name, type=kind, linkname=target)


HOSTILE: dict[str, Callable[[str], bytes]] = {
    "symbolic link": lambda out: tar(_link("a.txt", "/etc/passwd", tarfile.SYMTYPE)),
    "dangling link": lambda out: tar(_link("a.txt", out, tarfile.SYMTYPE)),
    "write through a link": lambda out: tar(_link("a.txt", out, tarfile.SYMTYPE), member("a.txt", b"hello")),
    "write below a link": lambda out: tar(
        _link("a.txt", out.rpartition("/")[0], tarfile.SYMTYPE), member("a.txt/outside", b"x")
    ),
    "hard link": lambda out: tar(_link("a.txt", "/etc/passwd", tarfile.LNKTYPE)),
    "hard link inside": lambda out: tar(member("b.txt", b"hello"), _link("a.txt", "b.txt", tarfile.LNKTYPE)),
    "pipe": lambda out: tar(member("a.txt", type=tarfile.FIFOTYPE)),
    "device": lambda out: tar(member("a.txt", type=tarfile.BLKTYPE, devmajor=8, devminor=0)),
    "character device": lambda out: tar(member("a.txt", type=tarfile.CHRTYPE, devmajor=1, devminor=3)),
    "directory": lambda out: tar(member("a.txt", type=tarfile.DIRTYPE)),
    "absolute": lambda out: tar(member(out, b"hello")),
    "climbing": lambda out: tar(member("../" * 12 + out.lstrip("/"), b"hello")),
    "another name": lambda out: tar(member("b.txt", b"hello")),
    "other content": lambda out: tar(member("a.txt", b"HELLO")),
    "longer": lambda out: tar(member("a.txt", b"hello, world")),
    "huge": lambda out: tar(member("a.txt", b"x" * 3_000_000)),
    "twice": lambda out: tar(member("a.txt", b"hello"), member("a.txt", b"other")),
    "truncated": lambda out: tar(member("a.txt", b"hello"))[:514],
    "cut header": lambda out: tar(member("a.txt", b"hello"))[:100],
    "empty": lambda out: b"",
    "no archive": lambda out: b"\x1f\x8b" + b"x" * 5000,
    "zeros": lambda out: bytes(10240),
}


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_archive_leaves_nothing_behind(as_root: Program, tmp_path: Path, what: str) -> None:
    outside = tmp_path / "outside"
    tmp_path.chmod(0o777)
    said = stage(as_root, {"a.txt": b"hello"}, HOSTILE[what](str(outside)))
    assert said.code in {"bad-input", "verify"}, said
    nothing_happened(as_root, outside)


def test_setuid_and_foreign_owners_in_the_archive_mean_nothing(as_root: Program) -> None:
    archive = tar(member("a.txt", b"hello", mode=0o6777, uid=1600, gid=1600, uname="ffs"))
    assert stage(as_root, {"a.txt": b"hello"}, archive).code == "ok"
    status = (as_root.service / "releases/1/a.txt").stat()
    assert (status.st_uid, stat.S_IMODE(status.st_mode)) == (0, 0o444)


def test_what_is_not_listed_is_not_unpacked(as_root: Program) -> None:
    archive = tar(member("a.txt", b"hello"), member("evil", b"x"), _link("l", "/etc", tarfile.SYMTYPE))
    assert stage(as_root, {"a.txt": b"hello"}, archive).code == "ok"
    assert tree(as_root.service / "releases/1") == {"a.txt": b"hello"}


GOOD = {"path": "a.txt", "mode": 420, "size": 5, "sha256": hashlib.sha256(b"hello").hexdigest()}
MANIFESTS: dict[str, object] = {
    "not an object": [],
    "another key": {"files": [GOOD], "sent": [], "base": 1},
    "no sent": {"files": [GOOD]},
    "text": {"files": "x", "sent": []},
    "a key too many": {"files": [GOOD | {"uid": 0}], "sent": ["a.txt"]},
    "a path of another type": {"files": [GOOD | {"path": 1}], "sent": []},
    "setuid": {"files": [GOOD | {"mode": 0o4755}], "sent": ["a.txt"]},
    "negative mode": {"files": [GOOD | {"mode": -1}], "sent": ["a.txt"]},
    "half a byte": {"files": [GOOD | {"size": 0.5}], "sent": ["a.txt"]},
    "negative size": {"files": [GOOD | {"size": -5}], "sent": ["a.txt"]},
    "exabytes": {"files": [GOOD | {"size": 10**18}], "sent": ["a.txt"]},
    "another hash": {"files": [GOOD | {"sha256": "A" * 64}], "sent": ["a.txt"]},
    "the same path twice": {"files": [GOOD, GOOD], "sent": ["a.txt"]},
    "a file that is a directory": {"files": [GOOD, GOOD | {"path": "a.txt/b"}], "sent": ["a.txt"]},
    "sent twice": {"files": [GOOD], "sent": ["a.txt", "a.txt"]},
    "sent but not listed": {"files": [GOOD], "sent": ["b.txt"]},
    **{
        f"path {path!r}": {"files": [GOOD | {"path": path}], "sent": [path]}
        for path in (
            "",
            "/a",
            "..",
            "../a",
            "a/../b",
            "a//b",
            "a/",
            "./a",
            ".",
            "a\nb",
            "a\tb",
            "a\x00b",
            "a\\b",
            "a\x1bb",
            "x" * 256,
            "x/" * 600 + "x",
        )
    },
}


@pytest.mark.parametrize("what", MANIFESTS)
def test_a_manifest_that_is_not_of_the_form_is_refused(program: Program, what: str) -> None:
    body = json.dumps(MANIFESTS[what]).encode()
    argv = node_commands.stage_files((1, 1), "www", 1)
    said = program.command(argv, b'{"manifest_bytes":%d}\n' % len(body) + body + plain({"a.txt": b"hello"}))
    assert said.code == "bad-input", said
    assert not program.service.exists()


@pytest.mark.parametrize(
    "stdin",
    [
        b"",
        b"\n",
        b"{}\n",
        b'{"manifest_bytes":0}\n',
        b'{"manifest_bytes":-1}\n',
        b'{"manifest_bytes":"1;id"}\n',
        b'{"manifest_bytes":99999999999}\n{}',
        b'{"manifest_bytes":100}\n{}',
        b'{"manifest_bytes":2}\n{{',
        b"x" * 100_000,
        b"\xff\xfe\x00\n",
    ],
)
def test_a_bad_beginning_is_refused(program: Program, stdin: bytes) -> None:
    said = program.command(node_commands.stage_files((1, 1), "www", 1), stdin)
    assert said.code == "bad-input", said
    assert not program.service.exists()
