"""``ffs prepare`` as a process: keys made once, nothing started that is unsafe."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest


def ffs(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("FFSWEB_", "PYTEST_", "DATABASE_"))}
    return subprocess.run(
        [sys.executable, "-m", "ffsweb.cli", *arguments],
        env={**clean, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


@pytest.fixture
def places(tmp_path: Path) -> dict[str, str]:
    return {"FFSWEB_DATA": f"{tmp_path}/data", "FFSWEB_KEYS": f"{tmp_path}/keys"}


def modes(directory: Path) -> set[int]:
    return {stat.S_IMODE(path.stat().st_mode) for path in (directory, *directory.rglob("*"))}


def test_keys_are_made_once_and_for_their_owner_alone(places, tmp_path):
    first = ffs("prepare", **places)
    assert first.returncode == 0, first.stderr
    assert modes(tmp_path / "keys") == {0o700, 0o600}
    assert modes(tmp_path / "data") == {0o700}
    key = (tmp_path / "keys" / "secret_key").read_text()
    assert len(key) > 80
    second = ffs("prepare", **places)
    assert (second.returncode, second.stderr) == (0, "")
    assert (tmp_path / "keys" / "secret_key").read_text() == key


def test_two_that_prepare_at_once_agree_on_the_keys(places, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda _: ffs("prepare", **places), range(4)))
    assert [process.returncode for process in done] == [0, 0, 0, 0]
    assert sum("made a secret key" in process.stderr for process in done) == 1
    assert {path.name for path in (tmp_path / "keys").iterdir()} == {"secret_key", "web", "worker"}


@pytest.mark.parametrize("command", ["prepare", "migrate", "--watchdog", "web", "worker", "beat"])
def test_keys_that_others_can_read_stop_every_start(places, tmp_path, command):
    assert ffs("prepare", **places).returncode == 0
    (tmp_path / "keys" / "secret_key").chmod(0o644)
    done = ffs(command, **places)
    assert done.returncode == 78
    assert "has mode 0644" in done.stderr
    assert "Nothing was started." in done.stderr
    assert "Traceback" not in done.stderr


def test_keys_inside_the_data_are_refused_before_they_are_made(tmp_path):
    done = ffs("prepare", FFSWEB_DATA=f"{tmp_path}/data", FFSWEB_KEYS=f"{tmp_path}/data/keys")
    assert done.returncode == 78
    assert "is inside FFSWEB_DATA" in done.stderr
    assert not list((tmp_path / "data" / "keys").iterdir())


def test_a_link_does_not_hide_that_the_keys_are_inside_the_data(tmp_path):
    (tmp_path / "data" / "keys").mkdir(parents=True, mode=0o700)
    (tmp_path / "elsewhere").symlink_to(tmp_path / "data" / "keys")
    done = ffs("prepare", FFSWEB_DATA=f"{tmp_path}/data", FFSWEB_KEYS=f"{tmp_path}/elsewhere")
    assert done.returncode == 78
    assert "is inside FFSWEB_DATA" in done.stderr


@pytest.mark.parametrize("command", ["--watchdog", "web", "worker", "beat"])
def test_production_with_a_known_secret_is_refused_without_showing_it(places, command):
    secret = "changeme-" + "0123456789" * 6
    done = ffs(
        command,
        FFSWEB_ENVIRONMENT="production",
        FFSWEB_PUBLIC_URL="https://x",
        FFSWEB_SECRET_KEY=secret,
        **places,
    )
    assert done.returncode == 78
    assert "The secret key is weak" in done.stderr
    assert secret not in done.stderr


@pytest.mark.parametrize("command", ["web", "worker", "beat"])
def test_a_bare_process_makes_no_keys_and_says_what_does(places, tmp_path, command):
    done = ffs(command, **places)
    assert done.returncode == 78
    assert "There is no secret key. Run `ffs prepare`" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "keys").exists()


def test_every_reason_is_given_at_once(places):
    done = ffs("prepare", FFSWEB_ENVIRONMENT="production", FFSWEB_HOSTS="*", FFSWEB_DEBUG="1", **places)
    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 4


@pytest.mark.parametrize("command", ["web", "worker", "beat", "prepare", "migrate", "--watchdog", "--sd-notify"])
def test_a_setting_that_cannot_be_used_is_one_line(command, places):
    done = ffs(command, FFSWEB_ADDRESS="nowhere", **places)
    assert done.returncode == 78
    [line] = done.stderr.splitlines()
    assert line.startswith("ffs: FFSWEB_ADDRESS is 'nowhere'")


def test_a_misspelt_setting_is_pointed_out(places):
    assert "FFSWEB_ADRESS is set, but there is no such setting" in ffs("prepare", FFSWEB_ADRESS="x", **places).stderr


def test_a_database_that_was_not_migrated_is_said_in_one_line(places):
    done = ffs("--watchdog", **places)
    assert done.returncode == 78
    assert "Run `ffs migrate`" in done.stderr


def test_an_unknown_command_shows_the_commands():
    done = ffs("serve")
    assert done.returncode == 2
    assert "there is no command 'serve'" in done.stderr
    assert "ffs --watchdog" in done.stderr
