"""What the supervisor tells: log lines to people, states to systemd, a status file to ``ffs-node facts``."""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import stat
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

Say = Callable[[str, str], None]  # name of the child ("" for the supervisor itself), what happened
HELD = 200  # lines kept while nobody reads what we write
LONGEST = 1000  # characters of a status, or of an event
NAME = 100  # characters of a child's name
LARGEST = 65536  # bytes of a status file that are read


class Speaker:
    """Writes life-cycle events to standard error, one line each; ``form`` is ``text`` or ``json``.

    It never waits for a reader that does not read: lines are kept, the oldest are lost, and how many is said.
    """

    def __init__(self, form: str = "text") -> None:
        self._form, self._held, self._lost = form, deque[bytes](), 0
        self._poll = select.poll()
        self._poll.register(2, select.POLLOUT)

    def __call__(self, name: str, text: str) -> None:
        self._held.append(line_of(self._form, time.time(), name, text))
        if len(self._held) > HELD:
            self._held.popleft()
            self._lost += 1
        self.flush(0.02)

    @property
    def holds(self) -> bool:
        """Whether there are lines that nobody has taken yet."""
        return bool(self._held)

    def flush(self, seconds: float = 0.0) -> None:
        """Write what is held as far as it is taken; waits so long at most, in seconds."""
        while self._held and self._poll.poll(seconds * 1000):
            if self._lost:
                line = line_of(self._form, time.time(), "", f"{self._lost} lines were not taken in time")
                self._lost = 0
            else:
                line = self._held.popleft()
            with contextlib.suppress(OSError):  # a reader that went away is no reason to stop
                os.write(2, line)


def line_of(form: str, at: float, name: str, text: str) -> bytes:
    """One event as one line of text or as one object in JSON, cut to what a pipe takes whole or not at all."""
    text = text[:LONGEST]
    while True:
        line = f"supervisor: {name[:NAME] + ': ' if name else ''}{text}".replace("\n", " ")
        if form == "json":
            event = {"at": round(at, 3), "child": name[:NAME] or None, "event": text}
            line = json.dumps(event, ensure_ascii=False)
        data = (line + "\n").encode(errors="replace")
        if len(data) <= select.PIPE_BUF:
            return data
        text = text[: len(text) * 3 // 4]


def speaker(form: str = "text") -> Speaker:
    """The usual :data:`Say`."""
    return Speaker(form)


class Notifier:
    """sd_notify(3) without systemd's library: one state per datagram, because conmon relays no more than that.

    ``address`` is NOTIFY_SOCKET (a path, or ``@`` and an abstract name), or None for nobody to tell.
    """

    def __init__(self, address: str | None, watchdog_usec: str | None = None) -> None:
        asked = int(watchdog_usec) / 1e6 if watchdog_usec and watchdog_usec.isdecimal() else 0.0
        self.watchdog = asked or None
        self._address = "\0" + address[1:] if address and address.startswith("@") else address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) if address else None
        self._told: dict[str, str] = {}

    def send(self, key: str, value: str, *, again: bool = False) -> None:
        """Tell systemd what it was not told yet, or anew. What it could not take is told the next time."""
        if self._socket is None or self._address is None or (not again and self._told.get(key) == value):
            return
        datagram = f"{key}={value[:LONGEST]}".replace("\n", " ").encode(errors="replace")
        with contextlib.suppress(OSError):
            self._socket.sendto(datagram, socket.MSG_DONTWAIT, self._address)
            self._told[key] = value

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()


class StatusFile:
    """The file that ``ffs-node facts`` reads: always whole, at most a few KiB, ages as of ``at`` (UTC epoch).

    ``before`` in it is the last word of the run before this one: a container that gave up still says why.
    A full disk does not stop us.
    """

    def __init__(self, path: Path) -> None:
        self._path, self._new = path, path.with_name(path.name + ".new")
        self._before = _last_word(path)

    def write(self, words: str, rows: list[dict[str, object]]) -> None:
        """Replace it in one step."""
        text = json.dumps(
            {
                "version": 1,
                "at": round(time.time(), 3),
                "state": words[:LONGEST],
                "children": rows,
                "before": self._before,
            }
        )
        with contextlib.suppress(OSError):
            # The program may write here too: a link or a pipe of that name is not written to.
            self._new.unlink(missing_ok=True)
            handle = os.open(self._new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text + "\n")
            self._new.replace(self._path)


def _last_word(path: Path) -> dict[str, object] | None:
    """What an earlier run left; None if that cannot be read as such."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
        with os.fdopen(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                return None
            old = json.loads(stream.read(LARGEST))
        rows = [row for row in old["children"] if isinstance(row, dict)]
        restarts = min(10**9, sum(int(row["restarts"]) for row in rows))
        reasons = [row["reason"] for row in rows if isinstance(row.get("reason"), str)]
        at, state = min(10**12, int(old["at"])), str(old["state"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
    return {"at": at, "state": state[:LONGEST], "restarts": restarts, "reason": "; ".join(reasons)[:300] or None}
