"""Time, memory, stopping and running side by side, on a real SSH server."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from ffsweb.remote import (
    Command,
    ConnectionLost,
    Deadline,
    Interrupted,
    RemoteError,
    RunRefused,
    connect,
)
from tests.remote.commands import sh, timed

pytestmark = pytest.mark.sshd


def test_a_command_past_its_deadline_closes_the_connection(session, never):
    error, seconds = timed(lambda: session.run(Command(("cat",), stdin=never(), timeout=0.6)), Deadline)
    assert 0.5 < seconds < 1.5
    assert "did not end within" in str(error)
    assert not session.alive
    with pytest.raises(ConnectionLost):
        session.run(Command(("true",)))


def test_commands_beside_one_past_its_deadline_are_told(session, never):
    errors = []

    def beside():
        try:
            session.run(Command(("cat",), stdin=never(), timeout=30))
        except RemoteError as error:
            errors.append(error)

    thread = threading.Thread(target=beside)
    thread.start()
    time.sleep(0.2)
    with pytest.raises(Deadline):
        session.run(Command(("cat",), stdin=never(), timeout=0.5))
    thread.join(5)
    assert isinstance(errors[0], ConnectionLost)
    assert "look at the node" in str(errors[0])


def test_the_stop_event_ends_a_command_and_the_session_stays(session, never):
    for _ in range(3):
        stop = threading.Event()
        threading.Timer(0.3, stop.set).start()
        error, seconds = timed(lambda s=stop: session.run(Command(("cat",), stdin=never()), stop=s), Interrupted)
        assert seconds < 0.8
        assert "stopped on request" in str(error)
        assert session.run(Command(("echo", "still here"))).out == "still here\n"


def test_the_stop_event_ends_a_flood(session):
    stop, lines = threading.Event(), []

    def take(line):
        lines.append(line)
        if len(lines) == 1000:
            stop.set()

    _, seconds = timed(lambda: session.run(Command(("yes",)), on_line=take, stop=stop), Interrupted)
    assert seconds < 5
    assert len(lines) == 1000
    assert session.run(Command(("true",))).ok


def test_a_stop_event_that_is_set_already_runs_nothing(session, tmp_path):
    stop = threading.Event()
    stop.set()
    with pytest.raises(Interrupted):
        session.run(Command(("touch", str(tmp_path / "made"))), stop=stop)
    time.sleep(0.2)
    assert not (tmp_path / "made").exists()
    assert session.run(Command(("true",))).ok


def test_the_process_gets_term_where_the_server_allows_it(session, sshd, tmp_path, never):
    """sshd 9.2 signals nothing for root, and says so in its log."""
    stop, before = threading.Event(), len(sshd.log())
    script = f"trap 'touch {tmp_path}/termed; exit' TERM; echo ready; while read line; do :; done; sleep 0.3"
    with pytest.raises(Interrupted):
        session.run(sh(script, stdin=never()), on_line=lambda line: stop.set(), stop=stop)
    until = time.monotonic() + 5
    while (
        not (tmp_path / "termed").exists() and "signalling requires privilege separation" not in sshd.log()[before:]
    ):
        assert time.monotonic() < until, sshd.log()[before:]
        time.sleep(0.05)


def test_what_on_line_raises_ends_the_command_and_reaches_the_caller(session, never):
    def refuse(line):
        raise LookupError(line.text)

    with pytest.raises(LookupError, match="one"):
        session.run(sh("echo one; cat", stdin=never()), on_line=refuse)
    assert session.run(Command(("true",))).ok


def test_what_stdin_raises_ends_the_command_and_reaches_the_caller(session):
    def source():
        yield b"x"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        session.run(Command(("cat",), stdin=source()))
    assert session.run(Command(("true",))).ok


def test_8_commands_run_at_a_time_on_one_connection(session):
    started = time.monotonic()
    results = []
    threads = [
        threading.Thread(target=lambda n=n: results.append(session.run(sh(f"sleep 1; echo {n}")).out))
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert sorted(results) == [f"{n}\n" for n in range(8)]
    assert time.monotonic() - started < 6


def test_30_commands_share_a_connection_that_allows_10(session):
    results, errors = [], []

    def run(n):
        try:
            results.append(
                session.run(sh(f"cat; sleep 0.05; echo {n}", stdin=b"y" * 200_000), keep=1_000_000).out[-4:]
            )
        except RemoteError as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert len(results) == 30


def test_waiting_for_a_free_place_counts_towards_the_deadline(session, never):
    threads = []
    stop = threading.Event()

    def hold():
        with pytest.raises((Interrupted, ConnectionLost)):
            session.run(Command(("cat",), stdin=never()), stop=stop)

    for _ in range(8):
        threads.append(threading.Thread(target=hold))
        threads[-1].start()
    time.sleep(0.5)
    _, seconds = timed(lambda: session.run(Command(("true",), timeout=0.5)), Deadline)
    assert seconds < 1.5
    stop.set()
    for thread in threads:
        thread.join(5)


def test_a_server_that_allows_no_sessions_is_a_refusal(another_sshd, identity):
    with connect(another_sshd(options="MaxSessions 0").endpoint(), identity) as session:
        with pytest.raises(RunRefused, match="MaxSessions"):
            session.run(Command(("true",)))
        assert session.alive


def test_500_commands_leave_no_thread_behind(session):
    session.run(Command(("true",)))
    before = threading.active_count()
    for _ in range(300):
        session.run(Command(("true",)))
    time.sleep(0.2)
    assert threading.active_count() <= before + 1


FLOOD = """
    import resource, sys, time
    from pathlib import Path
    from ffsweb.remote import Command, Endpoint, Identity, connect
    from ffsweb.sealed import Secret

    port, user, host_key, private = sys.argv[1:5]
    identity = Identity(Secret(Path(private).read_bytes()))
    with connect(Endpoint("127.0.0.1", int(port), user, (host_key,)), identity) as session:
        session.run(Command(("true",)), on_line=print)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        count = 0
        def slow(line):
            global count
            count += 1
            if count == 1:
                time.sleep(1)  # the node floods; nobody takes it
        flood = "yes 0123456789012345678901234567890123456789 | head -c 50000000"
        result = session.run(Command(("sh", "-c", flood), timeout=90), on_line=slow)
        endless = "head -c 50000000 /dev/zero | tr '\\\\0' x"
        long = session.run(Command(("sh", "-c", endless), timeout=90), on_line=slow)
        quiet = session.run(Command(("sh", "-c", flood + " >&2"), timeout=90))
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert result.truncated and long.truncated and quiet.truncated
    print(count, after - before)
"""


def test_floods_of_50_mb_are_read_in_bounded_memory(sshd, key_pair, tmp_path):
    private = tmp_path / "key"
    private.write_bytes(key_pair[0].reveal())
    argv = [sys.executable, "-c", textwrap.dedent(FLOOD), str(sshd.port), sshd.user, sshd.host_key, str(private)]
    done = subprocess.run(
        argv, capture_output=True, text=True, timeout=110, cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == 0, done.stderr
    lines, grown = map(int, done.stdout.split())
    assert lines == -(-50_000_000 // 41) + -(-50_000_000 // 16384)
    unit = 1024 if sys.platform == "darwin" else 1
    assert grown / unit < 40_000, f"{grown} KB for 150 MB of output"


def test_the_deadline_holds_when_on_line_is_never_called(session, never):
    calls = []
    _, seconds = timed(
        lambda: session.run(Command(("cat",), stdin=never(), timeout=0.5), on_line=calls.append), Deadline
    )
    assert seconds < 1.5
    assert calls == []


def test_no_time_limit_means_until_the_stop_event(session, never):
    stop = threading.Event()
    threading.Timer(0.5, stop.set).start()
    _, seconds = timed(lambda: session.run(Command(("cat",), stdin=never(), timeout=None), stop=stop), Interrupted)
    assert 0.4 < seconds < 1.2


def test_closing_the_session_ends_what_runs(session, never):
    threading.Timer(0.3, session.close).start()
    error, seconds = timed(lambda: session.run(Command(("cat",), stdin=never())), ConnectionLost)
    assert seconds < 1.5
    assert "closed here" in str(error)


def test_keys_are_renewed_in_the_middle_of_everything(session):
    """paramiko's reader can block itself at this point; see transport."""
    session._transport.packetizer.REKEY_BYTES = 300_000
    session._transport.packetizer.REKEY_PACKETS = 200
    errors = []

    def run(n):
        try:
            for _ in range(15):
                result = session.run(Command(("cat",), stdin=bytes([65 + n]) * 150_000, timeout=40))
                assert result.out == chr(65 + n) * 150_000
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert errors == []
    assert session.alive
