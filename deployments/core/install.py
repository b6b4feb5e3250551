"""The exact commands by which a machine is installed from its downloaded file.

Sources: coreos/coreos-installer ``docs/cmd/install.md`` and ``docs/customizing-install.md``; Fedora CoreOS'
documentation (bare metal, PXE, libvirt, QEMU).
"""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass

from .unit_fields import HOST

FILE = "ffs.ign"
_ARCHITECTURES = ("x86_64", "aarch64")
_DEVICE = re.compile(r"/dev/[A-Za-z0-9._:/@+-]{1,200}")
_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&'()*+,;=%\[\]-]{1,2000}")
_HASH = re.compile(r"sha512-[0-9a-f]{128}|sha256-[0-9a-f]{64}")
_URL_TO_FILL_IN = "https://YOUR-SERVER/ffs.ign"
_HASH_TO_FILL_IN = "sha512-HASH-OF-FFS.IGN"


class InstallError(ValueError):
    """A value that does not belong into a command line."""


@dataclass(frozen=True, slots=True)
class InstallCommand:
    """A way to install: its title, when and why to use it, and the text to copy (shell, or kernel arguments)."""

    title: str
    why: str
    command: str


@dataclass(frozen=True, slots=True)
class _Values:
    node: str
    device: str
    url: str
    hash: str
    architecture: str


def commands_for(
    node: str,
    *,
    device: str = "/dev/sda",
    url: str = "",
    ignition_hash: str = "",
    architecture: str = "x86_64",
) -> list[InstallCommand]:
    """The commands for ``node``, from the file ``ffs.ign`` in the current directory.

    ``url`` is where the operator serves that file, ``ignition_hash`` its hash in Ignition's form; where one is empty,
    there is a word in capitals to fill in. Raises InstallError.
    """
    _check(HOST.fullmatch(node), f"{node!r} is no host name")
    _check(_DEVICE.fullmatch(device) and ".." not in device, f"{device!r} is no device")
    _check(not url or _URL.fullmatch(url), "this is no http or https address")
    _check(not ignition_hash or _HASH.fullmatch(ignition_hash), "this is no hash (sha512-…)")
    _check(architecture in _ARCHITECTURES, f"{architecture!r} is neither of {', '.join(_ARCHITECTURES)}")
    values = _Values(node, device, url or _URL_TO_FILL_IN, ignition_hash or _HASH_TO_FILL_IN, architecture)
    return [_metal_file(values), _metal_url(values), _iso(values), _pxe(values), _libvirt(values), _qemu(values)]


def _check(condition: object, message: str) -> None:
    if not condition:
        raise InstallError(message)


def _lines(*words: str) -> str:
    return " \\\n  ".join(words)


def _metal_file(values: _Values) -> InstallCommand:
    return InstallCommand(
        "Bare metal, from a file",
        f"Boot the live ISO, bring {FILE} (a USB stick, scp) and run this. It erases {values.device}.",
        _lines(
            f"sudo coreos-installer install {values.device}",
            f"--architecture {values.architecture} --stream stable",
            f"--ignition-file {FILE}",
        ),
    )


def _metal_url(values: _Values) -> InstallCommand:
    return InstallCommand(
        "Bare metal, from an address",
        f"Boot the live ISO where it reaches a server of yours that holds {FILE}, and run this; it fetches the file "
        f"now and takes no other one; sha512sum {FILE} prints its hash. It erases {values.device}.",
        _lines(
            f"sudo coreos-installer install {values.device}",
            f"--architecture {values.architecture} --stream stable",
            f"--ignition-url {shlex.quote(values.url)}",
            f"--ignition-hash {values.hash}",
        ),
    )


def _iso(values: _Values) -> InstallCommand:
    image = f"{values.node}.iso"
    return InstallCommand(
        "Bare metal, unattended",
        f"Makes {image}, which installs without asking. Label it: whatever boots from it loses {values.device}.",
        _lines(
            "coreos-installer iso customize",
            f"--dest-device {values.device}",
            f"--dest-ignition {FILE}",
            f"--output {image}",
            f"fedora-coreos-live-iso.{values.architecture}.iso",
        ),
    )


def _pxe(values: _Values) -> InstallCommand:
    rootfs = values.url.rsplit("/", 1)[0] + f"/fedora-coreos-live-rootfs.{values.architecture}.img"
    return InstallCommand(
        "PXE",
        f"Kernel arguments, on one line, for the live kernel and initramfs. The machine installs itself onto "
        f"{values.device} and restarts. Serve the file over https, or on a network that you trust.",
        " ".join(
            (
                f"coreos.live.rootfs_url={rootfs}",
                f"coreos.inst.install_dev={values.device}",
                f"coreos.inst.ignition_url={values.url}",
                "ignition.firstboot ignition.platform.id=metal",
            )
        ),
    )


def _libvirt(values: _Values) -> InstallCommand:
    target = f"/var/lib/libvirt/images/{values.node}.ign"
    disk = f"size=20,backing_store=/var/lib/libvirt/images/fedora-coreos-qemu.{values.architecture}.qcow2"
    return InstallCommand(
        "A virtual machine with libvirt",
        "As root on the host, with the QEMU image of Fedora CoreOS (unpacked) beside its other images.",
        "\n".join(
            (
                f"install -m 0640 -g qemu {FILE} {target} # on Debian the group is libvirt-qemu",
                f"chcon --type svirt_home_t {target} # where SELinux is on",
                _lines(
                    "virt-install --connect qemu:///system",
                    f"--name {values.node} --memory 4096 --vcpus 2",
                    f"--arch {values.architecture} --os-variant fedora-coreos-stable",
                    f"--import --disk {disk}",
                    "--network network=default --graphics none --noautoconsole",
                    f'--qemu-commandline="-fw_cfg name=opt/com.coreos/config,file={target}"',
                ),
            )
        ),
    )


def _qemu(values: _Values) -> InstallCommand:
    arm = values.architecture == "aarch64"
    machine = ["-machine virt -bios /usr/share/qemu-efi-aarch64/QEMU_EFI.fd"] if arm else []
    disk = f"{values.node}.qcow2"
    backing = f"fedora-coreos-qemu.{values.architecture}.qcow2"
    return InstallCommand(
        "A virtual machine with QEMU alone",
        "For a trial, without root. SSH is at port 2222 of 127.0.0.1.",
        "\n".join(
            (
                f"qemu-img create -f qcow2 -F qcow2 -b {backing} {disk} 20G",
                _lines(
                    f"qemu-system-{values.architecture}",
                    *machine,
                    "-accel kvm -cpu host -m 4096 -smp 2 -nographic",
                    f"-drive if=virtio,file={disk}",
                    f"-fw_cfg name=opt/com.coreos/config,file={FILE}",
                    "-nic user,model=virtio,hostfwd=tcp:127.0.0.1:2222-:22",
                ),
            )
        ),
    )
