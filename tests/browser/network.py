"""A network between a browser and the dashboard that can go away, connections and all."""

from __future__ import annotations

import contextlib
import socket
import threading


class Network:
    """Relays TCP from ``address`` to the dashboard's port on the loopback, while it is up."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._up = True
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._ended: set[socket.socket] = set()
        self.address = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, name="network", daemon=True).start()

    def down(self) -> None:
        """Cut every connection, and take no other."""
        with self._lock:
            self._up = False
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)  # its two relays end, and close it

    def up(self) -> None:
        """Take connections again."""
        self._up = True

    def close(self) -> None:
        self.down()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._connect(near)

    def _connect(self, near: socket.socket) -> None:
        with self._lock:
            if not self._up:
                near.close()
                return
            try:
                far = socket.create_connection(("127.0.0.1", self._port), timeout=10)
            except OSError:
                near.close()
                return
            far.settimeout(None)
            self._open |= {near, far}
        for source, sink in ((near, far), (far, near)):
            threading.Thread(target=self._relay, args=(source, sink), name="network-relay", daemon=True).start()

    def _relay(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        with self._lock:  # the second of the two directions to end closes both
            if source in self._ended:
                source.close()
                sink.close()
                self._open -= {source, sink}
                self._ended.discard(source)
            else:
                self._ended.add(sink)
