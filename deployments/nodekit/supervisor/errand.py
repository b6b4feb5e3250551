"""The short-lived process that asks where a name must be looked up or TLS spoken."""

from __future__ import annotations

import contextlib
import os
import signal
import socket

from deployments.nodekit.supervisor.probe import question, verdict
from deployments.nodekit.supervisor.spec import Probe


def run_errand(probe: Probe, timeout: float, saying: int) -> None:
    """Ask, write what is wrong to ``saying``, and exit: 0 if healthy, else 1. Only after fork(2); never returns."""
    words = "the probe failed"
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        os.setsid()
        words = visit(probe, timeout)
    except OSError as error:
        words = error.strerror or str(error) or type(error).__name__
    except Exception as error:  # noqa: BLE001 - nobody else can tell of it
        words = f"{type(error).__name__}: {error}"
    finally:
        with contextlib.suppress(OSError):
            os.write(saying, words.replace("\n", " ").encode(errors="replace")[:300])
        os._exit(1 if words else 0)


def visit(probe: Probe, timeout: float) -> str:
    """Ask and wait, ``timeout`` seconds each time: what is wrong with the answer, or "". Raises ``OSError``."""
    with socket.create_connection((probe.host, probe.port), timeout) as plain:
        if probe.kind == "tcp":
            return ""
        stream: socket.socket = plain
        if probe.kind == "https":
            import ssl

            # Whether it lives is asked, not who it is: a probe of 127.0.0.1 never fits the certificate.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            stream = context.wrap_socket(plain, server_hostname=probe.host)
        with stream:
            stream.sendall(question(probe))
            answer = b""
            while len(answer) < 65536:
                try:
                    data = stream.recv(16384)
                except OSError:
                    break
                if not data:
                    break
                answer += data
            return verdict(probe, answer)
