"""A TCP relay that is a link: every byte arrives a fixed time after it was sent, and no faster than a rate.

Each direction has one token bucket for all connections, and each connection a queue of pieces with the time at which
they are due. A queue is bounded, as the buffers of a real link are: who sends more is made to wait.
"""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

LARGEST: Final = 256 * 1024
SMALLEST: Final = 1460
SLICE: Final = 0.002  # seconds that one piece may occupy the link for: connections share it in turns this long
BUFFER: Final = 256 * 1024  # bytes in the link's own buffers, beside what is on the way
UNLIMITED: Final = 64 * 1024 * 1024  # bytes on the way of a connection without a rate


class Bucket:
    """The rate of one direction, in bytes a second (None: any); what is asked for is granted in order."""

    def __init__(self, rate: float | None) -> None:
        self.rate = rate
        self._lock = threading.Lock()
        self._free_at = 0.0

    def through(self, size: int, now: float) -> float:
        """When the last of ``size`` bytes, handed over ``now``, has left."""
        if self.rate is None:
            return now
        with self._lock:
            self._free_at = max(now, self._free_at) + size / self.rate
            return self._free_at


class Queue:
    """Pieces on their way, each with the time it is due; bounded in bytes. None is the end."""

    def __init__(self, limit: int) -> None:
        self._limit, self._size, self._closed = limit, 0, False
        self._pieces: deque[tuple[float, bytes | None]] = deque()
        self._change = threading.Condition()

    def put(self, due: float, piece: bytes | None) -> None:
        """Waits while it is full; drops the piece once it is closed."""
        with self._change:
            while self._size >= self._limit and not self._closed:
                self._change.wait()
            self._pieces.append((due, piece))
            self._size += len(piece or b"")
            self._change.notify_all()

    def close(self) -> None:
        """Nobody takes anything out any more."""
        with self._change:
            self._closed = True
            self._change.notify_all()

    def __iter__(self) -> Iterator[bytes]:
        """The pieces, each not before it is due, until the end."""
        while True:
            with self._change:
                while not self._pieces:
                    self._change.wait()
                due, piece = self._pieces.popleft()
            left = due - time.monotonic()
            if left > 0:
                time.sleep(left)
            if piece is None:
                return
            yield piece
            with self._change:
                self._size -= len(piece)
                self._change.notify_all()


class Direction:
    """One way through the link: its delay in seconds, its bucket, and the bytes that came out at the end."""

    def __init__(self, delay: float, rate: float | None) -> None:
        self.delay, self.bucket, self.passed = delay, Bucket(rate), 0
        self._lock = threading.Lock()
        self.piece = LARGEST if rate is None else min(LARGEST, max(SMALLEST, int(rate * SLICE)))
        self._limit = UNLIMITED if rate is None else BUFFER + int(2 * rate * delay)

    def carry(self, source: socket.socket, sink: socket.socket) -> None:
        """Until the source ends, or either breaks: then both are ended."""
        queue = Queue(self._limit)
        writer = threading.Thread(target=self._deliver, args=(queue, source, sink), daemon=True)
        writer.start()
        try:
            while piece := source.recv(self.piece):
                queue.put(self.bucket.through(len(piece), time.monotonic()) + self.delay, piece)
        except OSError:
            pass  # it broke: what is on the way still arrives
        queue.put(time.monotonic() + self.delay, None)
        writer.join()

    def _deliver(self, queue: Queue, source: socket.socket, sink: socket.socket) -> None:
        try:
            for piece in queue:
                sink.sendall(piece)
                with self._lock:
                    self.passed += len(piece)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            queue.close()
            end(source)  # nobody is there to read on: the sender is to notice


class Relay:
    """Listens on a port of 127.0.0.1 for one target. ``delay`` is one way; ``rate`` is each way, in bytes a second.

    ``buffer`` bounds the kernel's own buffers of each connection, for a link whose rate somebody else limits.
    """

    def __init__(
        self, target: tuple[str, int], *, delay: float = 0.0, rate: float | None = None, buffer: int | None = None
    ) -> None:
        self.to_target, self.from_target = Direction(delay, rate), Direction(delay, rate)
        self._target, self._buffer = target, buffer
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Listen no more, and end every connection."""
        self._closed = True
        end(self._listener)
        self._listener.close()
        with self._lock:
            left = list(self._open)
        for sock in left:
            end(sock)

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connection, args=(client,), daemon=True).start()

    def _connection(self, client: socket.socket) -> None:
        with client:
            try:
                node = socket.create_connection(self._target, timeout=10)
            except OSError:
                return
            with node:
                node.settimeout(None)
                with self._lock:
                    self._open |= {client, node}
                for sock in (client, node):
                    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    if self._buffer is not None:
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._buffer)
                        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._buffer)
                back = threading.Thread(target=self.from_target.carry, args=(node, client), daemon=True)
                back.start()
                self.to_target.carry(client, node)
                back.join()
                with self._lock:
                    self._open -= {client, node}


def end(sock: socket.socket) -> None:
    """End both directions, for threads that wait on it too."""
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
