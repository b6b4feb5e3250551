"""Other forms of a layer: bit-exact, made once, gone when killed, and never removed from under a user."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from deployments.oci import forms_make
from deployments.oci.errors import BlobDamaged, BlobMissing, DiskFull
from deployments.oci.forms import BEST, CHUNKED, DELTA, QUICK, ZSTD, Forms, Wanted
from deployments.oci.forms_errors import CannotMake, FormGone, FormStopped
from deployments.oci.forms_room import SURPASSED
from deployments.oci.forms_values import DELTA_LIMIT, level, window_log
from deployments.oci.parcel import packed
from deployments.oci.store import Store
from tests.oci.images import member, tar

needs_zstd = pytest.mark.skipif(shutil.which("zstd") is None, reason="the zstd program is not installed")
NEVER = threading.Event()


def some_layer(seed: int, *, files: int = 40, changed: int = -1) -> bytes:
    """A layer of text that packs as text does; with file ``changed`` other than in the same layer without it."""
    chance = random.Random(seed)
    words = [bytes(chance.choices(b"abcdefgh \n", k=30)) for _ in range(300)]
    return tar(
        [
            member(f"app/{number}", b"".join(chance.choices(words, k=300)) + (b"!" if number == changed else b""))
            for number in range(files)
        ]
    )


def keep(store: Store, data: bytes) -> str:
    with store.blobs.workspace() as workspace:
        with workspace.write() as writer:
            writer.write(data)
        workspace.keep((writer.draft,))
    return writer.draft.digest


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "oci")


@pytest.fixture
def forms(store: Store, tmp_path: Path) -> Forms:
    return Forms(store, tmp_path / "oci-forms", 10**9)


def unpacked(path: Path, *options: str) -> bytes:
    return subprocess.run(["zstd", "-d", "-c", *options, str(path)], capture_output=True, check=True).stdout


def left(forms: Forms) -> list[str]:
    return [path.name for path in (forms.directory / "making").iterdir()]


@needs_zstd
@pytest.mark.parametrize("quality", [QUICK, BEST])
def test_a_compressed_layer_is_the_layer_to_the_zstd_program(forms: Forms, quality: str) -> None:
    data = some_layer(1)
    diff_id = keep(forms.store, data)
    form = forms.make(Wanted(ZSTD, diff_id, quality=quality), NEVER)  # type: ignore[arg-type]
    assert unpacked(form.path) == data
    assert form.digest == f"sha256:{hashlib.sha256(form.path.read_bytes()).hexdigest()}"
    assert form.size == form.path.stat().st_size < len(data) / 2
    assert forms.find(ZSTD, diff_id) == form
    assert left(forms) == []


@needs_zstd
def test_a_delta_and_the_old_layer_give_the_new_one(forms: Forms) -> None:
    old, new = some_layer(1), some_layer(1, changed=7)
    base, diff_id = keep(forms.store, old), keep(forms.store, new)
    form = forms.make(Wanted(DELTA, diff_id, base), NEVER)
    assert unpacked(form.path, "--long=31", f"--patch-from={forms.store.blobs.path(base)}") == new
    assert form.size < forms.make(Wanted(ZSTD, diff_id), NEVER).size / 20


@needs_zstd
def test_a_delta_is_as_small_as_the_programs_own(forms: Forms, tmp_path: Path) -> None:
    old, new = some_layer(1, files=400), some_layer(1, files=400, changed=200)
    base, diff_id = keep(forms.store, old), keep(forms.store, new)
    form = forms.make(Wanted(DELTA, diff_id, base), NEVER)
    paths = forms.store.blobs.path(base), forms.store.blobs.path(diff_id)
    subprocess.run(
        ["zstd", "-3", "-q", "--long=31", f"--patch-from={paths[0]}", str(paths[1]), "-o", str(tmp_path / "patch")],
        check=True,
    )
    assert form.size <= (tmp_path / "patch").stat().st_size * 1.1


@needs_zstd
def test_a_delta_that_is_small_is_the_one_that_is_smaller_packed_again(forms: Forms) -> None:
    old = random.Random(5).randbytes(12_000_000)
    new = old[:6_000_000] + b"one line" + old[6_000_000:]
    base, diff_id = keep(forms.store, old), keep(forms.store, new)
    form = forms.make(Wanted(DELTA, diff_id, base, BEST), NEVER)
    assert unpacked(form.path, "--long=31", f"--patch-from={forms.store.blobs.path(base)}") == new
    assert len(packed((form.path.read_bytes(),))) < 350
    assert sorted(path.name for path in form.path.parent.iterdir()) == ["blob", "form.json"]


def test_an_empty_layer_and_one_of_one_byte_have_forms(forms: Forms) -> None:
    empty, one = keep(forms.store, b""), keep(forms.store, b"x")
    for wanted in (Wanted(ZSTD, empty), Wanted(ZSTD, one), Wanted(DELTA, one, empty), Wanted(DELTA, empty, one)):
        assert forms.make(wanted, NEVER).size < 30


def test_two_that_need_the_same_form_at_once_get_one_that_is_made_once(
    forms: Forms, monkeypatch: pytest.MonkeyPatch
) -> None:
    diff_id = keep(forms.store, some_layer(1))
    made: list[Wanted] = []
    real = forms_make.make

    def slow(wanted: Wanted, *rest: object) -> object:
        made.append(wanted)
        time.sleep(0.3)
        return real(wanted, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(forms_make, "make", slow)
    others = [forms, *(Forms(forms.store, forms.directory, 10**9) for _ in range(3))]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda each: each.make(Wanted(ZSTD, diff_id), NEVER), others))
    assert len(made) == 1
    assert len({form.digest for form in found}) == 1


def test_a_stop_ends_the_making_and_leaves_nothing(forms: Forms) -> None:
    diff_id = keep(forms.store, random.Random(1).randbytes(30_000_000))
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    with pytest.raises(FormStopped):
        forms.make(Wanted(ZSTD, diff_id, quality=BEST), stop)
    assert left(forms) == []
    assert forms.find(ZSTD, diff_id) is None


def test_nothing_is_made_of_what_other_writers_need_of_the_disk(
    forms: Forms, monkeypatch: pytest.MonkeyPatch
) -> None:
    diff_id = keep(forms.store, some_layer(1))
    monkeypatch.setattr(forms_make, "RESERVE", 2**62)
    with pytest.raises(DiskFull, match="no layer is converted"):
        forms.make(Wanted(ZSTD, diff_id), NEVER)
    assert left(forms) == []


def test_the_making_ends_when_the_disk_fills_up_meanwhile_and_leaves_nothing(
    forms: Forms, monkeypatch: pytest.MonkeyPatch
) -> None:
    diff_id = keep(forms.store, random.Random(1).randbytes(30_000_000))
    threading.Timer(0.5, monkeypatch.setattr, (forms_make, "RESERVE", 2**62)).start()
    with pytest.raises(DiskFull):
        forms.make(Wanted(ZSTD, diff_id, quality=BEST), NEVER)
    assert left(forms) == []
    assert forms.find(ZSTD, diff_id) is None


def test_who_waits_for_another_maker_can_be_stopped(forms: Forms, monkeypatch: pytest.MonkeyPatch) -> None:
    diff_id = keep(forms.store, b"x" * 1000)
    began, go_on, stop = threading.Event(), threading.Event(), threading.Event()
    real = forms_make.make

    def slow(*arguments: object) -> object:
        began.set()
        assert go_on.wait(60)
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(forms_make, "make", slow)
    with ThreadPoolExecutor(1) as pool:
        maker = pool.submit(forms.make, Wanted(ZSTD, diff_id), NEVER)
        assert began.wait(60)
        stop.set()
        with pytest.raises(FormStopped):
            forms.make(Wanted(ZSTD, diff_id), stop)
        go_on.set()
        assert maker.result(60).size > 0


KILLED = """
import sys, threading
from pathlib import Path
from deployments.oci.forms import BEST, ZSTD, Forms, Wanted
from deployments.oci.store import Store
root = Path(sys.argv[1])
forms = Forms(Store(root / "oci"), root / "oci-forms", 10**9)
print("begins", flush=True)
forms.make(Wanted(ZSTD, sys.argv[2], quality=BEST), threading.Event())
"""


def children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_killed_worker_leaves_no_child_and_the_next_one_makes_the_form(forms: Forms, tmp_path: Path) -> None:
    data = random.Random(1).randbytes(40_000_000)
    diff_id = keep(forms.store, data)
    worker = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path), diff_id],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"begins\n"
    until = time.monotonic() + 60
    while not left(forms) or not (child := children(worker.pid)):
        assert time.monotonic() < until
        time.sleep(0.02)
    worker.send_signal(signal.SIGKILL)
    worker.communicate()
    while Path(f"/proc/{child[0]}").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    assert forms.find(ZSTD, diff_id) is None
    forms.tidy()
    assert left(forms) == []
    assert forms.make(Wanted(ZSTD, diff_id), NEVER).size > 0


def test_the_longest_unused_goes_first_and_nothing_goes_that_is_in_use(forms: Forms) -> None:
    layers = [keep(forms.store, random.Random(seed).randbytes(100_000)) for seed in range(4)]
    made = [forms.make(Wanted(ZSTD, diff_id), NEVER) for diff_id in layers]
    for age, form in enumerate(reversed(made)):
        os.utime(form.path.parent / "form.json", (1_000_000 - age, 1_000_000 - age))
    forms.limit = 250_000
    with forms.use([made[0]]):
        os.utime(made[0].path.parent / "form.json", (1, 1))
        forms.tidy()
        assert [forms.find(ZSTD, diff_id) is not None for diff_id in layers] == [True, False, False, True]
    os.utime(made[0].path.parent / "form.json", (1, 1))
    forms.limit = 150_000
    forms.tidy()
    assert [forms.find(ZSTD, diff_id) is not None for diff_id in layers] == [False, False, False, True]
    with pytest.raises(FormGone), forms.use([made[0]]):
        pass


def test_the_best_form_replaces_the_quick_one_when_no_node_can_hold_a_part_of_it_any_more(forms: Forms) -> None:
    diff_id = keep(forms.store, some_layer(1))
    quick = forms.make(Wanted(ZSTD, diff_id), NEVER)
    with forms.use([quick]):
        pass
    best = forms.make(Wanted(ZSTD, diff_id, quality=BEST), NEVER)
    forms.tidy()
    assert forms.find(ZSTD, diff_id) == best
    assert forms.find(ZSTD, diff_id, rather={quick.digest: 1}) == quick
    long_ago = time.time() - SURPASSED - 60
    os.utime(quick.path.parent / "form.json", (long_ago, long_ago))
    with forms.use([quick]):
        os.utime(quick.path.parent / "form.json", (long_ago, long_ago))
        forms.tidy()
        assert quick.path.exists()
    os.utime(quick.path.parent / "form.json", (long_ago, long_ago))
    forms.tidy()
    assert not quick.path.exists()
    assert forms.make(Wanted(ZSTD, diff_id), NEVER) == best


def test_the_best_form_replaces_a_quick_one_that_nobody_was_sent_at_once(forms: Forms) -> None:
    diff_id = keep(forms.store, some_layer(1))
    quick = forms.make(Wanted(ZSTD, diff_id), NEVER)
    forms.make(Wanted(ZSTD, diff_id, quality=BEST), NEVER)
    assert not quick.path.exists()


def test_what_a_better_form_replaces_goes_first_where_room_is_needed(forms: Forms) -> None:
    one, other = (keep(forms.store, random.Random(seed).randbytes(100_000)) for seed in range(2))
    forms.make(Wanted(ZSTD, other), NEVER)
    quick = forms.make(Wanted(ZSTD, one), NEVER)
    with forms.use([quick]):
        pass
    forms.make(Wanted(ZSTD, one, quality=BEST), NEVER)
    forms.limit = 250_000
    forms.tidy()
    assert not quick.path.exists()
    assert forms.find(ZSTD, one) is not None
    assert forms.find(ZSTD, other) is not None


def test_a_layer_that_the_disk_has_changed_gets_no_form(forms: Forms) -> None:
    diff_id = keep(forms.store, some_layer(1))
    path = forms.store.blobs.path(diff_id)
    path.write_bytes(b"X" + path.read_bytes()[1:])
    with pytest.raises(BlobDamaged):
        forms.make(Wanted(ZSTD, diff_id), NEVER)
    assert left(forms) == []
    with pytest.raises(BlobMissing):
        forms.make(Wanted(ZSTD, f"sha256:{'0' * 64}"), NEVER)


def test_forms_of_layers_that_are_gone_are_forgotten(forms: Forms) -> None:
    old, new = keep(forms.store, some_layer(1)), keep(forms.store, some_layer(2))
    for wanted in (Wanted(ZSTD, old), Wanted(ZSTD, new), Wanted(DELTA, new, old)):
        forms.make(wanted, NEVER)
    assert forms.forget([new]) == 2
    assert forms.find(ZSTD, new) is not None
    assert forms.find(DELTA, new, old) is None


def test_a_form_with_an_odd_description_is_made_again(forms: Forms) -> None:
    diff_id = keep(forms.store, some_layer(1))
    form = forms.make(Wanted(ZSTD, diff_id), NEVER)
    for text in ("", "[]", '{"size": 1}', f'{{"digest": "../..", "size": {form.size}}}'):
        (form.path.parent / "form.json").write_text(text)
        assert forms.find(ZSTD, diff_id) is None
    # What is in its place is replaced.
    shutil.rmtree(form.path.parent)
    assert forms.make(Wanted(ZSTD, diff_id), NEVER) == form


def test_an_old_skopeo_is_not_asked(forms: Forms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forms_make, "can_chunk", lambda: False)
    with pytest.raises(CannotMake, match="or later"):
        forms.make(Wanted(CHUNKED, keep(forms.store, some_layer(1))), NEVER)
    assert left(forms) == []


@pytest.mark.skipif(not forms_make.can_chunk(), reason="no skopeo 1.14 or later here")
@needs_zstd
def test_a_chunked_layer_is_the_layer_to_the_zstd_program_and_has_its_annotations(forms: Forms) -> None:
    data = some_layer(1)
    form = forms.make(Wanted(CHUNKED, keep(forms.store, data)), NEVER)
    assert unpacked(form.path) == data
    assert {key for key, _ in form.annotations} >= forms_make.NEEDED


def test_levels_fall_with_size_and_the_window_reaches_over_both_layers() -> None:
    assert [level(ZSTD, BEST, size) for size in (10**6, 10**8, 10**9, 10**10)] == [19, 15, 12, 6]
    assert level(ZSTD, QUICK, 10**12) == 3
    assert (window_log(10), window_log(150_000_000), window_log(2 * DELTA_LIMIT)) == (10, 28, 31)
