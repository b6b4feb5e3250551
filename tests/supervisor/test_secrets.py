"""Secrets reach the one program and nothing else; what does not fit is one clear line and a code of its own."""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest

from tests.supervisor.sealed import PASSWORD, openssl
from tests.supervisor.sealed import container as container
from tests.supervisor.sealed import memory as memory
from tests.supervisor.sealed import pair as pair

SHOW = '\nprint("key", os.environ.get("FFS_TLS_KEY"), "pass", os.environ.get("CERT_PASS"), flush=True)\n'


def test_the_key_is_decrypted_into_memory_and_wiped_at_the_end(supervise, container, memory, pair):
    running = supervise(
        "--secrets",
        str(memory),
        code=f"""
key = os.environ["FFS_TLS_KEY"]
print("mode", oct(os.stat(key).st_mode & 0o777), os.environ["FFS_TLS_CERT"], flush=True)
open({str(container / "copy")!r}, "w").write(open(key).read())
beat(); time.sleep(0.5)
""",
    )
    running.wait_for(f"mode 0o600 {container}/certs/server.crt")
    assert running.process.wait(20) == 0
    wanted = openssl("pkey", "-in", str(pair / "server.key"), "-pubout")
    assert openssl("pkey", "-in", str(container / "copy"), "-pubout") == wanted
    assert list(memory.iterdir()) == []
    assert PASSWORD not in running.text()


@pytest.mark.parametrize("form", ["server.p8", "server.der"])
def test_an_encrypted_pkcs8_key_does_as_well(supervise, container, memory, pair, form):
    shutil.copy(pair / form, container / "certs" / "server.key.enc")
    running = supervise("--secrets", str(memory), code=SHOW)
    running.wait_for(f"key {memory}/server.key")


def test_the_pass_phrase_may_come_from_the_environment_but_does_not_go_on(supervise, container, memory):
    (container / "run" / "cert_pass").unlink()
    running = supervise("--secrets", str(memory), code=SHOW, CERT_PASS=PASSWORD)
    running.wait_for(f"key {memory}/server.key pass None")


def test_each_setting_reaches_the_program_alone(supervise, container, memory):
    (container / "run" / "env.DATABASE_PASSWORD").write_text("s3ntinel with spaces\nand a line")
    running = supervise(
        "--secrets",
        str(memory),
        code="""
here = open("/proc/self/environ").read(), open("/proc/%d/environ" % os.getppid()).read()
print("seen", [part.count("s3ntinel") for part in here], repr(os.environ["DATABASE_PASSWORD"]), flush=True)
""",
    )
    running.wait_for(r"seen \[1, 0\] 's3ntinel with spaces\\nand a line'")


def test_without_certificates_the_program_just_starts(supervise):
    running = supervise(code=SHOW)
    running.wait_for("key None")


def test_an_old_key_from_before_a_crash_is_replaced(supervise, container, memory):
    (memory / "server.key").write_text("old")
    running = supervise("--secrets", str(memory), code=SHOW)
    running.wait_for(f"key {memory}/server.key")


def test_the_key_is_never_written_to_a_disk(supervise, container, tmp_path):
    if os.stat(tmp_path).st_dev == os.stat("/dev/shm").st_dev:
        pytest.skip("the temporary directory is itself in memory")
    disk = tmp_path / "disk"
    disk.mkdir()
    running = supervise("--secrets", str(disk), command=("true",))
    assert running.process.wait(20) == 104
    assert "is no tmpfs" in running.text()
    assert list(disk.iterdir()) == []


def test_an_image_without_openssl_is_named(supervise, container, memory):
    running = supervise("--secrets", str(memory), command=("/bin/true",), PATH="/nonexistent")
    assert running.process.wait(20) == 105
    assert "openssl cannot be run in this image" in running.text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_key_is_opened_leaves_none_behind(supervise, container, memory, tmp_path, number):
    # An openssl that never ends, so that the moment is certain.
    fake = tmp_path / "bin" / "openssl"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\ntouch {tmp_path}/called\nexec sleep 20\n")
    fake.chmod(0o755)
    (memory / "server.key").write_text("of an earlier run")
    running = supervise("--secrets", str(memory), command=("true",), PATH=f"{fake.parent}:{os.environ['PATH']}")
    while not (tmp_path / "called").exists():
        time.sleep(0.02)
    running.process.send_signal(number)
    assert running.process.wait(20) == 128 + number
    assert list(memory.iterdir()) == []


def test_openssl_does_not_find_the_pass_phrase_in_its_environment(supervise, container, memory, tmp_path):
    fake = tmp_path / "bin" / "openssl"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\nenv >> {tmp_path}/seen\nexit 1\n")
    fake.chmod(0o755)
    (container / "run" / "cert_pass").unlink()
    running = supervise(
        "--secrets", str(memory), command=("true",), PATH=f"{fake.parent}:{os.environ['PATH']}", CERT_PASS=PASSWORD
    )
    assert running.process.wait(20) == 102
    assert PASSWORD not in (tmp_path / "seen").read_text()
