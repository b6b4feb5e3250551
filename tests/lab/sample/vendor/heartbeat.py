"""How the sample says that it lives. In a layer of its own, as an application's dependencies are."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Callable


def notify(text: str) -> bool:
    """Tell systemd something, e.g. ``READY=1`` (sd_notify(3)); False if nobody listens."""
    address = os.environ.get("NOTIFY_SOCKET")
    if not address:
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.sendto(text.encode(), address)
    return True


def beat(alive: Callable[[], bool], seconds: float = 1.0) -> threading.Thread:
    """Start a thread that gives a sign of life every ``seconds`` for as long as ``alive()`` says so.

    To a supervisor: ``H`` on the descriptor FFS_HEARTBEAT_FD. Without one, to systemd itself: READY once,
    then WATCHDOG.
    """
    descriptor = os.environ.get("FFS_HEARTBEAT_FD")

    def run() -> None:
        first = True
        pause = threading.Event()
        while True:
            if alive():
                with contextlib.suppress(OSError):  # a listener that went away is no reason to stop serving
                    if descriptor:
                        os.write(int(descriptor), b"H")
                    else:
                        notify("READY=1" if first else "WATCHDOG=1")
                first = False
            pause.wait(seconds)

    thread = threading.Thread(target=run, name="heartbeat", daemon=True)
    thread.start()
    return thread
