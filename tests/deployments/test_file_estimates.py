"""What a plan says that files will take is near to what they take."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.conf import settings

from deployments.core.filetransfer import transfer
from deployments.core.filetree import FileTree
from deployments.execution.file_deltas import file_blobs, make_deltas, prepare
from deployments.execution.files_sender import Packed
from deployments.services import file_estimates

from .test_files_sender import CHANGED, LARGE, taken_in

TEXT = "\n".join(f"line {number} of a file that packs well" for number in range(5000)).encode()


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(settings, "DATA", tmp_path / "data")
    return tmp_path / "data"


def stream_size(before: FileTree, after: FileTree) -> int:
    run: Any = SimpleNamespace(
        wanted=SimpleNamespace(files=after),
        planned=SimpleNamespace(files=SimpleNamespace(expected=0)),
        target="service:1",
        context=SimpleNamespace(checkpoint=lambda: None, progress=lambda *_values, **_more: None),
    )
    travel = transfer(before, after)
    deltas = tuple(make_deltas(travel.alike, threading.Event()))
    out: Any = SimpleNamespace(thin=False)
    return sum(map(len, Packed(run, out, (1, before), travel, deltas, resume=False).stream(None)))


def test_a_first_release_is_estimated_from_samples() -> None:
    noise = random.Random(5)
    files = {f"text/{n}": TEXT[n:] for n in range(10)} | {"noise": noise.randbytes(500_000)}
    files |= {f"small/{n}": noise.randbytes(500) for n in range(100)}
    after = taken_in(files)
    truth = stream_size(FileTree(), after)
    assert 0.7 * truth < file_estimates._estimate(FileTree(), after) < 1.6 * truth


def test_a_difference_that_is_made_already_is_known_exactly() -> None:
    before, after = taken_in({"db": LARGE, "a": b"1"}), taken_in({"db": CHANGED, "a": b"1"})
    assert file_estimates._estimate(before, after) > 1_900_000
    prepare(before, after, threading.Event())
    assert abs(file_estimates._estimate(before, after) - stream_size(before, after)) < 1000


def test_content_that_is_gone_counts_as_it_is() -> None:
    after = taken_in({"a": TEXT})
    file_blobs().path(after.entries[0].digest).unlink()
    assert file_estimates._estimate(FileTree(), after) >= len(TEXT)
