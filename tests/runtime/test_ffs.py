"""``ffs --watchdog``: everything at once, as ``make up`` starts it, with real processes."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

import pytest

from tests.support.installation import Installation

pytestmark = pytest.mark.timeout(300)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def stops_in_time(installation: Installation) -> int:
    """The exit code after Ctrl-C, which must come within ten seconds; then nothing of it runs any more."""
    pids, since = installation.pids(), time.monotonic()
    installation.process.send_signal(signal.SIGINT)
    code = installation.process.wait(30)
    assert time.monotonic() - since < 10
    assert not [name for name, pid in pids.items() if running(pid)]
    return code


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    installation = Installation(tmp_path_factory.mktemp("installation"))
    installation.prepare()
    return installation


@pytest.fixture
def installation(prepared):
    yield prepared
    prepared.down()


def test_it_starts_everything_answers_survives_a_crash_and_a_hang_and_stops(installation):
    installation.up()
    link = installation.wait_for(r"ffsweb runs at (\S+)(?:.|\n)*?(http://\S+/account/\S+)")
    assert link.group(1) == installation.address
    assert installation.get("/livez")[0] == 200
    assert installation.get("/readyz") == (200, "ready\n")
    assert installation.get(link.group(2).removeprefix(installation.address))[0] == 200

    memory = Path(f"/proc/{installation.process.pid}/status").read_text()
    assert int(memory.partition("VmRSS:")[2].split()[0]) < 20 * 1024  # the parent alone, of four

    before = installation.pids()
    assert set(before) == {"valkey", "web", "worker", "beat"}
    web, worker = (os.getpriority(os.PRIO_PROCESS, before[name]) for name in ("web", "worker"))
    assert worker - web == 5 or worker == 19  # the pages go first
    mark = len(installation.log.read_text())
    os.kill(before["worker"], signal.SIGKILL)
    installation.wait_for("worker: restart at once", start=mark)
    installation.wait_for("worker: first heartbeat", start=mark)
    assert installation.get("/livez")[0] == 200

    # A broker that was killed comes back, and what it was told is still there.
    mark = len(installation.log.read_text())
    os.kill(before["valkey"], signal.SIGKILL)
    installation.wait_for(r"valkey: started \(pid", start=mark)
    end = time.monotonic() + 30
    while installation.get("/readyz")[0] != 200:
        assert time.monotonic() < end
        time.sleep(0.5)

    second = installation.ffs("--watchdog")
    assert second.returncode == 78
    assert "ffs runs already" in second.stderr
    assert installation.get("/readyz")[0] == 200

    assert stops_in_time(installation) == 0
    assert not [name for name, pid in before.items() if running(pid)]
    assert "Traceback" not in installation.log.read_text()


def test_a_hung_worker_and_a_hung_clock_are_replaced_and_a_hung_broker_delays_no_stop(installation):
    installation.up("--watchdog", "--interval", "3")
    installation.wait_for("supervisor: ready")
    pids = installation.pids()
    os.kill(pids["worker"], signal.SIGSTOP)
    os.kill(pids["beat"], signal.SIGSTOP)
    installation.wait_for("worker: hung: no heartbeat for", seconds=60)
    installation.wait_for("beat: hung: no heartbeat for", seconds=60)
    mark = len(installation.log.read_text())
    installation.wait_for("worker: first heartbeat", start=mark)
    assert not running(pids["worker"])

    # A broker that takes connections and says nothing: asked by the supervisor, waited for by the others.
    mark = len(installation.log.read_text())
    others = {name: pid for name, pid in installation.pids().items() if name in ("web", "worker", "beat")}
    os.kill(pids["valkey"], signal.SIGSTOP)
    installation.wait_for("valkey: hung: 3 probes failed, the last: no answer", start=mark)
    installation.wait_for("valkey: first healthy answer", start=mark)
    end = time.monotonic() + 60
    while installation.get("/readyz")[0] != 200:
        assert time.monotonic() < end
        time.sleep(0.5)
    now = installation.pids()
    assert {name: now[name] for name in others} == others
    pids = now

    # Ctrl-C while the broker does not answer.
    os.kill(pids["valkey"], signal.SIGSTOP)
    time.sleep(2)
    stops_in_time(installation)


def test_nothing_outlives_a_supervisor_that_was_killed(installation):
    installation.up()
    installation.wait_for("supervisor: ready")
    pids = installation.pids()
    installation.process.kill()
    installation.process.wait()
    end = time.monotonic() + 20
    while left := [name for name, pid in pids.items() if running(pid)]:
        assert time.monotonic() < end, left
        time.sleep(0.2)


def test_under_systemd_it_says_ready_once_everything_is(installation, tmp_path):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ear:
        ear.bind(f"{tmp_path}/notify")
        ear.settimeout(100)
        installation.up("--sd-notify", NOTIFY_SOCKET=f"{tmp_path}/notify", WATCHDOG_USEC="180000000")
        heard = []
        while "WATCHDOG=1" not in heard:
            heard.append(ear.recv(4096).decode())
        assert "READY=1" in heard
        assert installation.get("/readyz")[0] == 200
        installation.process.terminate()
        while heard[-1] != "STOPPING=1":
            heard.append(ear.recv(4096).decode())
        assert installation.process.wait(20) == 0


def test_the_audit_log_of_a_new_installation_is_whole(installation):
    done = installation.ffs("audit", "verify")
    assert done.returncode == 0, done.stderr
    assert "whole" in done.stdout
