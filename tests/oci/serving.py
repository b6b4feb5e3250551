"""An endpoint behind a listening socket of the loopback, and a client that reads answers byte by byte."""

from __future__ import annotations

import contextlib
import socket
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from deployments.oci.endpoint import Endpoint
from deployments.oci.registry import serve


@dataclass
class Answer:
    status: int
    fields: dict[str, str]
    body: bytes

    def unpacked(self) -> bytes:
        return zlib.decompress(self.body, wbits=31)


class Client:
    """One connection to ``serve``, which runs in a thread."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.socket, theirs = socket.socketpair()
        self.socket.settimeout(10)
        self.file = self.socket.makefile("rb")
        self.thread = threading.Thread(target=serve, args=(theirs, endpoint))
        self.thread.start()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, target: str, method: str = "GET", **fields: str) -> Answer:
        lines = [f"{method} {target} HTTP/1.1", "Host: x"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
        self.send(("\r\n".join(lines) + "\r\n\r\n").encode("latin-1"))
        return self.answer(bodyless=method == "HEAD")

    def answer(self, *, bodyless: bool = False) -> Answer:
        status = int(self.file.readline().split()[1])
        fields = {}
        while line := self.file.readline().strip():
            name, _, value = line.decode().partition(": ")
            fields[name.lower()] = value
        body = b""
        if not bodyless and fields.get("transfer-encoding") == "chunked":
            while size := int(self.file.readline(), 16):
                body += self.file.read(size)
                assert self.file.read(2) == b"\r\n"
            assert self.file.read(2) == b"\r\n"
        elif not bodyless:
            body = self.file.read(int(fields["content-length"]))
        return Answer(status, fields, body)

    def ended(self) -> bool:
        """Whether the other side closed without a further byte."""
        return self.file.read(1) == b""

    def close(self) -> None:
        self.file.close()
        self.socket.close()
        self.thread.join(10)
        assert not self.thread.is_alive()


class Counted:
    """Counts the bytes on the wire, by digest."""

    def __init__(self) -> None:
        self.bytes: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, digest: str, count: int) -> None:
        with self._lock:
            self.bytes[digest] += count


@contextlib.contextmanager
def listening(endpoint: Endpoint) -> Iterator[int]:
    """Serve connections on a port of 127.0.0.1 while the block lasts."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threads.append(threading.Thread(target=serve, args=(connection, endpoint)))
            threads[-1].start()

    accepting = threading.Thread(target=accept)
    accepting.start()
    try:
        yield listener.getsockname()[1]
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(10)
        for thread in threads:
            thread.join(10)
