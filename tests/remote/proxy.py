"""A TCP proxy that can cut at a byte, swallow everything, or be slow."""

from __future__ import annotations

import socket
import threading
import time


class Proxy:
    """Forwards ``port`` to ``target``. All faults apply to connections that exist and to new ones.

    ``cut_after``: bytes towards the client after which both sides are closed. ``black_hole``: read and drop what
    comes, both ways, and answer nothing. ``stalled``: read nothing more from the client, so that its buffers fill.
    ``delay``: seconds that every piece waits.
    """

    def __init__(self, target):
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # so that a stall is felt soon
        self.port = self._listener.getsockname()[1]
        self.cut_after = None
        self.black_hole = threading.Event()
        self.stalled = threading.Event()
        self.delay = 0.0
        self.down = 0
        self._sockets = []
        self._threads = []

    def __enter__(self):
        self._start(self._accept)
        return self

    def __exit__(self, *_):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.stalled.clear()
        self.cut()
        for thread in list(self._threads):
            thread.join(5)

    def cut(self):
        """Close every connection now."""
        for sock in list(self._sockets):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
            sock.close()

    def _start(self, target, *args):
        thread = threading.Thread(target=target, args=args, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._sockets += [client, server]
            self._start(self._pump, client, server, False)
            self._start(self._pump, server, client, True)

    def _pump(self, source, sink, down):
        try:
            while data := source.recv(65536):
                while self.stalled.is_set() and not down:
                    time.sleep(0.02)
                if self.black_hole.is_set():
                    continue
                if self.delay:
                    time.sleep(self.delay)
                if down:
                    if self.cut_after is not None and self.down + len(data) >= self.cut_after:
                        sink.sendall(data[: max(0, self.cut_after - self.down)])
                        self.cut()
                        return
                    self.down += len(data)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass
