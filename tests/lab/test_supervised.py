"""The supervisor in a container under real systemd and podman: what hangs comes back, whoever hangs."""

from __future__ import annotations

import json
import re
import time
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deployments.nodekit.supervisor.onefile import source
from tests.lab.test_sample import ask
from tests.lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.lab import Lab
    from tests.lab.nodes import Node

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]
UNITS = Path(__file__).resolve().parents[2] / "docs" / "systemd"
UNIT = """
[Unit]
StartLimitIntervalSec=0

[Container]
Image=localhost/ffs-sample:1.0
ContainerName=watched
Pull=never
Notify=true
User=1600
Group=1600
ReadOnly=true
DropCapability=all
NoNewPrivileges=true
PublishPort=8080:8080/tcp
Volume=/var/lib/supervisor.py:/ffs/supervisor.py:ro
Volume=/var/lib/ffs/data:/ffs/data
Entrypoint=/usr/bin/python3
Exec=/ffs/supervisor.py --sd-notify {options} -- {command}
StopTimeout=3

[Service]
WatchdogSec={watchdog}
WatchdogSignal=SIGTERM
TimeoutStopSec=5
Restart=on-failure
RestartSec=1
RestartSteps=3
RestartMaxDelaySec=8
"""
SAMPLE = "/usr/bin/python3 /app/sample/app.py"


@pytest.fixture(scope="module")
def node(lab: Lab, sample_image: Callable[..., Path]) -> Iterator[Node]:
    from tests.lab.minimal import machine_file

    node = lab.up("watched", machine_file("watched"))
    node.exec(("podman", "load"), stdin=sample_image("1.0").read_bytes()).check()
    node.exec(("sh", "-c", "mkdir -p /var/lib/ffs/data && chown 1600 /var/lib/ffs/data")).check()
    node.exec(("sh", "-c", "cat > /var/lib/supervisor.py"), stdin=source()).check()
    yield node
    node.remove()


@pytest.fixture
def watched(node: Node) -> Iterator[Callable[..., None]]:
    """Starts the unit and does not wait for READY."""

    def start(options: str = "--interval 1 --grace 1", *, command: str = SAMPLE, watchdog: int = 60) -> None:
        unit = UNIT.format(options=options, command=command, watchdog=watchdog).encode()
        write = "mkdir -p /etc/containers/systemd; cat >/etc/containers/systemd/watched.container"
        node.exec(("sh", "-c", write), stdin=unit).check()
        node.exec(("systemctl", "daemon-reload")).check()
        node.exec(("systemctl", "start", "--no-block", "watched.service")).check()

    yield start
    node.exec(("systemctl", "stop", "watched.service"))
    node.exec(("systemctl", "reset-failed", "watched.service"))
    node.exec(("sh", "-c", "rm -f /etc/containers/systemd/watched.container /var/lib/ffs/data/.ffs-status.json"))


def shown(node: Node, name: str) -> str:
    return node.exec(("systemctl", "show", "--value", f"--property={name}", "watched.service")).check().out.strip()


def status(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(node.read_text("/var/lib/ffs/data/.ffs-status.json"))
    return found


def active(node: Node) -> None:
    until("the unit is active", lambda: shown(node, "ActiveState") == "active", 60)


def journal(node: Node) -> str:
    return str(node.exec(("journalctl", "--unit=watched.service", "--output=short-unix", "--no-pager")).check().out)


def test_a_program_that_hangs_is_replaced_in_its_container(node: Node, watched: Callable[..., None]) -> None:
    watched()
    active(node)
    assert shown(node, "StatusText") == "healthy: python3"
    pid = status(node)["children"][0]["pid"]
    assert ask(node, "/do/hang", method="POST") == {"hanging": True}
    since = time.monotonic()
    until("it is restarted", lambda: status(node)["children"][0]["restarts"] == 1, 30)
    assert time.monotonic() - since < 3 + 1 + 5  # three intervals and the grace, and a busy machine
    assert ask(node, "/healthz") == {"ok": True}
    until("it is well", lambda: shown(node, "StatusText") == "healthy: python3", 20)
    child = status(node)["children"][0]
    assert child["pid"] != pid
    assert child["reason"].startswith("hung: no heartbeat for")
    assert shown(node, "NRestarts") == "0"
    lines = journal(node)
    for words in ("missed 1 of 3 heartbeats", "hung: no heartbeat for", "restart at once"):
        assert words in lines


def test_a_supervisor_that_hangs_itself_is_replaced_by_systemd(node: Node, watched: Callable[..., None]) -> None:
    watched(watchdog=5)
    active(node)
    pid = node.exec(("podman", "inspect", "--format={{.State.Pid}}", "watched")).check().out.strip()
    node.exec(("kill", "-STOP", pid)).check()
    until("systemd has restarted the container", lambda: shown(node, "NRestarts") != "0", 60)
    active(node)
    assert ask(node, "/healthz") == {"ok": True}
    assert "Watchdog timeout" in journal(node)


def test_a_program_that_does_not_stay_up_is_left_to_systemds_back_off(
    node: Node, watched: Callable[..., None]
) -> None:
    watched(command="/usr/bin/python3 -c 'raise SystemExit(7)'")
    until("four starts", lambda: int(shown(node, "NRestarts")) >= 4, 90)
    lines = journal(node)
    assert "gave up: python3 ended 3 times within 5 s; it exited with 7" in lines
    assert "code=exited, status=100" in lines
    ends = [float(at) for at in re.findall(r"(?m)^([0-9.]+) .*: gave up: python3", lines)][-5:]
    pauses = [later - earlier for earlier, later in pairwise(ends)]
    assert pauses[-1] > pauses[0] + 2, pauses  # 1, 2, 4, 8 s and what a start takes
    before = status(node)["before"]
    assert before["state"].startswith("gave up: python3")
    assert before["reason"] == "exited with 7"


def test_what_is_wrong_stands_in_the_status_before_it_is_ready(node: Node, watched: Callable[..., None]) -> None:
    watched("--interval 1 --probe tcp:127.0.0.1:9", command="/usr/bin/python3 -c 'import time; time.sleep(100)'")
    wanted = "python3: starting (Connection refused)"
    until(wanted, lambda: shown(node, "StatusText") == wanted, 60)
    assert shown(node, "ActiveState") == "activating"


def test_systemd_and_quadlet_take_the_dashboards_units(node: Node) -> None:
    for unit in UNITS.glob("ffsweb*.container"):
        node.exec(("sh", "-c", f"mkdir -p /root/q && cat > /root/q/{unit.name}"), stdin=unit.read_bytes()).check()
    made = node.exec(("env", "QUADLET_UNIT_DIRS=/root/q", "/usr/libexec/podman/quadlet", "--dryrun")).check()
    assert made.out.count("ExecStart=") == 2
    assert "unsupported" not in made.err

    text = (UNITS / "ffsweb.service").read_text()
    text = text.replace("/opt/ffsweb/.venv/bin/ffs", "/usr/bin/true").replace("User=ffsweb", "User=root")
    node.exec(("sh", "-c", "cat > /root/ffsweb.service"), stdin=text.encode()).check()
    verified = node.exec(("systemd-analyze", "verify", "/root/ffsweb.service"))
    assert [line for line in (verified.out + verified.err).splitlines() if "ffsweb.service" in line] == []
