"""A node boots from an Ignition file, behaves as a machine does, and leaves nothing behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.lab.lab import Lab
from tests.lab.left_behind import left_behind
from tests.lab.minimal import machine_file
from tests.lab.nodes import IMAGES
from tests.lab.run import LabError, run
from tests.lab.waiting import greeting, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.lab.nodes import Node

pytestmark = pytest.mark.lab

STARTED = """
[Unit]
Description=Says that it ran
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/echo started
ExecStop=/bin/sh -c 'echo stopped >>/var/lib/marks'
[Install]
WantedBy=multi-user.target
"""


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ssh") / "id"
    run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(path))).check()
    return path


@pytest.fixture(scope="module")
def node(lab: Lab, key: Path) -> Iterator[Node]:
    """One node for the tests that leave it as they found it."""
    node = lab.up(
        "shared",
        machine_file(
            "node-a",
            core_keys=(key.with_suffix(".pub").read_text().strip(),),
            files={"/usr/local/bin/hello": (0o755, "#!/bin/sh\necho hello from $(hostname)\n")},
            units={"enabled.service": STARTED, "forgotten.service": STARTED},
            enabled=("enabled.service",),
        ),
        disks={IMAGES: 100},
    )
    yield node
    node.remove()


def ssh(node: Node, key: Path, known: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    known.write_text("".join(f"{node.address} {host_key}\n" for host_key in node.host_keys()))
    options = ("-oBatchMode=yes", "-oStrictHostKeyChecking=yes", f"-oUserKnownHostsFile={known}", "-oIdentitiesOnly=yes")
    command = ("ssh", "-F", "none", "-i", str(key), *options, f"core@{node.address}", *argv)
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_ignition_writes_files_and_units_into_the_node(node: Node) -> None:
    assert node.exec(("hello",)).check().out == "hello from node-a\n"
    assert node.exec(("systemctl", "is-active", "enabled.service")).out == "active\n"
    assert node.journal("enabled.service").splitlines()[0:2] != []
    assert "started" in node.journal("enabled.service")
    assert node.read_text("/etc/hostname") == "node-a\n"


def test_a_unit_that_the_file_does_not_enable_stays_off_as_on_fcos(node: Node) -> None:
    assert node.exec(("systemctl", "is-active", "forgotten.service")).out == "inactive\n"


def test_core_logs_in_by_the_key_in_the_file_and_may_become_root(node: Node, key: Path, tmp_path: Path) -> None:
    done = ssh(node, key, tmp_path / "known", "sudo", "-n", "id", "-un")
    assert (done.returncode, done.stdout) == (0, "root\n"), done.stderr


def test_another_key_does_not_log_in(node: Node, tmp_path: Path) -> None:
    run(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "id"))).check()
    done = ssh(node, tmp_path / "id", tmp_path / "known", "true")
    assert done.returncode == 255
    assert "Permission denied" in done.stderr


def test_a_node_without_a_host_key_makes_its_own_and_one_with_a_key_keeps_it(
    node: Node, node_factory: Callable[..., Node], key: Path
) -> None:
    assert {line.split()[0] for line in node.host_keys()} == {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"}
    public = key.with_suffix(".pub").read_text()
    given = {
        "/etc/ssh/ssh_host_ed25519_key": (0o600, key.read_text()),
        "/etc/ssh/ssh_host_ed25519_key.pub": (0o644, public),
    }
    other = node_factory(machine_file(files=given))
    assert " ".join(public.split()[:2]) in other.host_keys()
    assert not set(other.host_keys()) & set(node.host_keys())


def test_the_system_is_healthy_and_has_what_fcos_has(node: Node) -> None:
    assert node.exec(("systemctl", "is-system-running", "--wait")).out == "running\n"
    for program in ("podman", "skopeo", "jq", "openssl", "systemd-creds", "rsync", "zstd", "nft", "curl", "ssh-keygen"):
        assert node.exec(("sh", "-c", f"command -v {program}")).status == 0, program
    assert node.exec(("systemctl", "reload", "sshd.service")).check().status == 0
    assert node.exec(("systemctl", "start", "network-online.target"), timeout=10).check().status == 0
    assert "core" in node.exec(("id", "core")).check().out


def test_the_system_lacks_what_fcos_lacks(node: Node) -> None:
    for program in ("python3", "python"):
        assert node.exec(("sh", "-c", f"command -v {program}")).status != 0, program
    for path in ("/usr/lib/x", "/usr/bin/x", "/x"):
        refused = node.exec(("touch", path))
        assert refused.status != 0
        assert "Read-only file system" in refused.err
    for path in ("/usr/local/bin/x", "/etc/x", "/var/lib/x", "/opt/x"):
        node.exec(("touch", path)).check()
        node.exec(("rm", path)).check()


def test_credentials_are_sealed_and_opened(node: Node) -> None:
    seal = ("systemd-creds", "encrypt", "--with-key=host", "--name=word", "-", "-")
    sealed = node.exec(seal, stdin=b"swordfish").check().out
    assert "swordfish" not in sealed
    opened = node.exec(("systemd-creds", "decrypt", "--name=word", "-", "-"), stdin=sealed.encode()).check()
    assert opened.out == "swordfish"


def test_the_quadlet_generator_makes_a_unit(node: Node) -> None:
    unit = b"[Container]\nImage=localhost/none:none\nPull=never\n"
    node.exec(("sh", "-c", "mkdir -p /etc/containers/systemd; cat >/etc/containers/systemd/q.container"), stdin=unit).check()
    node.exec(("systemctl", "daemon-reload")).check()
    assert "podman run" in node.exec(("systemctl", "cat", "q.service")).check().out
    node.exec(("rm", "/etc/containers/systemd/q.container")).check()


def test_a_link_in_the_node_is_read_as_the_node_sees_it(node: Node) -> None:
    node.exec(("ln", "-sfn", "/etc/hostname", "/var/lib/link")).check()
    assert node.read_text("/var/lib/link") == "node-a\n"
    with pytest.raises(LabError, match="No such file"):
        node.read("/var/lib/missing")


def test_a_failed_command_is_told_and_a_slow_one_is_ended(node: Node) -> None:
    done = node.exec(("sh", "-c", "echo no >&2; exit 7"))
    assert (done.status, done.err) == (7, "no\n")
    with pytest.raises(LabError, match="ended with status 7: no"):
        done.check()
    with pytest.raises(LabError, match="did not end within"):
        node.exec(("sleep", "60"), timeout=0.3)


def test_a_cut_node_answers_nobody_and_goes_on_until_it_is_healed(node: Node) -> None:
    node.cut()
    assert greeting(node.address, 22) is None
    assert node.exec(("systemctl", "is-active", "sshd.service")).out == "active\n"
    node.heal()
    assert until("sshd after the cut", lambda: greeting(node.address, 22)).startswith(b"SSH-")


def test_a_connection_hangs_over_a_cut_and_goes_on_after_it(node: Node) -> None:
    import socket

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
    free = int(node.exec(("stat", "--file-system", "--format=%a", IMAGES)).check().out) * 4096
    node.drain()
    assert 5_000_000 < free < 11_000_000


def test_only_a_disk_of_its_own_is_filled(node: Node) -> None:
    with pytest.raises(LabError, match="no disk of its own at /var"):
        node.fill("/var")


def test_a_power_cut_ends_everything_at_once_and_keeps_the_disk(node_factory: Callable[..., Node]) -> None:
    node = node_factory(machine_file(units={"marks.service": STARTED}, enabled=("marks.service",)))
    node.exec(("sh", "-c", "echo kept >/var/lib/kept; echo gone >/run/gone; sync")).check()
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


def test_a_node_provisioned_again_is_another_machine_at_the_same_address(node_factory: Callable[..., Node]) -> None:
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


def test_ignition_refuses_a_bad_file_in_its_own_words_and_nothing_stays(lab: Lab) -> None:
    with pytest.raises(LabError, match="Ignition refused"):
        lab.up("bad", {"ignition": {"version": "9.9.0"}})
    with pytest.raises(LabError, match="Ignition refused"):
        lab.up("bad", "{ not json")
    with pytest.raises(LabError, match="no node bad"):
        lab.node("bad")


@pytest.mark.parametrize("name", ["", "Upper", "-a", "a-", "a/b", "..", "a" * 33, "a b"])
def test_a_bad_name_is_refused(lab: Lab, name: str) -> None:
    with pytest.raises(LabError, match="no name for a node"):
        lab.define(name)


def test_a_name_is_given_once_and_again_after_the_node_is_removed(lab: Lab) -> None:
    first = lab.define("twice")
    with pytest.raises(LabError, match="already"):
        lab.define("twice")
    with pytest.raises(LabError, match="never provisioned"):
        first.start()
    first.remove()
    lab.define("twice").remove()


def test_two_labs_at_once_share_nothing_and_a_closed_one_leaves_nothing(lab: Lab) -> None:
    with Lab.open() as other:
        assert other.session.id != lab.session.id
        assert not other.session.network.overlaps(lab.session.network)
        node = other.up("same-name", machine_file())
        node.exec(("sh", "-c", "sleep 1000 & disown"), timeout=5).check()
        assert left_behind(other.session.id, other.session.directory) != []
    assert left_behind(other.session.id, other.session.directory) == []
    other.close()


OWNER = """
import sys, time
from tests.lab.lab import Lab
from tests.lab.minimal import machine_file
lab = Lab.open()
lab.up("orphan", machine_file())
print(lab.session.id, lab.session.directory, flush=True)
time.sleep(600)
"""


def owner() -> tuple[subprocess.Popen[str], str, Path]:
    process = subprocess.Popen((sys.executable, "-c", OWNER), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    identity, directory = process.stdout.readline().split()
    process.stdout.close()
    return process, identity, Path(directory)


def test_what_a_killed_owner_left_is_swept_when_the_next_lab_opens(lab: Lab, node: Node) -> None:
    process, identity, directory = owner()
    process.kill()
    process.wait()
    assert left_behind(identity, directory) != [], "a kill -9 gives nobody a chance to clean up"
    with Lab.open():
        assert left_behind(identity, directory) == []
    assert node.exec(("true",)).status == 0, "the living keep theirs"


def test_sigterm_takes_the_lab_down_and_then_the_process(lab: Lab) -> None:
    process, identity, directory = owner()
    process.terminate()
    assert process.wait(30) == -signal.SIGTERM
    assert left_behind(identity, directory) == []


def test_a_process_that_just_ends_leaves_nothing(lab: Lab) -> None:
    text = OWNER.replace("time.sleep(600)", "")
    done = run((sys.executable, "-c", text), timeout=60).check()
    identity, directory = done.out.split()
    assert left_behind(identity, Path(directory)) == []


def test_the_command_line_keeps_nodes_between_its_runs(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A cache of its own, whose base is the one that there is: the operator's own nodes are none of this test's business.
    from tests.lab.base import base

    tree, place = base(), tmp_path / "cache"
    place.mkdir()
    for name in (tree.name,):
        (place / name).symlink_to(tree)
    monkeypatch.setenv("FFSWEB_LAB_CACHE", str(place))
    tmp_path.chmod(0o711)
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.getuid() and str(parent).startswith("/tmp/"):
            parent.chmod(0o711)
    (tmp_path / "m.ign").write_bytes(b'{"ignition": {"version": "3.3.0"}}')

    def command(*argv: str) -> str:
        return run((sys.executable, "-m", "tests.lab", *argv), timeout=60).check().out

    try:
        assert command("up", "hand", str(tmp_path / "m.ign"), "--disk", "40").startswith("hand 10.66.")
        assert command("exec", "hand", "--", "echo", "in here") == "in here\n"
        command("cut", "hand")
        command("heal", "hand")
        command("full", "hand")
        command("full", "hand", "--drain")
        command("kill", "hand")
        assert command("ls").split()[2] == "down"
        command("start", "hand")
        assert command("ls").split()[2] == "up"
        command("stop", "hand")
    finally:
        sessions = list((place / "sessions").iterdir())
        command("rm", "hand")
    assert len(sessions) == 1
    assert left_behind(sessions[0].name, sessions[0]) == []
