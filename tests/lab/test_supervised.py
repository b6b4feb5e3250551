"""The supervisor in a container under real systemd and podman: what hangs comes back, whoever hangs."""

from __future__ import annotations

import hashlib
import json
import re
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from deployments.core.layout import image_name
from deployments.core.quadlet import Port, UnitSpec, render
from deployments.nodekit.released import ffs_node_script
from deployments.nodekit.supervisor.onefile import source
from tests.lab.test_sample import ask
from tests.lab.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.lab import Lab
    from tests.lab.nodes import Node

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]
UNITS = Path(__file__).resolve().parents[2] / "docs" / "systemd"
SAMPLE = ("/usr/bin/python3", "/app/sample/app.py")
QUICK = "--interval 1 --grace 1"
HOME = "/var/lib/ffs/www"
QUADLET = "/etc/containers/systemd/ffs-www.container"
PREPARE = f"""
mkdir -p {HOME}/releases/1 {HOME}/data {HOME}/supervisor /etc/containers/systemd /usr/local/bin
chown 1600 {HOME}/data && touch {HOME}/deployed && chmod 755 /usr/local/bin/ffs-node
"""


class Place:
    """A node with the image, the supervisor and ffs-node, where the product's own unit is tried out."""

    def __init__(self, node: Node, archive: bytes) -> None:
        self.node = node
        node.exec(("podman", "load"), stdin=archive).check()
        name = ("podman", "image", "inspect", "--format={{.Id}}", "localhost/ffs-sample:1.0")
        self.image = f"sha256:{node.exec(name).check().out.strip().removeprefix('sha256:')}"
        node.exec(("podman", "tag", "localhost/ffs-sample:1.0", image_name("watched", self.image))).check()
        self.supervisor = hashlib.sha256(source()).hexdigest()
        self.write("/usr/local/bin/ffs-node", ffs_node_script().encode())
        node.exec(("sh", "-c", PREPARE)).check()
        self.write(f"{HOME}/supervisor/{self.supervisor}.py", source())

    def write(self, path: str, data: bytes) -> None:
        self.node.exec(("sh", "-c", f"cat >{path}"), stdin=data).check()

    def start(self, options: str = QUICK, command: tuple[str, ...] = SAMPLE, **fields: Any) -> None:
        """Start the unit that a deploy would write, with further ``options``; READY is not waited for."""
        spec = UnitSpec(project="watched", service="www", node="watched", release=1, image_id=self.image)
        spec = replace(spec, supervisor=self.supervisor, interpreter="/usr/bin/python3", command=command)
        unit = render(replace(spec, ports=(Port(8080, 8080),), **fields))
        assert " --sd-notify " in unit
        unit = unit.replace(" --sd-notify ", f" --sd-notify {options} ")
        self.write("/etc/containers/systemd/ffs-www.container", unit.encode())
        self.node.exec(("systemctl", "daemon-reload")).check()
        self.node.exec(("systemctl", "start", "--no-block", "ffs-www.service")).check()

    def clean(self) -> None:
        """Nothing of it runs, and nothing tells of it."""
        self.node.exec(("systemctl", "stop", "ffs-www.service"))
        self.node.exec(("systemctl", "reset-failed", "ffs-www.service"))
        self.node.exec(("sh", "-c", f"rm -f /etc/containers/systemd/ffs-www.container {HOME}/data/.ffs-status.json"))


@pytest.fixture(scope="module")
def place(lab: Lab, sample_image: Callable[..., Path]) -> Iterator[Place]:
    from tests.lab.minimal import machine_file

    node = lab.up("watched", machine_file("watched"))
    yield Place(node, sample_image("1.0").read_bytes())
    node.remove()


@pytest.fixture
def node(place: Place) -> Node:
    return place.node


@pytest.fixture
def watched(place: Place) -> Iterator[Callable[..., None]]:
    yield place.start
    place.clean()


def shown(node: Node, name: str) -> str:
    return node.exec(("systemctl", "show", "--value", f"--property={name}", "ffs-www.service")).check().out.strip()


def status(node: Node) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(node.read_text("/var/lib/ffs/www/data/.ffs-status.json"))
    return found


def active(node: Node) -> None:
    until("the unit is active", lambda: shown(node, "ActiveState") == "active", 60)


def journal(node: Node) -> str:
    return str(node.exec(("journalctl", "--unit=ffs-www.service", "--output=short-unix", "--no-pager")).check().out)


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
    pid = node.exec(("podman", "inspect", "--format={{.State.Pid}}", "ffs-www")).check().out.strip()
    node.exec(("kill", "-STOP", pid)).check()
    until("systemd has restarted the container", lambda: shown(node, "NRestarts") != "0", 60)
    active(node)
    assert ask(node, "/healthz") == {"ok": True}
    assert "Watchdog timeout" in journal(node)


def test_a_program_that_does_not_stay_up_is_left_to_systemds_back_off(
    node: Node, watched: Callable[..., None]
) -> None:
    mark = len(journal(node))
    watched(command=("/usr/bin/python3", "-c", "raise SystemExit(7)"))
    until("four pauses", lambda: int(shown(node, "NRestarts")) >= 4, 120)
    lines = journal(node)[mark:]
    assert "gave up: python3 ended 3 times within 5 s; it exited with 7" in lines
    assert "code=exited, status=100" in lines
    unit = dict(line.split("=", 1) for line in node.read_text(QUADLET).splitlines() if line.startswith("Restart"))
    first, most, steps = (int(unit[name]) for name in ("RestartSec", "RestartMaxDelaySec", "RestartSteps"))
    wanted = [first * (most / first) ** (at / steps) for at in range(4)]  # systemd.service(5), RestartSteps=
    ended = [float(at) for at in re.findall(r"(?m)^([0-9.]+) .*: Failed with result 'exit-code'", lines)]
    begun = [float(at) for at in re.findall(r"(?m)^([0-9.]+) .*: Scheduled restart job", lines)]
    pauses = [later - earlier for earlier, later in zip(ended, begun, strict=False)][:4]
    assert len(pauses) == 4, lines
    assert all(least <= pause < least + 2 for least, pause in zip(wanted, pauses, strict=True)), (wanted, pauses)
    before = status(node)["before"]
    assert before["state"].startswith("gave up: python3")
    assert before["reason"] == "exited with 7"


def test_what_hangs_is_named_in_the_status_until_it_is_replaced(node: Node, watched: Callable[..., None]) -> None:
    watched("--interval 1 --grace 4", environment=(("SAMPLE_MODE", "ignore-term"),))
    active(node)
    ask(node, "/do/hang", method="POST")
    until("systemd is told", lambda: "python3: " in (text := shown(node, "StatusText")) and "hung" in text, 10)
    said = shown(node, "StatusText")
    assert re.fullmatch(r"python3: [a-z]+ \(hung: no heartbeat for \d+ s\)", said), said
    assert shown(node, "ActiveState") == "active"
    until("it is well", lambda: shown(node, "StatusText") == "healthy: python3", 20)
    assert status(node)["children"][0]["restarts"] == 1
    assert "killed" in journal(node)


def test_what_is_wrong_stands_in_the_status_before_it_is_ready(node: Node, watched: Callable[..., None]) -> None:
    watched(
        "--interval 1 --probe tcp:127.0.0.1:9", command=("/usr/bin/python3", "-c", "import time; time.sleep(100)")
    )
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
