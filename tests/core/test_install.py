"""The commands by which a machine is installed."""

from __future__ import annotations

import shlex
import shutil
import subprocess

import pytest

from deployments.core.install import InstallError, commands_for

HASH = "sha512-" + "ab" * 64


def words(command: str) -> list[str]:
    return shlex.split(command.replace("\\\n", ""), comments=True)


def test_there_is_a_command_for_each_way() -> None:
    titles = [command.title for command in commands_for("node-a")]
    assert len(titles) == len(set(titles)) == 6
    assert all(command.why and command.command for command in commands_for("node-a"))


def test_metal_is_installed_from_the_file_or_from_an_address_with_its_hash() -> None:
    from_file, from_url = commands_for("node-a", device="/dev/nvme0n1", url="https://x/a.ign", ignition_hash=HASH)[:2]
    assert words(from_file.command)[:4] == ["sudo", "coreos-installer", "install", "/dev/nvme0n1"]
    assert words(from_file.command)[-2:] == ["--ignition-file", "ffs.ign"]
    assert words(from_url.command)[-4:] == ["--ignition-url", "https://x/a.ign", "--ignition-hash", HASH]


def test_pxe_arguments_are_one_line() -> None:
    pxe = next(each.command for each in commands_for("node-a", url="https://x/d/a.ign") if each.title == "PXE")
    assert "\n" not in pxe
    assert {"coreos.inst.install_dev=/dev/sda", "coreos.inst.ignition_url=https://x/d/a.ign"} <= set(pxe.split())
    assert "coreos.live.rootfs_url=https://x/d/fedora-coreos-live-rootfs.x86_64.img" in pxe.split()


def test_virtual_machines_get_the_file_by_firmware_configuration() -> None:
    for command in commands_for("node-a", architecture="aarch64")[-2:]:
        assert "-fw_cfg name=opt/com.coreos/config,file=" in command.command
        assert "aarch64" in command.command
        assert "x86_64" not in command.command


@pytest.mark.parametrize("architecture", ["x86_64", "aarch64"])
def test_a_shell_can_read_every_command(architecture: str) -> None:
    bash = shutil.which("bash")
    assert bash
    for command in commands_for("node-a", architecture=architecture):
        subprocess.run([bash, "-n"], input=command.command, text=True, check=True, timeout=10)


def test_an_address_with_shell_characters_stays_one_word() -> None:
    url = "https://x/a.ign?t=1&u=$(id)"
    assert url in words(commands_for("node-a", url=url)[1].command)


@pytest.mark.parametrize(
    "values",
    [
        {"node": "Node"},
        {"node": "a; rm"},
        {"node": "a", "device": "sda"},
        {"node": "a", "device": "/dev/sda; x"},
        {"node": "a", "device": "/dev/../etc"},
        {"node": "a", "url": "file:///x"},
        {"node": "a", "url": "https://x/ y"},
        {"node": "a", "url": "https://x/\ny"},
        {"node": "a", "ignition_hash": "sha512-x"},
        {"node": "a", "architecture": "sparc"},
    ],
)
def test_what_does_not_belong_into_a_command_is_refused(values: dict[str, str]) -> None:
    with pytest.raises(InstallError):
        commands_for(**values)
