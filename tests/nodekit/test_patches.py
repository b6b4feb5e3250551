"""A difference is applied without rights and within bounds, and not at all where memory is short: files and layers."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.nodekit.functions import printed, run

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nodekit.conftest import Program

needs_zstd = pytest.mark.skipif(shutil.which("zstd") is None, reason="the zstd program is not installed")
A, B, C = (digit * 64 for digit in "abc")
DELTA = f"blob_digest=({A}) blob_size=(100) blob_form=(delta) blob_diff=({B}) blob_base=({C})"
LITTLE = "free_memory() { printf '600000\\n'; }"
OLD = random.Random(1).randbytes(300_000)
NEW = OLD[:100_000] + b"changed" + OLD[100_000:]


@pytest.fixture
def patch(tmp_path: Path) -> bytes:
    (tmp_path / "old").write_bytes(OLD)
    (tmp_path / "old").chmod(0o644)
    (tmp_path / "new").write_bytes(NEW)
    argv = ["zstd", "-q", "-c", "--long=31", f"--patch-from={tmp_path}/old", str(tmp_path / "new")]
    return subprocess.run(argv, capture_output=True, check=True).stdout


@needs_zstd
def test_a_difference_to_a_layer_gives_the_layer(as_root: Program, tmp_path: Path, patch: bytes) -> None:
    (tmp_path / "patch").write_bytes(patch)
    done = run(as_root, f"open_blob delta {tmp_path}/old {len(NEW) + 1} {tmp_path}/patch")
    assert (done.returncode, done.stdout) == (0, NEW), done.stderr


@needs_zstd
def test_a_difference_is_applied_by_a_user_without_rights_within_a_bound_of_memory(
    as_root: Program, tmp_path: Path, patch: bytes
) -> None:
    look = 'unprivileged() { ulimit -v; cat /proc/self/oom_score_adj; printf "%s\\n" "${*: -5}"; }'
    done = run(as_root, f"{look}; apply_patch {tmp_path}/old {len(NEW)}", patch)
    memory, oom, words = done.stdout.decode().splitlines()
    assert int(memory) < 500_000
    assert int(oom) == 1000
    assert words == "-q -d --long=31 --patch-from=/dev/fd/3 -c"


def test_a_layer_for_whose_difference_memory_is_short_is_asked_for_itself_before_a_byte_comes(
    program: Program,
) -> None:
    (program.root / "var/lib/ffs-node/fetch").mkdir(parents=True)
    done = run(program, f"{LITTLE}; id={C}; {DELTA} blob_diff_size=(400000000); begin_fetch")
    told = json.loads(done.stdout)
    assert (told["ok"], told["code"]) == (False, "delta")
    assert "too little free memory" in told["text"]


def test_memory_is_asked_for_by_the_sizes_of_both_contents(program: Program) -> None:
    asked = "for each in '1000 1000' '100000000 100000000' '400000000 400000000'; do"
    lines = f"{LITTLE}; {asked} if room_for_patch $each; then echo yes; else echo no; fi; done"
    assert printed(program, lines) == ["yes", "yes", "no"]
