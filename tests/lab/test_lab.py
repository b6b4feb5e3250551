"""A node boots from an Ignition file, behaves as a machine does, and leaves nothing behind."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.lab.minimal import STARTED, machine_file
from tests.lab.run import LabError, run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.lab.lab import Lab
    from tests.lab.nodes import Node

pytestmark = pytest.mark.lab


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
    )
    yield node
    node.remove()


def ssh(node: Node, key: Path, known: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    known.write_text("".join(f"{node.address} {host_key}\n" for host_key in node.host_keys()))
    options = (
        "-oBatchMode=yes",
        "-oStrictHostKeyChecking=yes",
        f"-oUserKnownHostsFile={known}",
        "-oIdentitiesOnly=yes",
    )
    command = ("ssh", "-F", "none", "-i", str(key), *options, f"core@{node.address}", *argv)
    return subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)


def test_ignition_writes_files_and_units_into_the_node(node: Node) -> None:
    assert node.exec(("hello",)).check().out == "hello from node-a\n"
    assert node.exec(("systemctl", "is-active", "enabled.service")).out == "active\n"
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
    for program in (
        "podman",
        "skopeo",
        "jq",
        "openssl",
        "systemd-creds",
        "rsync",
        "zstd",
        "nft",
        "curl",
        "ssh-keygen",
    ):
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
    node.exec(
        ("sh", "-c", "mkdir -p /etc/containers/systemd; cat >/etc/containers/systemd/q.container"), stdin=unit
    ).check()
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
