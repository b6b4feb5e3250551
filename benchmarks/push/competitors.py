"""The ways that people use now: command lines. What they need beforehand is made beforehand, and not timed."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypeAlias

if TYPE_CHECKING:
    from benchmarks.push.receiver import Receiver
    from benchmarks.push.sender import Sender
    from benchmarks.push.versions import Built

Way: TypeAlias = "Callable[[Sender, Receiver, Built], str]"
"""Makes ready what is made in advance and returns the command line to time; raises LabError if it cannot be."""

PLACE: Final = "/var/lib/bench"
REGISTRY: Final = 5000


def save_load(sender: Sender, receiver: Receiver, built: Built) -> str:
    sender.load(built)
    return f"podman save --quiet {built.reference} | {shlex.join(receiver.ssh('podman load --quiet'))}"


def save_zstd_load(sender: Sender, receiver: Receiver, built: Built) -> str:
    sender.load(built)
    unpack = shlex.join(receiver.ssh("zstd -dcq | podman load --quiet"))
    return f"podman save --quiet {built.reference} | zstd -3 -T0 -cq | {unpack}"


def image_scp(sender: Sender, receiver: Receiver, built: Built) -> str:
    """podman keeps connections by name, reads host keys of its user's home, and takes keys from an agent alone.

    (That a connection's own key is not used: containers/podman#22067.)
    """
    sender.load(built)
    home = sender.directory / "home" / ".ssh"
    home.mkdir(exist_ok=True, mode=0o700)
    (home / "known_hosts").write_bytes(receiver.known_hosts.read_bytes())
    address = f"ssh://root@127.0.0.1:{receiver.cable.port}/run/podman/podman.sock"
    name = receiver.node.name
    sender.check(("podman", "system", "connection", "add", "--identity", str(receiver.key), name, address))
    send = f"ssh-add -q {receiver.key} && podman image scp --quiet {built.reference} {name}::"
    return shlex.join(("ssh-agent", "sh", "-c", send))


def _rsync(compression: str) -> Way:
    def way(sender: Sender, receiver: Receiver, built: Built) -> str:
        layout = sender.layout(built, compression)
        shell, host = shlex.join(receiver.ssh()[:-1]), receiver.ssh()[-1]
        copy = ("rsync", "--recursive", "--links", "--delete", "--rsh", shell, f"{layout}/", f"{host}:{PLACE}/")
        pull = receiver.ssh(f"podman pull --quiet oci:{PLACE}:{built.version.name}")
        return f"{shlex.join(copy)} && {shlex.join(pull)}"

    return way


def _registry(compression: str) -> Way:
    def way(sender: Sender, receiver: Receiver, built: Built) -> str:
        port, name = sender.publish(built, compression)
        forward = ("-R", f"127.0.0.1:{REGISTRY}:127.0.0.1:{port}")
        pull = f"podman pull --quiet --tls-verify=false 127.0.0.1:{REGISTRY}/{name}"
        return shlex.join(receiver.ssh(pull, options=forward))

    return way


WAYS: Final[dict[str, Way]] = {
    "podman save | ssh podman load": save_load,
    "the same with zstd": save_zstd_load,
    "podman image scp": image_scp,
    "rsync of an OCI directory (gzip)": _rsync("gzip"),
    "rsync of an OCI directory (zstd)": _rsync("zstd"),
    "registry through ssh -R (gzip)": _registry("gzip"),
    "registry through ssh -R (zstd)": _registry("zstd"),
}
BASELINE: Final = "podman save | ssh podman load"
