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


def _context(issued: Issued, directory: Path, version: ssl.TLSVersion | None, *, clients: bool) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if version is not None:
        context.minimum_version = context.maximum_version = version
    context.verify_mode = ssl.CERT_REQUIRED if clients else ssl.CERT_NONE
    path = directory / "pair.pem"
    path.write_bytes(issued.pem + issued.key_pem())
    context.load_cert_chain(path)
    return context


@contextlib.contextmanager
def serving(which: Which, *, version: ssl.TLSVersion | None = None, clients: bool = False) -> Iterator[int]:
    """Serves what ``which`` gives at each connection, by one version of TLS alone if it is given: the port.

    With ``clients`` it asks each client for a certificate, and takes none.
    """
    with contextlib.ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))

        def run() -> None:
            with contextlib.suppress(OSError):
                while True:
                    plain, _ = listener.accept()
                    with plain, contextlib.suppress(OSError):
                        plain.settimeout(10)
                        context = _context(which(), directory, version, clients=clients)
                        with context.wrap_socket(plain, server_side=True) as wire:
                            wire.recv(1)

        thread = threading.Thread(target=run)
        thread.start()
        stack.callback(thread.join)
        stack.callback(listener.shutdown, socket.SHUT_RDWR)
        yield int(listener.getsockname()[1])
