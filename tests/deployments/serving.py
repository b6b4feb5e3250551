"""A server on loopback that shakes hands by TLS with whatever certificate it is given at the moment."""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.certificates.material import Issued

Which = Callable[[], Issued]


def _context(issued: Issued, directory: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    path = directory / "pair.pem"
    path.write_bytes(issued.pem + issued.key_pem())
    context.load_cert_chain(path)
    return context


@contextlib.contextmanager
def serving(which: Which) -> Iterator[int]:
    """Serves what ``which`` gives at each connection: the port."""
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    plain, _ = listener.accept()
                    with plain, contextlib.suppress(OSError):
                        plain.settimeout(10)
                        with _context(which(), directory).wrap_socket(plain, server_side=True) as wire:
                            wire.recv(1)

        thread = threading.Thread(target=run)
        thread.start()
        stack.callback(thread.join)
        stack.callback(listener.shutdown, socket.SHUT_RDWR)
        yield int(listener.getsockname()[1])
