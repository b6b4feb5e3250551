"""A release's files where the node has zstd: compressed, as differences, copied within, and going on after a cut."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from deployments.core import node_commands
from deployments.core.node_events import Ready, parse_event
from deployments.core.node_input import (
    CopiedFile,
    PatchedFile,
    StagedFile,
    archive_items,
    packed_files_head,
)
from deployments.oci.zstd import zstd

from .test_files import _link, member, nothing_happened, row, tar, tree

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nodekit.conftest import Program, Said

pytestmark = pytest.mark.skipif(shutil.which("zstd") is None, reason="the node's zstd")

NOISE = random.Random(7)
LARGE = NOISE.randbytes(600_000)
CHANGED = LARGE[:300_000] + b"a small change" + LARGE[300_100:]
BASE = {"a.txt": b"hello", "bin/run": b"#!/bin/sh\n", "large": LARGE, "d/one": b"1" * 50, "d/two": b"2" * 50}


def difference(old: bytes, new: bytes) -> bytes:
    prefix = zstd.ZstdDict(old, is_raw=True).as_prefix
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 22}, zstd_dict=prefix)
    return packer.compress(new, packer.FLUSH_FRAME)


def sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def rows_of(files: dict[str, bytes]) -> list[StagedFile]:
    return [row(name, data, 0o755 if name.startswith("bin/") else 0o600) for name, data in files.items()]


class Request:
    """One ``stage-files``, put together as the dashboard does."""

    def __init__(self, files: dict[str, bytes], *, release: int = 1, base: int | None = None) -> None:
        self.files, self.release, self.base = files, release, base
        self.sent = list(files)
        self.patched: list[PatchedFile] = []
        self.copied: list[CopiedFile] = []
        self.patches: dict[str, bytes] = {}
        self.resume = False

    def patch(self, path: str, source: str, patch: bytes) -> None:
        self.sent.remove(path)
        self.patched.append(PatchedFile(path, source, sha(patch), len(patch)))
        self.patches[f"d/{sha(patch)}"] = patch

    def copy(self, path: str, source: str) -> None:
        self.sent.remove(path)
        self.copied.append(CopiedFile(path, source))

    def head(self, pack: Any = zstd.compress) -> bytes:
        rows = rows_of(self.files)
        return packed_files_head(rows, self.sent, self.patched, self.copied, pack=pack, resume=self.resume)

    def members(self) -> list[tuple[tarfile.TarInfo, bytes]]:
        rows = {each.path: each for each in rows_of(self.files)}
        items = archive_items([rows[path] for path in self.sent], self.patched)
        return [member(item.name, self.content(item.name)) for item in items]

    def content(self, name: str) -> bytes:
        return self.patches.get(name) or self.files[name.removeprefix("t/")]

    @property
    def argv(self) -> tuple[str, ...]:
        return node_commands.stage_files((1, 1), "www", self.release, self.base)

    def stage(self, program: Program, archive: bytes | None = None) -> Said:
        packed = zstd.compress(tar(*self.members())) if archive is None else archive
        return program.command(self.argv, self.head() + packed)


def held(said: Said) -> Ready:
    ready = next(event for event in said.events if event["event"] == "ready")
    parsed = parse_event(json.dumps(ready))
    assert isinstance(parsed, Ready)
    return parsed


@pytest.fixture
def based(as_root: Program) -> Program:
    """A node that has release 1."""
    assert Request(BASE).stage(as_root).code == "ok"
    return as_root


def test_a_packed_archive_gives_the_same_tree(based: Program) -> None:
    release = based.service / "releases/1"
    assert tree(release) == BASE
    assert (release / "bin/run").stat().st_mode & 0o777 == 0o555
    assert (release / "a.txt").stat().st_mode & 0o777 == 0o444
    assert {path.stat().st_uid for path in (release, *release.rglob("*"))} == {0}
    assert not (based.service / "incoming").exists()
    assert based.leftovers() == []


def test_a_large_file_is_made_from_the_old_one_and_a_difference(based: Program) -> None:
    asked = Request(BASE | {"large": CHANGED, "new/place": CHANGED}, release=2, base=1)
    patch = difference(LARGE, CHANGED)
    assert len(patch) < 1000
    asked.patch("large", "large", patch)
    asked.patch("new/place", "large", patch)
    asked.sent.clear()
    said = asked.stage(based)
    assert (said.code, said.result["sent"]) == ("ok", 0), said
    assert tree(based.service / "releases/2") == asked.files
    status = (based.service / "releases/2/new/place").stat()
    assert (status.st_mode & 0o777, status.st_uid) == (0o444, 0)
    assert tree(based.service / "releases/1") == BASE


def test_files_under_other_names_are_copied_from_the_base(based: Program) -> None:
    moved = {"b.txt": b"hello", "e/one": b"1" * 50, "e/two": b"2" * 50, "e/deep/two": b"2" * 50, "e/-rf": b"1" * 50}
    asked = Request({"large": LARGE, **moved}, release=2, base=1)
    asked.sent.remove("large")  # stays as it is
    for path, source in (
        ("b.txt", "a.txt"),
        ("e/one", "d/one"),
        ("e/two", "d/two"),
        ("e/deep/two", "d/two"),
        ("e/-rf", "d/one"),
    ):
        asked.copy(path, source)
    assert asked.stage(based, b"").code == "ok"
    assert tree(based.service / "releases/2") == asked.files


@pytest.mark.parametrize("source", ["nothing", "d", "large"])
def test_a_copy_that_is_not_there_or_another_file_is_refused(based: Program, source: str) -> None:
    asked = Request({"b.txt": b"hello"}, release=2, base=1)
    asked.copy("b.txt", source)
    assert asked.stage(based, b"").code == "verify"
    assert not (based.service / "releases/2").exists()
    assert not (based.service / "incoming").exists()


def _bad_patch(what: str) -> bytes:
    bomb = zstd.compress(bytes(50_000_000))
    return {
        "of another file": difference(b"x" * 1000, b"y" * 1000),
        "garbage": b"garbage" * 100,
        "truncated": difference(LARGE, CHANGED)[:-5],
        "a bomb": bomb,
        "a huge window": zstd.compress(NOISE.randbytes(200_000), options={zstd.CompressionParameter.window_log: 31}),
        "right size, other content": difference(LARGE, CHANGED[:-1] + b"!"),
    }[what]


@pytest.mark.parametrize(
    "what", ["of another file", "garbage", "truncated", "a bomb", "a huge window", "right size, other content"]
)
def test_a_bad_difference_leaves_nothing_behind(based: Program, what: str) -> None:
    asked = Request({"large": CHANGED}, release=2, base=1)
    asked.patch("large", "large", _bad_patch(what))
    said = asked.stage(based)
    assert said.code in {"delta", "verify"}, said
    assert not (based.service / "releases/2").exists()
    assert not (based.service / "incoming").exists()
    assert tree(based.service / "releases/1") == BASE


def test_a_difference_that_arrives_changed_is_not_applied(based: Program) -> None:
    asked = Request({"large": CHANGED}, release=2, base=1)
    patch = difference(LARGE, CHANGED)
    asked.patch("large", "large", patch)
    archive = zstd.compress(tar(member(f"d/{sha(patch)}", patch[:-1] + b"!")))
    assert asked.stage(based, archive).code == "delta"


def test_a_difference_to_a_file_that_is_not_there_is_told_apart(based: Program) -> None:
    asked = Request({"large": CHANGED}, release=2, base=1)
    asked.patch("large", "gone", difference(LARGE, CHANGED))
    assert asked.stage(based).code == "delta"


HOSTILE = {
    "symbolic link": lambda out: tar(_link("t/a.txt", "/etc/passwd", tarfile.SYMTYPE)),
    "hard link": lambda out: tar(_link("t/a.txt", "/etc/passwd", tarfile.LNKTYPE)),
    "device": lambda out: tar(member("t/a.txt", type=tarfile.BLKTYPE, devmajor=8, devminor=0)),
    "absolute": lambda out: tar(member(out, b"hello")),
    "climbing": lambda out: tar(member("t/../../../../" + out.lstrip("/"), b"hello")),
    "another place": lambda out: tar(member("a.txt", b"hello")),
    "another name": lambda out: tar(member("t/b.txt", b"hello")),
    "a difference nobody listed": lambda out: tar(member("d/" + "a" * 64, b"hello")),
    "other content": lambda out: tar(member("t/a.txt", b"HELLO")),
    "huge": lambda out: tar(member("t/a.txt", b"x" * 3_000_000)),
    "twice": lambda out: tar(member("t/a.txt", b"hello"), member("t/a.txt", b"other")),
    "truncated": lambda out: tar(member("t/a.txt", b"hello"))[:514],
    "zeros": lambda out: bytes(10240),
}


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_packed_archive_leaves_nothing_behind(
    as_root: Program, tmp_path: Path, what: str, resume: bool
) -> None:
    outside = tmp_path / "outside"
    tmp_path.chmod(0o777)
    asked = Request({"a.txt": b"hello"})
    asked.resume = resume
    said = asked.stage(as_root, zstd.compress(HOSTILE[what](str(outside))))
    assert said.code in {"bad-input", "verify"}, said
    nothing_happened(as_root, outside)
    # And whatever was kept of it, the right archive goes through next.
    again = asked.stage(as_root)
    assert again.code == "ok" or held(again).held == ((0, 1),), again
    assert Request({"a.txt": b"hello"}).stage(as_root).code == "ok"
    assert tree(as_root.service / "releases/1") == {"a.txt": b"hello"}


def test_a_link_that_is_not_listed_leads_nowhere(as_root: Program, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir(mode=0o777)
    for linked in ("t", "t/d", "p", "d"):
        archive = tar(_link(linked, str(outside), tarfile.SYMTYPE), member("t/d/a.txt", b"hello"))
        release = 1 + len(list((as_root.service / "releases").glob("*")))
        assert Request({"d/a.txt": b"hello"}, release=release).stage(as_root, zstd.compress(archive)).code == "ok"
    assert list(outside.iterdir()) == []


@pytest.mark.parametrize("archive", [b"", b"no zstd at all", zstd.compress(b"x" * 5000), zstd.compress(bytes(10**8))])
def test_what_is_no_packed_archive_is_refused(as_root: Program, tmp_path: Path, archive: bytes) -> None:
    assert Request({"a.txt": b"hello"}).stage(as_root, archive).code == "bad-input"
    nothing_happened(as_root, tmp_path / "outside")


GOOD = {"path": "a.txt", "mode": 420, "size": 5, "sha256": sha(b"hello")}
PATCH = {"path": "a.txt", "from": "a.txt", "patch": "a" * 64, "bytes": 10}
COPY = {"path": "a.txt", "from": "b.txt"}
MANIFESTS: dict[str, dict[str, object]] = {
    "an unknown key": {"moved": []},
    "no list": {"copied": {}},
    "a copy without a source": {"copied": [{"path": "a.txt"}]},
    "a copy of more": {"copied": [COPY | {"mode": 0o4755}]},
    "a copy to a path that is not listed": {"copied": [COPY | {"path": "b.txt"}]},
    "a copy from outside": {"copied": [COPY | {"from": "../../../etc/shadow"}]},
    "a copy from an absolute path": {"copied": [COPY | {"from": "/etc/shadow"}]},
    "a copy from a name with a newline": {"copied": [COPY | {"from": "a\nb"}]},
    "a copy from a name with a tab": {"copied": [COPY | {"from": "a\tb"}]},
    "copied twice": {"copied": [COPY, COPY]},
    "copied and patched": {"copied": [COPY], "patched": [PATCH]},
    "patched and sent": {"sent": ["a.txt"], "patched": [PATCH]},
    "a difference without a size": {"patched": [{k: v for k, v in PATCH.items() if k != "bytes"}]},
    "a difference of no bytes": {"patched": [PATCH | {"bytes": 0}]},
    "a difference of half a byte": {"patched": [PATCH | {"bytes": 1.5}]},
    "a difference of exabytes": {"patched": [PATCH | {"bytes": 10**18}]},
    "a difference with another name": {"patched": [PATCH | {"patch": "../" + "a" * 61}]},
    "a difference to a file outside": {"patched": [PATCH | {"from": "../1/a.txt"}]},
    "a difference to a number": {"patched": [PATCH | {"from": 1}]},
    "a difference of two sizes": {
        "files": [GOOD, GOOD | {"path": "c"}],
        "patched": [PATCH, PATCH | {"path": "c", "bytes": 11}],
    },
}


@pytest.mark.parametrize("what", MANIFESTS)
def test_a_packed_manifest_that_is_not_of_the_form_is_refused(based: Program, what: str) -> None:
    value = {"files": [GOOD], "sent": [], "patched": [], "copied": []} | MANIFESTS[what]
    body = zstd.compress(json.dumps(value).encode())
    head = b'{"manifest_bytes":%d,"coding":"zstd"}\n' % len(body)
    said = based.command(node_commands.stage_files((1, 1), "www", 2, 1), head + body)
    assert said.code == "bad-input", said
    assert not (based.service / "releases/2").exists()


@pytest.mark.parametrize(
    "head",
    [
        {"coding": "gzip"},
        {"coding": 1},
        {"resume": 1},
        {"resume": "yes", "coding": "zstd"},
        {"resume": -1, "coding": "zstd"},
        {"coding": "zstd", "manifest_bytes": 3},
        {"coding": "zstd", "manifest_base": "a" * 64},
        {"coding": "zstd", "manifest_base": "../../../../etc/shadow"},
        {"manifest_base": "a" * 64},
    ],
)
def test_a_bad_head_is_refused(as_root: Program, head: dict[str, object]) -> None:
    body = zstd.compress(json.dumps({"files": [], "sent": []}).encode())
    line = json.dumps({"manifest_bytes": len(body)} | head).encode() + b"\n"
    assert as_root.command(node_commands.stage_files((1, 1), "www", 1), line + body).code == "bad-input"
    assert not as_root.service.exists()


def test_a_manifest_that_unpacks_without_end_is_refused(as_root: Program) -> None:
    body = zstd.compress(b" " * (65 * 1024 * 1024))
    assert len(body) < 100_000
    head = b'{"manifest_bytes":%d,"coding":"zstd"}\n' % len(body)
    assert as_root.command(node_commands.stage_files((1, 1), "www", 1), head + body).code == "bad-input"


def test_a_list_that_the_node_has_not_kept_is_asked_for(based: Program) -> None:
    body = zstd.compress(json.dumps({"files": [], "sent": []}).encode())
    line = {"manifest_bytes": len(body), "coding": "zstd", "manifest_base": "a" * 64}
    said = based.command(node_commands.stage_files((1, 1), "www", 2, 1), json.dumps(line).encode() + b"\n" + body)
    assert said.code == "no-manifest"


def cut_files() -> dict[str, bytes]:
    return {f"f{number}": NOISE.randbytes(200_000) for number in range(6)}


def test_what_arrived_before_a_cut_does_not_travel_again(as_root: Program) -> None:
    asked = Request(cut_files())
    asked.resume = True
    archive = zstd.compress(tar(*asked.members()))
    said = asked.stage(as_root, archive[: len(archive) // 2])
    assert (said.code, held(said)) == ("bad-input", Ready((), ()))
    assert "kept for the next attempt" in said.text
    assert not (as_root.service / "releases/1").exists()
    # The node says what it has: two or three whole files and a half one. The rest finishes it.
    asked_again = asked.stage(as_root, b"")
    ready = held(asked_again)
    assert [first for first, _ in ready.held] == [0]
    ((index, size),) = ready.half
    count = ready.held[0][1]
    assert (count, index) == (2, 2) and 0 < size < 200_000
    names = [f"t/f{number}" for number in range(6)]
    rest = [member(f"p/{index}.{size}", asked.files["f2"][size:])]
    rest += [member(name, asked.content(name)) for name in names[index + 1 :]]
    said = asked.stage(as_root, zstd.compress(tar(*rest)))
    assert said.code == "ok", said
    assert tree(as_root.service / "releases/1") == asked.files
    assert not (as_root.service / "incoming").exists()


def test_a_cut_at_any_byte_ends_in_the_whole_tree(as_root: Program) -> None:
    asked = Request(cut_files())
    asked.resume = True
    chance, sent = random.Random(11), 0
    ready = Ready((), ())
    for _ in range(12):
        skip = {index for first, count in ready.held for index in range(first, first + count)}
        halves = dict(ready.half)
        rest = []
        for index, info in enumerate(asked.members()):
            if index in halves:
                rest.append(member(f"p/{index}.{halves[index]}", info[1][halves[index] :]))
            elif index not in skip:
                rest.append(info)
        archive = zstd.compress(tar(*rest))
        archive = archive[: chance.randrange(len(archive))]
        sent += len(archive)
        said = asked.stage(as_root, archive)
        if said.code == "ok":
            break
        ready = held(asked.stage(as_root, b""))
    final = Request(asked.files)
    assert said.code == "ok" or final.stage(as_root).code == "ok"
    assert tree(as_root.service / "releases/1") == asked.files
    assert sent < 2.5 * 1_200_000


def test_what_was_kept_and_is_damaged_travels_again(as_root: Program) -> None:
    asked = Request(cut_files())
    asked.resume = True
    archive = zstd.compress(tar(*asked.members()))
    asked.stage(as_root, archive[: len(archive) // 2])
    damaged = as_root.service / "incoming/1/t/f0"
    damaged.write_bytes(NOISE.randbytes(200_000))
    (as_root.service / "incoming/1/t/stranger").write_bytes(b"x")
    (as_root.service / "incoming/1/t/f5").mkdir()
    ready = held(asked.stage(as_root, b""))
    assert ready.held == ((1, 1),)
    assert not damaged.exists()
    assert asked.stage(as_root, zstd.compress(tar(*(m for m in asked.members() if m[0].name != "t/f1")))).code == (
        "bad-input"
    )  # f2 was half there, and arrives whole beside its half
    asked.resume = False
    assert asked.stage(as_root).code == "ok"
    assert tree(as_root.service / "releases/1") == asked.files


def test_a_link_among_what_was_kept_makes_it_begin_anew(as_root: Program, tmp_path: Path) -> None:
    asked = Request(cut_files())
    asked.resume = True
    archive = zstd.compress(tar(*asked.members()))
    asked.stage(as_root, archive[: len(archive) // 2])
    (as_root.service / "incoming/1/t/f5").symlink_to(tmp_path)
    assert held(asked.stage(as_root, b"")) == Ready((), ())


def test_half_a_file_that_was_damaged_ends_in_verify_and_then_begins_anew(as_root: Program) -> None:
    asked = Request({"big": NOISE.randbytes(900_000)})
    asked.resume = True
    archive = zstd.compress(tar(*asked.members()))
    asked.stage(as_root, archive[:400_000])
    half = as_root.service / "incoming/1/t/big"
    half.write_bytes(bytes(half.stat().st_size))
    ((index, size),) = held(asked.stage(as_root, b"")).half
    said = asked.stage(as_root, zstd.compress(tar(member(f"p/{index}.{size}", asked.files["big"][size:]))))
    assert said.code == "verify"
    assert held(asked.stage(as_root, b"")) == Ready((), ())
    assert asked.stage(as_root).code == "ok"


def test_another_release_and_time_clear_away_what_was_kept(as_root: Program) -> None:
    asked = Request(cut_files())
    asked.resume = True
    archive = zstd.compress(tar(*asked.members()))
    asked.stage(as_root, archive[: len(archive) // 2])
    incoming = as_root.service / "incoming"
    assert [path.name for path in incoming.iterdir()] == ["1"]
    other = as_root.root / "var/lib/ffs/other/incoming/4"
    other.mkdir(parents=True)
    subprocess.run(("touch", "-d", "8 days ago", other), check=True)
    second = Request({"a": b"x"}, release=2)
    assert second.stage(as_root).code == "ok"
    assert not incoming.exists()
    assert not other.exists()


def test_the_same_release_again_needs_no_archive(as_root: Program) -> None:
    asked = Request(cut_files())
    asked.resume = True
    assert asked.stage(as_root).code == "ok"
    said = asked.stage(as_root, b"")
    assert said.result["already"] is True


def test_thousands_of_files_are_copied_and_sent_quickly(as_root: Program) -> None:
    before = {f"old/{n % 20}/{n}": b"%d" % n for n in range(3000)}
    assert Request(before).stage(as_root).code == "ok"
    after = {f"new/{n % 20}/{n}": b"%d" % n for n in range(3000)}
    asked = Request(after, release=2, base=1)
    for path in after:
        asked.copy(path, path.replace("new", "old", 1))
    assert asked.stage(as_root, b"").code == "ok"
    assert tree(as_root.service / "releases/2") == after
