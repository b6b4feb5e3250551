"""What the supervisor tells: log lines to people, states to systemd, a status file to ``ffs-node facts``."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

Say = Callable[[str, str], None]  # name of the child ("" for the supervisor itself), what happened


def speaker(form: str = "text") -> Say:
    """Writes life-cycle events to standard error, one line each; ``form`` is ``text`` or ``json``."""

    def say(name: str, text: str) -> None:
        line = f"supervisor: {name + ': ' if name else ''}{text}"
        if form == "json":
            line = json.dumps({"at": round(time.time(), 3), "child": name or None, "event": text})
        with contextlib.suppress(OSError):  # a reader that went away is no reason to stop
            os.write(2, (line.replace("\n", " ") + "\n").encode(errors="replace"))

    return say


class Notifier:
    """sd_notify(3) without systemd's library: one state per datagram, because conmon relays no more than that.

    ``address`` is NOTIFY_SOCKET (a path, or ``@`` and an abstract name), or None for nobody to tell.
    """

    def __init__(self, address: str | None, watchdog_usec: str | None = None) -> None:
        self.watchdog = int(watchdog_usec) / 1e6 if watchdog_usec and watchdog_usec.isdecimal() else None
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        self._told: dict[str, str] = {}

    def send(self, key: str, value: str) -> None:
        """Tell systemd what it was not told yet. One that does not listen is no error of ours."""
        if self._socket is None or self._address is None:
            return
        if key != "WATCHDOG" and self._told.get(key) == value:
            return
        self._told[key] = value
        datagram = f"{key}={value}".replace("\n", " ").encode(errors="replace")
        with contextlib.suppress(OSError):
            self._socket.sendto(datagram, socket.MSG_DONTWAIT, self._address)

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()


def write_status(path: Path, words: str, rows: list[dict[str, object]]) -> None:
    """Replace the status file in one step; ages are seconds at ``at`` (UTC epoch). A full disk does not stop us."""
    new = path.with_name(path.name + ".new")
    text = json.dumps({"version": 1, "at": round(time.time(), 3), "state": words, "children": rows})
    with contextlib.suppress(OSError):
        new.write_text(text + "\n", encoding="utf-8")
        new.replace(path)
