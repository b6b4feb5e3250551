"""What systemd hears, read from the socket: one state per datagram."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import time
from typing import TYPE_CHECKING

import pytest

from deployments.nodekit.supervisor import Notifier, Policy, Spec, Supervisor

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BEAT_FOR_EVER = "\nwhile True:\n    beat(); time.sleep(0.05)\n"


class Ear:
    """A notification socket, and what came to it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.heard: list[str] = []
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self._socket.settimeout(0.05)

    def wait_for(self, text: str, seconds: float = 15.0) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            heard = self.listen()
            if any(text in state for state in heard):
                return
        pytest.fail(f"no {text!r} in {self.heard}")

    def listen(self) -> list[str]:
        """One round: what came since the last one."""
        heard = []
        try:
            while True:
                heard.append(self._socket.recv(4096).decode())
        except TimeoutError:
            pass
        self.heard += heard
        return heard

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(params=["path", "abstract"])
def ear(request, tmp_path: Path) -> Iterator[Ear]:
    ear = Ear(f"{tmp_path}/notify" if request.param == "path" else f"@ffsweb-test-{secrets.token_hex(8)}")
    yield ear
    ear.close()


def test_ready_comes_once_with_the_first_heartbeat_and_then_watchdog_and_stopping(supervise, ear):
    running = supervise("--sd-notify", "--heartbeat", "required", code=BEAT_FOR_EVER, NOTIFY_SOCKET=ear.address)
    ear.wait_for("READY=1")
    ear.wait_for("WATCHDOG=1")
    ear.wait_for("WATCHDOG=1")
    running.stop()
    ear.wait_for("STOPPING=1")
    assert ear.heard.count("READY=1") == 1
    assert not [state for state in ear.heard if "\n" in state]


def test_there_is_no_ready_before_the_first_heartbeat(supervise, ear):
    supervise("--sd-notify", "--heartbeat", "required", code="\ntime.sleep(60)\n", NOTIFY_SOCKET=ear.address)
    ear.wait_for("STATUS=python")
    time.sleep(1.2)
    ear.listen()
    assert "READY=1" not in ear.heard
    assert "WATCHDOG=1" not in ear.heard


def test_a_program_without_heartbeats_is_ready_after_one_second(supervise, ear):
    since = time.monotonic()
    supervise("--sd-notify", command=("sleep", "60"), NOTIFY_SOCKET=ear.address)
    ear.wait_for("READY=1")
    assert time.monotonic() - since >= 1


def test_one_that_dies_within_the_first_second_is_never_ready(supervise, ear):
    running = supervise("--sd-notify", command=("sh", "-c", "sleep 0.2; exit 1"), NOTIFY_SOCKET=ear.address)
    assert running.process.wait(20) == 100
    ear.listen()
    assert "READY=1" not in ear.heard
    assert "STATUS=gave up: sh ended 3 times within 5 s; it exited with 1" in ear.heard


def test_the_watchdog_is_not_fed_while_a_child_is_not_well_and_the_status_says_why(supervise, ear):
    running = supervise(
        "--sd-notify",
        "--grace",
        "3",
        code="\nimport signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nbeat()\ntime.sleep(60)\n",
        NOTIFY_SOCKET=ear.address,
    )
    ear.wait_for("READY=1")
    running.wait_for("hung")
    ear.wait_for("stopping (hung: no heartbeat")
    time.sleep(1.5)
    assert "WATCHDOG=1" not in ear.listen()


def test_the_watchdog_is_fed_at_half_of_what_systemd_asks_for(supervise, ear):
    running = supervise(
        "--sd-notify", "--interval", "60", command=("sleep", "60"), NOTIFY_SOCKET=ear.address, WATCHDOG_USEC="600000"
    )
    ear.wait_for("WATCHDOG=1")
    since, fed = time.monotonic(), 0
    while time.monotonic() - since < 6:
        fed += ear.listen().count("WATCHDOG=1")
    assert 7 <= fed <= 24  # 20, if the machine lets it
    running.wait_for("the watchdog of 0.6 s is shorter than hang and restart")


def test_a_missing_socket_is_said_and_stops_nothing(supervise):
    running = supervise("--sd-notify", command=("true",), NOTIFY_SOCKET="")
    assert running.process.wait(20) == 0
    assert "NOTIFY_SOCKET is not set" in running.text()


def test_several_children_start_in_order_are_ready_together_and_stop_in_reverse(tmp_path, ear):
    if ear.address.startswith("@"):
        pytest.skip("the address makes no difference here")
    order = tmp_path / "order"
    note = f'trap "echo $0 off >> {order}; exit" TERM; echo $0 on >> {order}; sleep 60 & wait'
    specs = [
        Spec("web", ("sh", "-c", note, "web"), heartbeat="none", after=("valkey",)),
        Spec("valkey", ("sh", "-c", note, "valkey"), heartbeat="none"),
    ]
    said: list[str] = []
    supervisor = Supervisor(
        specs,
        policy=Policy(interval=0.2),
        notifier=Notifier(ear.address),
        say=lambda name, text: said.append(f"{name}: {text}"),
        on_ready=lambda: os.kill(os.getpid(), signal.SIGTERM),
    )
    assert supervisor.run() == 0
    assert order.read_text().split("\n") == ["valkey on", "web on", "web off", "valkey off", ""]
    ear.listen()
    assert "READY=1" in ear.heard
    assert ": ready: web, valkey" in said


def test_what_fails_when_all_is_ready_ends_nothing():
    said: list[str] = []

    def fail() -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        raise OSError(11, "no more processes")

    supervisor = Supervisor(
        [Spec("sleep", ("sleep", "60"), heartbeat="none")],
        policy=Policy(interval=0.2),
        say=lambda name, text: said.append(text),
        on_ready=fail,
    )
    assert supervisor.run() == 0
    assert any("no more processes" in text for text in said)


@pytest.mark.parametrize(
    ("policy", "probed", "seconds"),
    [
        (Policy(), False, 125),
        (Policy(), True, 130),
        (Policy(probe_timeout=25), True, 180),  # 10 to the next question, three without an answer, grace and start
        (Policy(misses=1, probe_timeout=25), True, 130),
    ],
)
def test_the_longest_that_hang_and_restart_may_take(policy, probed, seconds):
    assert policy.worst(probed=probed) == seconds
