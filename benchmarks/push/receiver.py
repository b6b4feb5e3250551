"""A bare lab node that takes images from people's own commands: root may log in with a key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks.push.link import Cable, Link
from tests.lab.minimal import machine_file
from tests.lab.run import check

if TYPE_CHECKING:
    from pathlib import Path

    from tests.lab import Lab


class Receiver:
    """A node, its cable, and how to log in to it. ``directory`` takes the key and the known hosts."""

    def __init__(self, lab: Lab, name: str, link: Link, directory: Path) -> None:
        directory.mkdir()
        self.key = directory / "key"
        check(("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", str(self.key)))
        public = self.key.with_suffix(".pub").read_text()
        keys = {"/var/roothome/.ssh/authorized_keys": (0o600, public)}
        self.node = lab.up(name, machine_file(name, files=keys))
        self.cable = Cable(lab, self.node, link)
        self.known_hosts = directory / "known_hosts"
        names = f"[127.0.0.1]:{self.cable.port},{self.node.address}"
        self.known_hosts.write_text("".join(f"{names} {key}\n" for key in self.node.host_keys()))

    def ssh(self, *command: str, options: tuple[str, ...] = (), direct: bool = False) -> tuple[str, ...]:
        """The command that runs ``command`` on the node, over the cable unless ``direct``."""
        host, port = (self.node.address, 22) if direct else ("127.0.0.1", self.cable.port)
        settings = (f"UserKnownHostsFile={self.known_hosts}", "StrictHostKeyChecking=yes", "BatchMode=yes")
        return (
            *("ssh", "-F", "none", "-i", str(self.key), "-p", str(port)),
            *(part for setting in settings for part in ("-o", setting)),
            *(*options, f"root@{host}", *command),
        )

    def holds(self, image_id: str) -> bool:
        """Whether the node has the image."""
        return self.node.exec(("podman", "image", "exists", image_id.partition(":")[2])).status == 0

    def close(self) -> None:
        """Take the node and its cable away."""
        self.cable.close()
        self.node.remove()

    def __enter__(self) -> Receiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
