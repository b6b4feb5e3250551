"""A process of many viewers: plain sockets, so that it costs little beside the server on the same machine.

Gets the address and the cookies as JSON on standard input, prints a line when all are served, keeps all that comes
with the time at which it came until a second line says when each line of the log was committed, and prints what
:func:`benchmarks.viewers.figures.judge` makes of it.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys
import time
from dataclasses import asdict, dataclass, field

from benchmarks.viewers.figures import Commits, judge
from benchmarks.viewers.wire import Segment

PATIENCE = 120.0
REQUEST = "GET {path} HTTP/1.1\r\nHost: {host}\r\nCookie: {cookie}\r\nAccept: text/event-stream\r\n\r\n"


@dataclass
class Watcher:
    """One connection, and what came on it."""

    connection: socket.socket
    segments: list[Segment] = field(default_factory=list)
    over: bool = False

    @property
    def served(self) -> bool:
        """Whether the stream has begun."""
        return any(b"the log follows" in data for _, data in self.segments)


def main() -> None:
    """See above."""
    told = json.loads(sys.stdin.readline())
    began = time.monotonic()
    with selectors.DefaultSelector() as selector:
        watchers = [_open(told, cookie, selector) for cookie in told["cookies"]]
        waiting = set(range(len(watchers)))
        while waiting and time.monotonic() < began + PATIENCE:
            _receive(selector)
            waiting = {place for place in waiting if not watchers[place].served and not watchers[place].over}
        served = sum(watcher.served for watcher in watchers)
        print(json.dumps({"served": served, "seconds": time.monotonic() - began}), flush=True)
        selector.register(sys.stdin, selectors.EVENT_READ)
        while not _receive(selector):
            pass
        commits = Commits(**json.loads(sys.stdin.readline()))
        until = time.monotonic() + PATIENCE
        while not all(watcher.over for watcher in watchers) and time.monotonic() < until:
            _receive(selector)
            if all(b"event: done" in b"".join(data for _, data in each.segments[-3:]) for each in watchers):
                break
    print(json.dumps(asdict(judge([watcher.segments for watcher in watchers], commits))))


def _open(told: dict[str, str], cookie: str, selector: selectors.BaseSelector) -> Watcher:
    host, port = told["host"], int(told["port"])
    connection = socket.create_connection((host, port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(REQUEST.format(path=told["path"], host=f"{host}:{port}", cookie=cookie).encode())
    connection.settimeout(0.0)
    watcher = Watcher(connection)
    selector.register(connection, selectors.EVENT_READ, watcher)
    return watcher


def _receive(selector: selectors.BaseSelector) -> bool:
    """Take what came within a second; whether standard input has something."""
    spoken_to = False
    for key, _ in selector.select(1.0):
        watcher = key.data
        if watcher is None:
            spoken_to = True
            selector.unregister(key.fileobj)
            continue
        try:
            data = watcher.connection.recv(1 << 18)
        except BlockingIOError:
            continue
        except OSError:
            data = b""
        watcher.segments.append((time.monotonic(), data))
        if not data:
            watcher.over = True
            selector.unregister(watcher.connection)
    return spoken_to


if __name__ == "__main__":
    main()
