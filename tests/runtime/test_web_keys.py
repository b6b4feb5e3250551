"""``ffs web-keys`` as a process: what web and beat need of the keys, and nothing that opens what the worker alone may."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffsweb.sealed import ring_exists, rotate_ring
from tests.runtime.test_prepare import ffs, modes


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    return {"FFSWEB_DATA": f"{tmp_path}/data", "FFSWEB_KEYS": f"{tmp_path}/keys"}


def files(directory: Path) -> set[str]:
    return {str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file()}


def test_the_copy_has_no_private_key_of_the_worker(places: dict[str, str], tmp_path: Path) -> None:
    done = ffs("web-keys", f"{tmp_path}/copy", **places)
    assert done.returncode == 0, done.stderr
    keys, copy = tmp_path / "keys", tmp_path / "copy"
    assert files(copy) == {name for name in files(keys) if not (name.startswith("worker/") and "private" in name)}
    assert not ring_exists(copy, "worker")
    assert all((copy / name).read_bytes() == (keys / name).read_bytes() for name in files(copy))
    assert modes(copy) == {0o700, 0o600}


def test_a_second_run_changes_nothing_and_a_new_key_is_brought(places: dict[str, str], tmp_path: Path) -> None:
    assert "brought up to date" in ffs("web-keys", f"{tmp_path}/copy", **places).stderr
    assert "brought up to date" not in ffs("web-keys", f"{tmp_path}/copy", **places).stderr
    rotate_ring(tmp_path / "keys", "worker")
    assert ": 1 files were brought up to date" in ffs("web-keys", f"{tmp_path}/copy", **places).stderr
    assert len(list((tmp_path / "copy" / "worker").iterdir())) == 2


def test_what_does_not_belong_into_the_copy_is_taken_out(places: dict[str, str], tmp_path: Path) -> None:
    ffs("web-keys", f"{tmp_path}/copy", **places)
    private = next((tmp_path / "keys" / "worker").glob("*.private"))
    (tmp_path / "copy" / "worker" / private.name).write_bytes(private.read_bytes())
    ffs("web-keys", f"{tmp_path}/copy", **places)
    assert not list((tmp_path / "copy").rglob("worker/*.private"))


def test_the_copy_is_enough_for_the_database_and_no_other_keys_are_made_in_it(
    places: dict[str, str], tmp_path: Path
) -> None:
    ffs("web-keys", f"{tmp_path}/copy", **places)
    before = files(tmp_path / "copy")
    done = ffs("migrate", "--verbosity", "0", **{**places, "FFSWEB_KEYS": f"{tmp_path}/copy"})
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "copy") == before


def test_the_keys_themselves_are_never_the_copy(places: dict[str, str], tmp_path: Path) -> None:
    done = ffs("web-keys", f"{tmp_path}/keys", **places)
    assert done.returncode == 78
    assert "FFSWEB_KEYS itself" in done.stderr
    assert ring_exists(tmp_path / "keys", "worker")


def test_it_wants_one_directory(places: dict[str, str]) -> None:
    assert ffs("web-keys", **places).returncode == 78


def test_a_database_that_does_not_answer_is_waited_for_and_then_named(places: dict[str, str]) -> None:
    nobody = "postgres://ffsweb:not-a-usual-password@127.0.0.1:1/ffsweb"
    done = ffs("migrate", "--wait", "1", **places, DATABASE_URL=nobody)
    assert done.returncode == 78
    assert "did not answer for 1 s" in done.stderr
    assert ffs("migrate", "--wait", "soon", **places).returncode == 78
