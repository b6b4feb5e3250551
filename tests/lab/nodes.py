"""One node: its disk, its power, its cable, and a way to look inside."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from tests.lab import cgroups, ignition, machine, mounts, network
from tests.lab.host import raise_inotify_limit
from tests.lab.run import LabError, Output, run
from tests.lab.waiting import greeting, until

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.lab.sessions import Session

IMAGES = "/var/lib/containers"
PATH_INSIDE = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"
BOOT_TIMEOUT = 60.0
"""Seconds until sshd answers. It takes one or two; a machine that builds something else at the same time needs longer."""


class Node:
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
    def root(self) -> Path:
        """The node's root as this machine sees it, also when the node is down. Not its /run and /tmp: those are memory."""
        return self.directory / "root"

    @property
    def running(self) -> bool:
        return cgroups.populated(self.cgroup)

    def written(self) -> tuple[Path, ...]:
        """Directories of this machine that together hold everything that the node ever wrote to its disks."""
        return (self.directory / "upper", *(self.root / path.lstrip("/") for path in self.disks))

    # Power.

    def first_boot(self, config: Path | str | bytes | Mapping[str, object], timeout: float = BOOT_TIMEOUT) -> Node:
        """Wipe the disk, provision it from an Ignition file (path, text or parsed) and boot until sshd answers.

        Raises :class:`LabError` with Ignition's words if it refuses the file, or with the console's end after ``timeout`` s.
        """
        self.kill()
        mounts.unmount_below(self.directory)
        for name in ("upper", "work", "volumes"):
            shutil.rmtree(self.directory / name, ignore_errors=True)
        file = self.directory / "machine.ign"
        file.touch(mode=0o600)
        file.write_bytes(_ignition_text(config))
        self._mount()
        ignition.provision(file, self.root, self.directory)
        # systemd's word for "this is the first boot": only then does it apply the presets that Ignition wrote.
        (self.root / "etc/machine-id").write_text("uninitialized\n")
        return self.start(timeout)

    def start(self, timeout: float = BOOT_TIMEOUT) -> Node:
        """Boot with the disk as it is and wait until sshd answers and lets users in; does nothing to a node that runs."""
        if self.running:
            return self
        if not (self.directory / "upper").is_dir():
            raise LabError(f"{self.name} was never provisioned: its first boot needs an Ignition file")
        raise_inotify_limit()
        self._mount()
        network.make_bridge(self._session.id, self._session.network)
        network.wire(self._session.id, self.name, self.number, self._session.network)
        self.cgroup.mkdir(parents=True, exist_ok=True)
        with (self.directory / "console.log").open("ab") as console:
            self._process = subprocess.Popen(
                machine.boot_command(self.machine, self.name, self.directory / "tree", self.cgroup),
                env=machine.BOOT_ENVIRONMENT,
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._wait_booted(timeout)
        return self

    def stop(self, timeout: float = 30.0) -> None:
        """Shut down in order, as ``systemctl poweroff`` does; the disk is kept. Power is cut after ``timeout`` seconds."""
        if self.running and (watcher := machine.watcher(self.cgroup)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(watcher, signal.SIGTERM)
            cgroups.wait_empty(self.cgroup, timeout)
        self.kill()

    def kill(self) -> None:
        """Cut the power: every process ends at once. The disk is kept, with what the page cache held (see the package)."""
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
        """Pull the network cable: open connections hang, new ones find nobody, the node goes on."""
        network.plug(self._session.id, self.number, connected=False)

    def heal(self) -> None:
        """Put the cable back."""
        network.plug(self._session.id, self.number, connected=True)

    # The disk.

    def fill(self, path: str = IMAGES, *, leave: int = 0) -> None:
        """Use up a small disk until ``leave`` bytes are free; see :meth:`drain`. Other disks are this machine's: refused."""
        ballast = self._small_disk(path) / ".ballast"
        with ballast.open("ab") as file:
            size, step = file.tell(), 64 << 20
            while step >= 4096:
                status = os.statvfs(ballast)
                free = status.f_bavail * status.f_frsize - leave
                step = min(step, max(free, 0) or step)
                try:
                    if free <= 0:
                        break
                    os.posix_fallocate(file.fileno(), size, step)
                    size += step
                except OSError:
                    step //= 2
        # A file system's own books can lag behind: what is said to be free is what a writer will find.
        os.sync()

    def drain(self, path: str = IMAGES) -> None:
        """Give back what :meth:`fill` used."""
        (self._small_disk(path) / ".ballast").unlink(missing_ok=True)

    def _small_disk(self, path: str) -> Path:
        if not self.disks.get(path):
            raise LabError(f"{self.name} has no disk of its own at {path}; give it one, with its size, when it is defined")
        return self.root / path.lstrip("/")

    # Inside.

    def exec(self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0) -> Output:
        """Run a program in the node as root, whatever its network does. A failure is returned, not raised: ``.check()``."""
        command = machine.enter_command(self._leader(), self.cgroup, PATH_INSIDE, tuple(argv))
        return run(command, stdin=stdin, timeout=timeout)

    def read(self, path: str) -> bytes:
        """A file's content as the node sees it, running or not (then without /run and /tmp); raises :class:`LabError`."""
        # Links are the node's: they are followed inside its root, never on this machine.
        command = ("base64", "--wrap=0", "--", path)
        done = self.exec(command) if self.running else run(("chroot", str(self.root), *command))
        return machine.decode(done.check().out)

    def read_text(self, path: str) -> str:
        return self.read(path).decode()

    def journal(self, unit: str | None = None, *, lines: int | None = None) -> str:
        """The node's journal, of one unit or of all, messages only; also when the node is down."""
        command = ["journalctl", "--no-pager", "--quiet", "--output=cat"]
        command += [f"--unit={unit}"] if unit else []
        command += [f"--lines={lines}"] if lines is not None else []
        if self.running:
            return self.exec(command).check().out
        return run(("chroot", str(self.root), *command)).check().out

    def console(self) -> str:
        """Everything that was ever written to the node's console."""
        with contextlib.suppress(FileNotFoundError):
            return (self.directory / "console.log").read_text(errors="replace")
        return ""

    def host_keys(self) -> tuple[str, ...]:
        """The node's public host keys as OpenSSH writes them, type and key, without comments."""
        listing = self.exec(("sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub")).check().out
        return tuple(" ".join(line.split()[:2]) for line in listing.splitlines() if line.strip())

    # How.

    def _leader(self) -> int:
        leader = machine.leader(self.cgroup)
        if leader is None:
            raise LabError(f"{self.name} is down")
        return leader

    def _mount(self) -> None:
        """Put the node's disk together, unless it is: base and what it wrote, its volumes, and a view like FCOS's."""
        if mounts.below(self.directory):
            return
        upper, work, tree, volumes = (self.directory / name for name in ("upper", "work", "tree", "volumes"))
        for directory in (upper, work, self.root, tree, volumes):
            directory.mkdir(exist_ok=True)
        upper.chmod(0o755)
        mounts.overlay(self._base, upper, work, self.root)
        for index, (path, megabytes) in enumerate(self.disks.items()):
            place = self.root / path.lstrip("/")
            place.mkdir(parents=True, exist_ok=True)
            if megabytes:
                mounts.disk(volumes / f"{index}.img", megabytes, place)
            else:
                (volumes / str(index)).mkdir(exist_ok=True)
                mounts.bind(volumes / str(index), place)
        mounts.read_only_view(self.root, tree, writable=("etc", "var"))

    def _wait_booted(self, timeout: float) -> None:
        def answered() -> bool:
            if self._process is None or self._process.poll() is not None:
                raise LabError(f"{self.name} went down while booting")
            return (greeting(self.address, 22) or b"").startswith(b"SSH-")

        try:
            until(f"sshd of {self.name} at {self.address}", answered, timeout)
            # Until then only root may log in, whatever key one has (pam_nologin(8)).
            until(f"log-ins on {self.name}", lambda: self.exec(("test", "!", "-e", "/run/nologin")).status == 0, timeout)
        except LabError as error:
            raise LabError(f"{error}; its console ends: {self.console()[-1500:]}") from error


def _ignition_text(config: Path | str | bytes | Mapping[str, object]) -> bytes:
    if isinstance(config, Path):
        return config.read_bytes()
    if isinstance(config, bytes):
        return config
    return (config if isinstance(config, str) else json.dumps(config)).encode()
