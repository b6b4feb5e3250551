"""A node loses its network, its power and its disk space, and nothing else."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.lab.minimal import STARTED, machine_file
from tests.lab.nodes import IMAGES
from tests.lab.run import LabError
from tests.lab.waiting import greeting, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.lab import Lab
    from tests.lab.nodes import Node

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def node(lab: Lab) -> Iterator[Node]:
    """One node with a small disk, for the tests that leave it as they found it."""
    node = lab.up("small", machine_file("small"), disks={IMAGES: 100})
    yield node
    node.remove()


def test_a_cut_node_answers_nobody_and_goes_on_until_it_is_healed(node: Node) -> None:
    node.cut()
    assert greeting(node.address, 22) is None
    assert node.exec(("systemctl", "is-active", "sshd.service")).out == "active\n"
    node.heal()
    assert until("sshd after the cut", lambda: greeting(node.address, 22)).startswith(b"SSH-")


def test_a_connection_hangs_over_a_cut_and_goes_on_after_it(node: Node) -> None:
    with socket.create_connection((node.address, 22), timeout=5) as connection:
        assert connection.recv(64).startswith(b"SSH-")
        node.cut()
        connection.sendall(b"SSH-2.0-lab\r\n")
        connection.settimeout(0.4)
        with pytest.raises(TimeoutError):
            connection.recv(64)
        node.heal()
        connection.settimeout(20)
        assert connection.recv(64)


def test_a_cable_that_was_pulled_stays_out_over_a_boot(node_factory: Callable[..., Node]) -> None:
    node = node_factory()
    node.cut()
    node.kill()
    node.start()
    assert greeting(node.address, 22) is None
    node.heal()
    assert until("sshd after the cut", lambda: greeting(node.address, 22)).startswith(b"SSH-")


def test_a_full_disk_is_full_and_can_be_drained(node: Node) -> None:
    node.fill()
    write = ("dd", "if=/dev/zero", f"of={IMAGES}/big", "bs=64K", "count=16")
    assert "No space left on device" in node.exec(write).err
    assert node.exec(("dd", "if=/dev/zero", "of=/var/lib/elsewhere", "bs=64K", "count=16")).status == 0
    node.drain()
    node.exec(write).check()
    node.exec(("rm", f"{IMAGES}/big", "/var/lib/elsewhere")).check()


def test_a_disk_can_be_filled_up_to_a_rest(node: Node) -> None:
    node.fill(leave=10_000_000)
    free = int(node.exec(("df", "--output=avail", "--block-size=1", IMAGES)).check().out.split()[-1])
    node.drain()
    assert 9_000_000 < free <= 10_000_000


def test_only_a_disk_of_its_own_is_filled(node: Node) -> None:
    with pytest.raises(LabError, match="no disk of its own at /var"):
        node.fill("/var")


def test_a_power_cut_ends_everything_at_once_and_keeps_the_disk(node_factory: Callable[..., Node]) -> None:
    node = node_factory(machine_file(units={"marks.service": STARTED}, enabled=("marks.service",)))
    node.exec(("sh", "-c", "echo kept >/var/lib/kept; echo gone >/run/gone")).check()
    machine, boot = node.read("/etc/machine-id"), node.read("/proc/sys/kernel/random/boot_id")
    keys = node.host_keys()
    began = time.monotonic()
    node.kill()
    assert time.monotonic() - began < 2
    assert not node.running
    assert greeting(node.address, 22) is None
    assert node.read_text("/var/lib/kept") == "kept\n", "the disk can be looked at while the node is down"
    with pytest.raises(LabError, match="is down"):
        node.exec(("true",))
    node.start()
    assert node.read_text("/var/lib/kept") == "kept\n"
    assert node.exec(("cat", "/run/gone")).status != 0
    assert node.exec(("cat", "/var/lib/marks")).status != 0, "a power cut stops no unit in order"
    assert node.read("/etc/machine-id") == machine
    assert node.read("/proc/sys/kernel/random/boot_id") != boot
    assert node.host_keys() == keys


def test_a_stop_lets_units_end_in_order(node_factory: Callable[..., Node]) -> None:
    node = node_factory(machine_file(units={"marks.service": STARTED}, enabled=("marks.service",)))
    node.stop()
    assert not node.running
    assert node.read_text("/var/lib/marks") == "stopped\n"
    assert "started" in node.journal("marks.service"), "the journal is on the disk"
    node.start()
    assert node.exec(("systemctl", "is-active", "marks.service")).out == "active\n"


def test_a_node_provisioned_again_is_another_machine_at_the_same_address(
    node_factory: Callable[..., Node],
) -> None:
    node = node_factory()
    address, keys = node.address, node.host_keys()
    node.exec(("touch", "/var/lib/old")).check()
    node.first_boot(machine_file("again"))
    assert node.address == address
    assert not set(node.host_keys()) & set(keys)
    assert node.exec(("test", "-e", "/var/lib/old")).status != 0


def test_nodes_boot_at_the_same_time_and_do_not_stop_each_others_services(lab: Lab) -> None:
    unit = {"same.service": "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"}
    config = machine_file(units=unit, enabled=("same.service",))
    with ThreadPoolExecutor(3) as pool:
        nodes = list(pool.map(lambda number: lab.up(f"many-{number}", config), range(3)))
    try:
        assert len({node.address for node in nodes}) == 3
        nodes[0].exec(("systemctl", "kill", "--signal=KILL", "same.service")).check()
        nodes[0].exec(("systemctl", "stop", "same.service")).check()
        for other in nodes[1:]:
            assert other.exec(("systemctl", "is-active", "same.service")).out == "active\n"
    finally:
        for node in nodes:
            node.remove()


def test_a_node_that_reboots_itself_comes_back_as_it_was(node_factory: Callable[..., Node]) -> None:
    node = node_factory()
    boot, keys = node.read("/proc/sys/kernel/random/boot_id"), node.host_keys()

    def rebooted() -> bool:
        try:
            return node.read("/proc/sys/kernel/random/boot_id") != boot and greeting(node.address, 22) is not None
        except LabError:
            return False

    node.exec(("nft", "add", "table", "inet", "leftover")).check()
    node.exec(("systemctl", "reboot"))
    until("the node is back", rebooted, 30)
    assert "leftover" not in node.exec(("nft", "list", "ruleset")).check().out
    assert node.host_keys() == keys
