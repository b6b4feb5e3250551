"""A way to look into a node, whatever its network does: what tests ask to know what really happened."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING

from tests.lab import cgroups, machine
from tests.lab.run import LabError, Output, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin"


class Inside:
    """The looking half of a node; the other half is :class:`tests.lab.nodes.Node`."""

    name: str
    directory: Path

    @property
    def cgroup(self) -> Path:
        raise NotImplementedError

    @property
    def root(self) -> Path:
        """The node's root as this machine sees it, also when it is down. Not its /run and /tmp: those are
        memory."""
        return self.directory / "root"

    @property
    def running(self) -> bool:
        """Whether any of the node's processes lives."""
        return cgroups.populated(self.cgroup)

    def exec(self, argv: Sequence[str], *, stdin: bytes | None = None, timeout: float = 60.0) -> Output:
        """Run a program in the node as root, whatever its network does. A failure is returned, not raised:
        ``.check()``."""
        command = machine.enter_command(self._leader(), self.cgroup, PATH, tuple(argv))
        return run(command, stdin=stdin, timeout=timeout, shown=argv)

    def read(self, path: str) -> bytes:
        """A file's content as the node sees it, running or not (then without /run and /tmp); raises
        :class:`LabError`."""
        # Links are the node's: they are followed inside its root, never on this machine.
        command = ("base64", "--wrap=0", "--", path)
        done = self._ask(command)
        return base64.b64decode(done.check().out)

    def read_text(self, path: str) -> str:
        return self.read(path).decode()

    def journal(self, unit: str | None = None, *, lines: int | None = None) -> str:
        """The node's journal, of one unit or of all, messages only; also when the node is down."""
        command = ["journalctl", "--no-pager", "--quiet", "--output=cat"]
        command += [f"--unit={unit}"] if unit else []
        command += [f"--lines={lines}"] if lines is not None else []
        return self._ask(command).check().out

    def console(self) -> str:
        """Everything that was ever written to the node's console."""
        with contextlib.suppress(FileNotFoundError):
            return (self.directory / "console.log").read_text(errors="replace")
        return ""

    def host_keys(self) -> tuple[str, ...]:
        """The node's public host keys as OpenSSH writes them, type and key, without comments."""
        listing = self.exec(("sh", "-c", "cat /etc/ssh/ssh_host_*_key.pub")).check().out
        return tuple(" ".join(line.split()[:2]) for line in listing.splitlines() if line.strip())

    def _ask(self, command: Sequence[str]) -> Output:
        """Run a program of the node's that only reads: in it, or over its disk while it is down."""
        return self.exec(command) if self.running else run(("chroot", str(self.root), *command), shown=command)

    def _leader(self) -> int:
        leader = machine.leader(self.cgroup)
        if leader is None:
            raise LabError(f"{self.name} is down")
        return leader
