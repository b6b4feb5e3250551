"""A lab: one session's nodes, made, found again, and always taken down."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import re
import signal
import threading
from typing import TYPE_CHECKING

from tests.lab import host, sessions
from tests.lab.base import base
from tests.lab.nodes import IMAGES, Node
from tests.lab.run import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import FrameType, TracebackType

NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")
LAST = 250
"""The highest number of a node, and so the last part of its address: a session holds 249."""


class Lab:
    """A session and its nodes. Use :meth:`open` as a context manager; nodes may be made from several threads
    at once."""

    def __init__(self, session: sessions.Session, tree: Path) -> None:
        self.session = session
        self._base = tree
        self._nodes: dict[str, Node] = {}
        self._mutex = threading.Lock()
        self._process = os.getpid()

    @classmethod
    def open(cls) -> Lab:
        """Make a lab that goes away with this process, at the latest when the next one is opened after a
        ``kill -9``.

        Raises :class:`~tests.lab.host.NotPossible` with everything that is missing. The first call on a
        machine builds the base, half a minute.
        """
        host.require()
        tree = base()  # before there is anything to take down
        lab = cls(sessions.create(), tree)
        atexit.register(lab.close)
        lab._close_on_sigterm()
        return lab

    @classmethod
    def kept(cls) -> Lab:
        """The command line's lab, whose nodes stay until they are removed."""
        host.require()
        tree = base()
        return cls(sessions.kept(), tree)

    def __enter__(self) -> Lab:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def gateway(self) -> str:
        """This machine's address as the nodes see it."""
        return str(self.session.network[1])

    def define(self, name: str, *, disks: Mapping[str, int] | None = None) -> Node:
        """Reserve a node: it has an address and no disk content yet (see :meth:`Node.first_boot`).

        ``disks`` gives paths a small disk of their own, in megabytes (10^6 bytes): ``{"/var/lib/containers":
        300}``.
        """
        if not NAME.fullmatch(name):
            raise LabError(f"{name!r} is no name for a node: a-z, 0-9 and hyphens, at most 32, no hyphen at the ends")
        # Podman's overlay cannot stand on the overlay that is the node's root, so images always have a place
        # of their own.
        record = {"disks": {IMAGES: 0} | dict(disks or {})}
        with host.locked(self.session.directory / "nodes.lock"):
            directory = self.session.nodes / name
            if directory.exists():
                raise LabError(f"there is a node {name} already")
            taken = {node.number for node in self.nodes()}
            number = next((number for number in range(2, LAST + 1) if number not in taken), None)
            if number is None:
                raise LabError(f"a session holds {LAST - 1} nodes")
            unfinished = self.session.directory / f"new-{name}"
            unfinished.mkdir()
            (unfinished / "node.json").write_text(json.dumps(record | {"number": number}))
            unfinished.rename(directory)
        return self.node(name)

    def up(
        self,
        name: str,
        config: Path | str | bytes | Mapping[str, object],
        *,
        disks: Mapping[str, int] | None = None,
    ) -> Node:
        """Define a node, provision it from an Ignition file and boot it until sshd answers: about two
        seconds.

        A node that could not boot is removed again; its console's end is in the error.
        """
        node = self.define(name, disks=disks)
        try:
            return node.first_boot(config)
        except BaseException:
            node.remove()
            raise

    def node(self, name: str) -> Node:
        """Find a node by its name, also one that another process made; raises :class:`LabError` if there is
        none."""
        with self._mutex:
            if not (self.session.nodes / name / "node.json").exists():
                raise LabError(f"there is no node {name}")
            if name not in self._nodes or self._nodes[name].removed:
                self._nodes[name] = Node(self.session, name, self._base)
            return self._nodes[name]

    def nodes(self) -> tuple[Node, ...]:
        """Every node of the session, by name."""
        return tuple(self.node(record.parent.name) for record in sorted(self.session.nodes.glob("*/node.json")))

    def close(self) -> None:
        """Take everything down: processes, mounts, namespaces, links and files. A second call does
        nothing."""
        if os.getpid() != self._process:  # a fork of the owner ends without it
            return
        if self.session.directory.exists():
            sessions.destroy(self.session.directory)
        for node in self._nodes.values():
            node.forget()
        atexit.unregister(self.close)

    def _close_on_sigterm(self) -> None:
        """Close before the process dies of SIGTERM, which runs neither ``finally`` nor atexit by itself."""
        if threading.current_thread() is not threading.main_thread():
            return
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            return

        def end(number: int, _frame: FrameType | None) -> None:
            with contextlib.suppress(LabError):
                self.close()
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

        signal.signal(signal.SIGTERM, end)
