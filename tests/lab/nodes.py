"""One node: its disk, its power, its cable, and a way to look inside."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import cgroups, ignition, machine, mounts, network, storage
from tests.lab.host import raise_inotify_limit
from tests.lab.inside import Inside
from tests.lab.run import LabError
from tests.lab.waiting import greeting, until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.sessions import Session

IMAGES = "/var/lib/containers"
BOOT_TIMEOUT = 60.0
"""Seconds until sshd answers. It takes one or two; a machine that builds something else at the same time
needs longer."""


class Node(Inside):
    """A node of a session. Its state is on disk and in the kernel, so another process can go on with it."""

    def __init__(self, session: Session, name: str, base: Path) -> None:
        self.name = name
        self._session = session
        self._base = base
        self.directory = session.nodes / name
        record = json.loads((self.directory / "node.json").read_text())
        self.number: int = record["number"]
        self.disks: Mapping[str, int] = record["disks"]
        self._process: subprocess.Popen[bytes] | None = None
        self.removed = False

    def __repr__(self) -> str:
        return f"<Node {self.name} {self.address} {'up' if self.running else 'down'}>"

    @property
    def address(self) -> str:
        """The node's IPv4 address, fixed before its first boot and kept until it is removed."""
        return str(self._session.network[self.number])

    @property
    def machine(self) -> str:
        return network.namespace_name(self._session.id, self.name)

    @property
    def cgroup(self) -> Path:
        return self._session.cgroup / self.name

    @property
    def _unplugged(self) -> Path:
        return self.directory / "unplugged"

    @property
    def _provisioned(self) -> Path:
        return self.directory / "provisioned"

    def written(self) -> tuple[Path, ...]:
        """Directories of this machine that together hold everything that the node ever wrote to its disks."""
        return (self.directory / "upper", *(self.root / path.lstrip("/") for path in self.disks))

    # Power.

    def first_boot(self, config: Path | str | bytes | Mapping[str, object], timeout: float = BOOT_TIMEOUT) -> Node:
        """Wipe the disk, provision it from an Ignition file (path, text or parsed), boot until sshd answers.

        Raises :class:`LabError` with Ignition's words if it refuses the file, or with the console's end after
        ``timeout`` s.
        """
        self.kill()
        self._provisioned.unlink(missing_ok=True)
        storage.wipe(self.directory)
        file = self.directory / "machine.ign"
        file.touch(mode=0o600)
        file.write_bytes(_ignition_text(config))
        storage.assemble(self.directory, self._base, self.disks)
        ignition.provision(file, self.root, self.directory)
        # systemd's word for "this is the first boot": only then does it apply the presets that Ignition
        # wrote.
        (self.root / "etc/machine-id").write_text("uninitialized\n")
        self._provisioned.touch()
        return self.start(timeout)

    def start(self, timeout: float = BOOT_TIMEOUT) -> Node:
        """Boot with the disk as it is and wait until sshd answers and lets users in; does nothing to a node
        that runs."""
        if self.running:
            return self
        if not self._provisioned.exists():
            raise LabError(f"{self.name} was never provisioned: its first boot needs an Ignition file")
        raise_inotify_limit()
        storage.assemble(self.directory, self._base, self.disks)
        network.make_bridge(self._session.id, self._session.network)
        wiring = network.wiring(self._session.id, self.name, self.number, self._session.network)
        for group in ("loop", "machine"):
            (self.cgroup / group).mkdir(parents=True, exist_ok=True)
        with (self.directory / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                machine.boot_command(
                    self.machine, self.name, self.directory / "tree", self.cgroup, wiring, self._unplugged
                ),
                env=machine.BOOT_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_booted(timeout)
        return self

    def stop(self, timeout: float = 30.0) -> None:
        """Shut down in order, as ``systemctl poweroff`` does; the disk is kept. Power is cut after
        ``timeout`` seconds."""
        if self.running and (watcher := machine.watcher(self.cgroup)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(watcher, signal.SIGTERM)
            cgroups.wait_empty(self.cgroup, timeout)
        self.kill()

    def kill(self) -> None:
        """Cut the power: every process ends at once. The disk is kept, with what the page cache held (see the
        package)."""
        if self.cgroup.exists():
            cgroups.kill(self.cgroup)
            cgroups.remove(self.cgroup)
        self._reap()

    def remove(self) -> None:
        """Take the node down and delete its disk. A second call does nothing."""
        if self.removed:
            return
        self.kill()
        self.removed = True
        network.unwire(self._session.id, self.name, self.number)
        mounts.remove_tree(self.directory)

    def forget(self) -> None:
        """Note that the whole session was taken down, and this node with it."""
        self.removed = True
        self._reap()

    def _reap(self) -> None:
        if self._process is not None:
            self._process.wait()
            self._process = None

    # The cable.

    def cut(self) -> None:
        """Pull the network cable until it is healed: connections hang, new ones find nobody, the node goes on."""
        self._unplugged.touch()
        if self.running:
            network.plug(self._session.id, self.number, connected=False)

    def heal(self) -> None:
        """Put the cable back."""
        self._unplugged.unlink(missing_ok=True)
        if self.running:
            network.plug(self._session.id, self.number, connected=True)

    # The disk.

    def fill(self, path: str = IMAGES, *, leave: int = 0) -> None:
        """Use up a small disk until ``leave`` bytes are free; see :meth:`drain`. Other disks are this
        machine's: refused."""
        storage.fill(self._small_disk(path), leave)

    def drain(self, path: str = IMAGES) -> None:
        """Give back what :meth:`fill` used."""
        storage.drain(self._small_disk(path))

    def _small_disk(self, path: str) -> Path:
        if not self.disks.get(path):
            raise LabError(
                f"{self.name} has no disk of its own at {path}; give it one, with its size, when it is defined"
            )
        return self.root / path.lstrip("/")

    def _wait_booted(self, timeout: float) -> None:
        def answered() -> bool:
            if self._process is None or self._process.poll() is not None:
                raise LabError(f"{self.name} went down while booting")
            if self._unplugged.exists():
                return self._try(("systemctl", "is-active", "--quiet", "sshd.service"))
            return (greeting(self.address, 22) or b"").startswith(b"SSH-")

        try:
            until(f"sshd of {self.name} at {self.address}", answered, timeout)
            # Until then only root may log in, whatever key one has (pam_nologin(8)).
            until(f"log-ins on {self.name}", lambda: self._try(("test", "!", "-e", "/run/nologin")), timeout)
        except LabError as error:
            raise LabError(f"{error}; its console ends: {self.console()[-1500:]}") from error

    def _try(self, argv: tuple[str, ...]) -> bool:
        """Whether a program succeeds in the node; False also while there is nothing to run it in."""
        return machine.leader(self.cgroup) is not None and self.exec(argv).status == 0


def _ignition_text(config: Path | str | bytes | Mapping[str, object]) -> bytes:
    if isinstance(config, Path):
        return config.read_bytes()
    if isinstance(config, bytes):
        return config
    return (config if isinstance(config, str) else json.dumps(config)).encode()
