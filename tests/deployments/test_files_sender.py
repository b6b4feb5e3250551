"""Project files on their way to the real ``ffs-node``, run here as a process instead of over SSH."""

from __future__ import annotations

import random
import shutil
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings

from deployments.core.filetransfer import transfer
from deployments.core.filetree import FileTree
from deployments.core.filetree_errors import ContentMissing
from deployments.core.node_argv import PREFIX
from deployments.core.node_events import Answer, BadAnswer, Event, Ready, Refused, last_answer, parse_event
from deployments.execution.file_deltas import file_blobs, file_forms, make_deltas, prepare
from deployments.execution.files_outflow import Outflow
from deployments.execution.files_sender import Packed, Plain, there_of
from deployments.execution.stage_files import stage_files
from deployments.models import Node as NodeRow
from deployments.oci.filestore import Upload, import_uploads
from ffsweb.remote import ConnectionLost
from tests.nodekit.conftest import Program, as_root, program

__all__ = ["as_root", "program"]

pytestmark = pytest.mark.skipif(shutil.which("zstd") is None, reason="the node's zstd")

NOISE = random.Random(3)
LARGE = NOISE.randbytes(2_000_000)
CHANGED = LARGE[:1_000_000] + b"a small change" + LARGE[1_000_000:]


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    directory = tmp_path / "data"
    monkeypatch.setattr(settings, "DATA", directory)
    return directory


def taken_in(files: dict[str, bytes]) -> FileTree:
    import io

    return import_uploads([Upload(name, io.BytesIO(data)) for name, data in files.items()], file_blobs())


class LocalNode:
    """Asks ``ffs-node`` as a process: events come while standard input goes in, as over SSH."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.cut_after: list[int] = []
        self.heads: list[bytes] = []

    def ask(self, argv: tuple[str, ...], *, stdin: Iterable[bytes], timeout: float, tell: Any) -> Answer:
        process = subprocess.Popen(
            (self.program.path, *argv[len(PREFIX) :]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={},
            text=False,
        )
        failed: list[BaseException] = []
        limit = self.cut_after.pop(0) if self.cut_after else 2**62
        writer = threading.Thread(target=self._write, args=(process, iter(stdin), limit, failed))
        writer.start()
        assert process.stdout is not None
        lines = []
        for raw in process.stdout:
            lines.append(raw.decode())
            event = parse_event(lines[-1])
            if event is not None:
                tell(event)
        process.wait()
        process.stdout.close()
        writer.join()
        if failed:
            raise failed[0]
        return last_answer("".join(lines)).check()

    def _write(
        self, process: subprocess.Popen[bytes], stdin: Iterator[bytes], limit: int, failed: list[BaseException]
    ) -> None:
        assert process.stdin is not None
        sent = 0
        try:
            for chunk in stdin:
                process.stdin.write(chunk[: limit - sent])
                process.stdin.flush()
                sent += len(chunk)
                if sent >= limit:
                    failed.append(ConnectionLost("The connection was cut."))
                    break
        except BrokenPipeError:
            pass
        except Exception as error:
            failed.append(error)
        finally:
            try:
                process.stdin.close()
            except BrokenPipeError:
                pass


class Run:
    """What a deploy gives to its stages."""

    def __init__(self, program: Program, release: int, wanted: FileTree) -> None:
        self.node = LocalNode(program)
        self.line = SimpleNamespace(close=lambda: None)
        self.logged: list[str] = []
        self.fence = (1, 1)
        self.target = "service:1"
        self.service = SimpleNamespace(name="www", project_id=1, node=NodeRow(bandwidth=0))
        self.release = SimpleNamespace(number=release)
        self.wanted = SimpleNamespace(files=wanted)
        self.planned = SimpleNamespace(files=SimpleNamespace(expected=0))
        self.context: Any = SimpleNamespace(
            checkpoint=lambda: None,
            log=lambda text, **_more: self.logged.append(text),
            progress=lambda *_values, **_more: None,
            stop=threading.Event(),
        )

    def program(self) -> LocalNode:
        return self.node


@dataclass(frozen=True)
class Sent:
    """Bytes that went, and how."""

    sent: int
    how: str


def tree(path: Path) -> dict[str, bytes]:
    return {str(file.relative_to(path)): file.read_bytes() for file in path.rglob("*") if file.is_file()}


def send(
    program: Program,
    release: int,
    before: FileTree,
    after: FileTree,
    *,
    base: int | None = None,
    resume: bool = False,
) -> Sent:
    run: Any = Run(program, release, after)
    travel = transfer(before, after)
    out = Outflow(run)
    known = (base, before) if base else None
    sender = Packed(run, out, known, travel, tuple(make_deltas(travel.alike, run.context.stop)), resume=resume)
    sender.send()
    return Sent(out.sent, sender.how)


def test_a_small_change_of_a_large_file_costs_little(as_root: Program) -> None:
    files = {"db": LARGE, "a/b.txt": b"hello", "old/name": NOISE.randbytes(50_000), "gone": b"x"}
    before = taken_in(files)
    assert send(as_root, 1, FileTree(), before).sent > 2_000_000
    after = {"db": CHANGED, "a/b.txt": b"other", "new/name": files["old/name"], "new/copy": LARGE}
    sender = send(as_root, 2, before, taken_in(after), base=1)
    assert sender.sent < 2000
    assert sender.how == "1 whole, 1 as differences, 2 copied there"
    assert tree(as_root.service / "releases/2") == after
    # The difference is made once, also for all other nodes.
    (kept,) = (settings.DATA / "files/deltas/entries").iterdir()
    made_at = (kept / "blob").stat().st_mtime_ns
    send(as_root, 3, before, taken_in(after), base=1)
    assert (kept / "blob").stat().st_mtime_ns == made_at


def test_a_node_without_zstd_gets_them_as_it_always_did(as_root: Program) -> None:
    before = taken_in({"a": b"1", "b": b"2" * 5000})
    run: Any = Run(as_root, 1, before)
    Plain(run, Outflow(run), None, transfer(FileTree(), before)).send()
    after = taken_in({"c": b"2" * 5000, "a": b"3"})
    run = Run(as_root, 2, after)
    sender = Plain(run, Outflow(run), 1, transfer(before, after))
    sender.send()
    assert sender.how == "2 whole"
    assert tree(as_root.service / "releases/2") == {"c": b"2" * 5000, "a": b"3"}


def test_a_difference_that_is_no_smaller_than_the_file_is_not_sent(as_root: Program) -> None:
    before, after = taken_in({"db": LARGE}), taken_in({"db": NOISE.randbytes(2_000_000)})
    assert list(make_deltas(transfer(before, after).alike, threading.Event())) == []


def test_without_the_old_content_a_file_travels_whole() -> None:
    before, after = taken_in({"db": LARGE}), taken_in({"db": CHANGED})
    file_blobs().path(before.entries[0].digest).unlink()
    assert list(make_deltas(transfer(before, after).alike, threading.Event())) == []


def test_differences_are_made_before_a_node_waits_for_them() -> None:
    before, after = taken_in({"db": LARGE}), taken_in({"db": CHANGED})
    assert prepare(before, after, threading.Event()) == 1
    assert 0 < file_forms().size() < 2000


def files_of_a_big_tree() -> dict[str, bytes]:
    return {f"d/{number}": NOISE.randbytes(700_000) for number in range(8)}


def staged_anew(monkeypatch: pytest.MonkeyPatch, run: Any) -> dict[str, Any]:
    monkeypatch.setattr("deployments.execution.stage_files.running_files", lambda _service, _facts: None)
    monkeypatch.setattr("deployments.execution.stage_files.PAUSES", (0.0,) * 3)
    facts: Any = SimpleNamespace(service=lambda _name: None, tools=("zstd",))
    return stage_files(run, facts)


def test_a_cut_at_any_byte_sends_what_is_missing_alone(as_root: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    files = files_of_a_big_tree()
    run: Any = Run(as_root, 1, taken_in(files))
    run.node.cut_after = [NOISE.randrange(1, 1_800_000) for _ in range(3)]
    total = sum(map(len, files.values()))
    evidence = staged_anew(monkeypatch, run)
    assert tree(as_root.service / "releases/1") == files
    assert total < evidence["files bytes"] < total * 1.3 + 1_000_000
    assert sum("Going on in" in text for text in run.logged) == 3
    assert not (as_root.service / "incoming").exists()


def test_the_next_deploy_goes_on_where_one_was_given_up(as_root: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    files = files_of_a_big_tree()
    wanted = taken_in(files)
    run: Any = Run(as_root, 1, wanted)
    run.node.cut_after = [1_000_000] * 4
    with pytest.raises(ConnectionLost):
        staged_anew(monkeypatch, run)
    again: Any = Run(as_root, 1, wanted)
    evidence = staged_anew(monkeypatch, again)
    assert evidence["files bytes"] < 2_500_000
    assert any("are there from an earlier attempt" in text for text in again.logged)
    assert tree(as_root.service / "releases/1") == files


def test_a_base_that_was_damaged_costs_bytes_and_nothing_else(
    as_root: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = taken_in({"db": LARGE, "a": b"1"})
    send(as_root, 1, FileTree(), before)
    damaged = as_root.service / "releases/1/db"
    damaged.chmod(0o644)
    damaged.write_bytes(b"damaged" * 100_000)
    after = taken_in({"db": CHANGED, "a": b"1"})
    run: Any = Run(as_root, 2, after)
    service = SimpleNamespace(release=1, releases=(1,))
    monkeypatch.setattr("deployments.execution.stage_files.running_files", lambda _service, _facts: before)
    facts: Any = SimpleNamespace(service=lambda _name: service, tools=("zstd",))
    evidence = stage_files(run, facts)
    assert evidence["files bytes"] > 1_900_000
    assert any("Sending all files." in text for text in run.logged)
    assert tree(as_root.service / "releases/2") == {"db": CHANGED, "a": b"1"}


def test_a_refusal_before_the_archive_ends_the_waiting(as_root: Program) -> None:
    wanted = taken_in({"a": b"1"})
    with pytest.raises(Refused, match="not on this node"):
        send(as_root, 2, FileTree(), wanted, base=7, resume=True)
    send(as_root, 1, FileTree(), wanted, resume=True)
    send(as_root, 1, FileTree(), wanted, resume=True)  # it is there already


def test_content_that_is_damaged_here_reaches_no_node(as_root: Program) -> None:
    wanted = taken_in({"a": b"1" * 1000})
    file_blobs().path(wanted.entries[0].digest).write_bytes(b"2" * 1000)
    with pytest.raises(ContentMissing):
        send(as_root, 1, FileTree(), wanted)
    assert not (as_root.service / "releases/1").exists()


@pytest.mark.parametrize(
    "ready",
    [
        Ready(((0, 4),), ()),
        Ready(((2, 2),), ()),
        Ready(((0, 2**40),), ()),
        Ready((), ((3, 1),)),
        Ready((), ((0, 10),)),
        Ready((), ((0, 0),)),
        Ready(((0, 1),), ((0, 5),)),
        Ready(((0, 1), (0, 1), (0, 1), (0, 1)), ()),
    ],
)
def test_a_node_that_holds_what_cannot_be_is_not_believed(ready: Ready) -> None:
    with pytest.raises(BadAnswer):
        there_of(ready, [10, 10, 10])


@pytest.mark.parametrize(
    "line",
    [
        '{"event":"ready"}',
        '{"event":"ready","held":{},"half":[]}',
        '{"event":"ready","held":[1],"half":[]}',
        '{"event":"ready","held":[[1]],"half":[]}',
        '{"event":"ready","held":[[1,-1]],"half":[]}',
        '{"event":"ready","held":[[1,true]],"half":[]}',
        '{"event":"ready","held":[[1,1.5]],"half":[]}',
        '{"event":"ready","held":[],"half":[["a",1]]}',
        '{"event":"ready","held":[' + ",".join(["[0,1]"] * 10_001) + '],"half":[]}',
    ],
)
def test_a_malformed_ready_is_no_answer(line: str) -> None:
    with pytest.raises(BadAnswer):
        parse_event(line)


def test_what_is_held_is_left_out() -> None:
    there = there_of(Ready(((0, 2), (4, 1)), ((2, 7),)), [10] * 5)
    assert (there.whole, dict(there.halves)) == (frozenset({0, 1, 4}), {2: 7})
    event: Event | None = parse_event('{"event":"ready","held":[[0,2]],"half":[[2,7]]}')
    assert event == Ready(((0, 2),), ((2, 7),))


def test_a_limit_of_bandwidth_holds_for_files_too(as_root: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = taken_in({"a": NOISE.randbytes(300_000)})
    run: Any = Run(as_root, 1, wanted)
    run.service.node.bandwidth = 200_000
    began = time.monotonic()
    evidence = staged_anew(monkeypatch, run)
    assert evidence["files bytes"] > 300_000
    assert time.monotonic() - began > 1.0
    assert tree(as_root.service / "releases/1")["a"]


def test_of_many_files_the_list_travels_as_a_difference(as_root: Program) -> None:
    files = {f"d{n % 7}/f{n}": NOISE.randbytes(20) for n in range(2000)}
    before = taken_in(files)
    first = send(as_root, 1, FileTree(), before).sent
    assert (as_root.service / "manifests/1").read_bytes() == before.encode()
    after = files | {"d1/f1": b"changed", "é 漢": b"new"}
    del after["d0/f0"]
    second = send(as_root, 2, before, taken_in(after), base=1).sent
    assert second < 1500 < first / 50
    assert tree(as_root.service / "releases/2") == after
    assert (as_root.service / "manifests/2").read_bytes() == taken_in(after).encode()


@pytest.mark.parametrize("content", [None, b"[]"])
def test_a_node_that_has_no_list_is_sent_the_whole_one(as_root: Program, content: bytes | None) -> None:
    files = {f"f{n}": NOISE.randbytes(20) for n in range(300)}
    before = taken_in(files)
    send(as_root, 1, FileTree(), before)
    kept = as_root.service / "manifests/1"
    kept.unlink() if content is None else kept.write_bytes(content)
    after = files | {"f1": b"changed"}
    assert send(as_root, 2, before, taken_in(after), base=1).sent < 20_000
    assert tree(as_root.service / "releases/2") == after
    shutil.rmtree(as_root.service / "releases/1")
    send(as_root, 3, FileTree(), before)
    assert {path.name for path in (as_root.service / "manifests").iterdir()} == {"2", "3"}
