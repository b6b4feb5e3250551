"""What is told: lines that can be read by programs, and a status file that says why the last run ended."""

from __future__ import annotations

import json
import os

import pytest

from deployments.nodekit.supervisor import Notifier
from deployments.nodekit.supervisor.telling import HELD, Speaker, StatusFile, line_of

BEAT_FOR_EVER = "\nwhile True:\n    beat(); time.sleep(0.05)\n"


def test_every_line_is_an_object_in_json(supervise):
    running = supervise("--log", "json", "--interval", "1", command=("sh", "-c", "exit 3"))
    assert running.process.wait(20) == 100
    lines = [json.loads(line) for line in running.text().splitlines()]
    assert [line["child"] for line in lines[:2]] == ["sh", "sh"]
    assert lines[0]["event"].startswith("started (pid ")
    assert lines[-1]["event"] == "gave up: sh ended 3 times within 5 s; it exited with 3"
    assert all(line["at"] > 1e9 for line in lines)


@pytest.mark.parametrize(
    "text", ["x" * 5000, "\n" * 5000, "\x00" * 5000, "漢" * 5000, "\U0001f600" * 5000, "\ud800", '"\\']
)
@pytest.mark.parametrize("form", ["text", "json"])
def test_a_line_stays_whole_however_long_its_words_are(form, text):
    data = line_of(form, 1.5, "n" * 5000, text)
    assert len(data) <= 4096
    assert data.count(b"\n") == 1
    if form == "json":
        event = json.loads(data)["event"]
        assert event in (text[: len(event)], "?")
        assert len(event) >= min(500, len(text))


@pytest.mark.parametrize("form", ["text", "json"])
def test_lines_that_were_lost_are_counted_in_a_line_of_their_own(form):
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    filled = _fill(writing)
    spoken = os.dup(2)
    try:
        os.dup2(writing, 2)
        say = Speaker(form)
        for number in range(HELD + 7):
            say("app", f"line {number}")
        _drain(reading, filled)
        say.flush()
    finally:
        os.dup2(spoken, 2)
        os.close(spoken)
        os.close(writing)
    lines = os.read(reading, 1 << 20).decode().splitlines()
    os.close(reading)
    texts = [json.loads(line)["event"] for line in lines] if form == "json" else lines
    assert "7 lines were not taken in time" in texts[0]
    assert len(texts) == HELD + 1
    assert texts[1].endswith("line 7")
    assert texts[-1].endswith(f"line {HELD + 6}")


def _fill(pipe: int) -> int:
    filled = 0
    try:
        while True:
            filled += os.write(pipe, b"." * 4096)
    except BlockingIOError:
        return filled


def _drain(pipe: int, size: int) -> None:
    while size > 0:
        size -= len(os.read(pipe, size))


def test_the_next_run_still_says_why_the_last_one_ended(supervise, tmp_path):
    status = tmp_path / "status"
    first = supervise("--status", str(status), command=("sh", "-c", "exit 7"))
    assert first.process.wait(20) == 100
    left = json.loads(status.read_text())
    assert left["state"] == "gave up: sh ended 3 times within 5 s; it exited with 7"
    assert left["children"][0]["reason"] == "exited with 7"
    assert left["before"] is None

    second = supervise("--status", str(status), code=BEAT_FOR_EVER)
    second.wait_for("ready")
    second.wait_for("")
    second.stop()
    report = json.loads(status.read_text())
    assert report["children"][0]["restarts"] == 0
    assert report["children"][0]["since"] > 1e9
    assert report["before"]["state"] == left["state"]
    assert report["before"]["reason"] == "exited with 7"
    assert report["before"]["restarts"] == 2


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no JSON",
        "[]",
        "[" * 100_000,
        '{"at": NaN, "state": "x", "children": []}',
        '{"at": 1e999, "state": "x", "children": []}',
        '{"at": 1, "state": "x", "children": [{"restarts": "many"}]}',
        '{"at": 1, "state": "x", "children": 5}',
    ],
)
def test_an_old_file_that_is_not_ours_is_no_word_at_all(tmp_path, text):
    path = tmp_path / "status"
    path.write_text(text)
    StatusFile(path).write("healthy", [])
    assert json.loads(path.read_text())["before"] is None


def test_neither_a_link_nor_a_pipe_in_its_place_is_written_to_or_waited_for(tmp_path):
    path, new, victim = tmp_path / "status", tmp_path / "status.new", tmp_path / "victim"
    victim.write_text("mine")
    os.mkfifo(path)
    new.symlink_to(victim)
    StatusFile(path).write("healthy", [])
    assert victim.read_text() == "mine"
    assert path.is_file()


def test_what_it_says_is_bounded(tmp_path):
    path = tmp_path / "status"
    for _ in range(3):
        StatusFile(path).write("x" * 1_000_000, [])
    assert path.stat().st_size < 10_000


def test_a_directory_that_is_gone_stops_nothing(tmp_path):
    StatusFile(tmp_path / "nowhere" / "status").write("healthy", [])


@pytest.mark.parametrize("usec", ["", "0", "soon", "-5", None])
def test_a_watchdog_that_is_no_time_is_none(usec):
    assert Notifier(None, usec).watchdog is None


def test_what_systemd_could_not_take_is_told_again(tmp_path):
    import socket

    notifier = Notifier(f"{tmp_path}/notify")
    notifier.send("READY", "1")  # nobody is there yet
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(f"{tmp_path}/notify")
        ear.settimeout(5)
        notifier.send("READY", "1")
        notifier.send("READY", "1")
        notifier.send("STATUS", "x" * 5000 + "\n")
        assert ear.recv(9999) == b"READY=1"
        assert len(ear.recv(9999)) < 1100
    notifier.close()
