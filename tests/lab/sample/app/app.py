"""The sample application: HTTPS on 8443 with the certificate it is given, plain HTTP on 8080 without one.

GET  /            version, mode, number of requests counted so far (kept in its data directory)
GET  /healthz     ok
GET  /settings    names of settings with a SHA-256 of each value, never the value; ?name=A&name=B asks for
some
GET  /files/NAME  a file of the project
POST /do/hang     no answer and no heartbeat from now on
POST /do/crash    exit with status 3

Environment: SAMPLE_MODE (see mode.py), SAMPLE_TLS (keep: the first pair is served for ever), FFS_TLS_KEY (file with the key), FFS_TLS_CERT (file with the chain),
FFS_HEARTBEAT_FD, SAMPLE_ROOT (default /ffs), SAMPLE_PORT. Standard library only, Python 3.9 or later.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import ssl
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "vendor"))

from heartbeat import beat  # type: ignore[import-not-found]  # noqa: E402 - in the image's layer of dependencies
from mode import Mode, misbehave  # type: ignore[import-not-found]  # noqa: E402

ROOT = Path(os.environ.get("SAMPLE_ROOT", "/ffs"))


def version() -> str:
    """What the image was built as."""
    try:
        return (HERE / "VERSION").read_text().strip()
    except FileNotFoundError:
        return "unbuilt"


class Sample(ThreadingHTTPServer):
    """The server and what it knows of itself."""

    daemon_threads = True

    def __init__(self, port: int, mode: Mode, tls: ssl.SSLContext | None) -> None:
        super().__init__(("0.0.0.0", port), Answers)
        self.mode, self.tls, self.started = mode, tls, time.time()
        self.hung = threading.Event()
        self.counting = threading.Lock()
        self.counted = 0
        if tls:
            # The handshake is left to each connection's own thread: one slow client must not hold up the
            # others.
            self.socket = tls.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)

    def count(self) -> int:
        """Count a request, in the data directory if it can be written, else in memory."""
        file = ROOT / "data" / "requests"
        with self.counting:
            with contextlib.suppress(OSError, ValueError):
                self.counted = max(self.counted, int(file.read_text()))
            self.counted += 1
            with contextlib.suppress(OSError):
                unfinished = file.with_suffix(".new")
                unfinished.write_text(f"{self.counted}\n")
                unfinished.replace(file)
            return self.counted

    def handle_error(self, request: object, client_address: object) -> None:
        print(f"{client_address}: {sys.exc_info()[1]!r}", file=sys.stderr)


class Answers(BaseHTTPRequestHandler):
    """One connection."""

    server: Sample
    protocol_version = "HTTP/1.1"
    server_version = "ffs-sample"
    timeout = 30

    def do_GET(self) -> None:
        self.wait_while_hung()
        url = urlsplit(self.path)
        if url.path == "/":
            self.answer(self.about())
        elif url.path == "/healthz":
            self.answer({"ok": True})
        elif url.path == "/settings":
            self.answer(settings(parse_qs(url.query).get("name")))
        elif url.path.startswith("/files/"):
            self.file(unquote(url.path[len("/files/") :]))
        else:
            self.answer({"error": "not found"}, 404)

    def do_POST(self) -> None:
        self.wait_while_hung()
        if self.path == "/do/hang":
            self.server.hung.set()  # first: whoever has the answer must find it hanging
            self.answer({"hanging": True}, 202)
        elif self.path == "/do/crash":
            self.answer({"crashing": True}, 202)
            os._exit(3)
        else:
            self.answer({"error": "not found"}, 404)

    def wait_while_hung(self) -> None:
        while self.server.hung.is_set():
            time.sleep(3600)

    def about(self) -> dict[str, object]:
        server = self.server
        return {
            "version": version(),
            "mode": server.mode.text,
            "tls": server.tls is not None,
            "pid": os.getpid(),
            "started": server.started,
            "requests": server.count(),
        }

    def file(self, name: str) -> None:
        place = (ROOT / "files" / name).resolve()
        if (ROOT / "files").resolve() not in place.parents or not place.is_file():
            self.answer({"error": "not found"}, 404)
            return
        self.send(place.read_bytes(), "application/octet-stream", 200)

    def answer(self, data: object, status: int = 200) -> None:
        self.send(json.dumps(data).encode() + b"\n", "application/json", status)

    def send(self, body: bytes, kind: str, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        print(f"{self.client_address[0]} {format % args}", flush=True)


def settings(names: list[str] | None) -> dict[str, object]:
    """Whether settings are set, proven by a hash of their values; all that there are if none is named."""
    chosen = names if names is not None else sorted(os.environ)
    return {
        name: {
            "set": name in os.environ,
            "sha256": hashlib.sha256(os.environb.get(os.fsencode(name), b"")).hexdigest(),
        }
        for name in chosen
    }


def tls_context() -> ssl.SSLContext | None:
    """The server's TLS, or None without a key; a key that cannot be used raises ``OSError`` (``ssl.SSLError``
    is one)."""
    key = os.environ.get("FFS_TLS_KEY")
    if not key:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    certificate = os.environ.get("FFS_TLS_CERT") or str(ROOT / "certs" / "server.crt")
    if os.environ.get("SAMPLE_TLS") == "keep":
        certificate = key = kept(certificate, key)
    context.load_cert_chain(certificate, key)
    return context


def kept(certificate: str, key: str) -> str:
    """A copy of the first pair that there was: so serves an application that takes no notice of a new one."""
    file = ROOT / "data" / "kept.pem"
    if not file.exists():
        file.write_text(Path(certificate).read_text() + Path(key).read_text())
    return str(file)


def main() -> int:
    mode = Mode.parse(os.environ.get("SAMPLE_MODE", "ok"))
    print(f"ffs-sample {version()}, mode {mode.text}", flush=True)
    if mode.crash_at_start:
        print("crashing at start, as told", file=sys.stderr)
        return 1
    # Set before anything else listens: process 1 of a container ignores what it has no handler for.
    signal.signal(signal.SIGTERM, signal.SIG_IGN if mode.ignore_term else lambda *_: os._exit(0))
    try:
        tls = tls_context()
    except OSError as error:
        print(f"the certificate or its key cannot be used: {error}", file=sys.stderr)
        return 2
    port = int(os.environ.get("SAMPLE_PORT") or (8443 if tls else 8080))
    server = Sample(port, mode, tls)
    if not mode.never_ready:
        beat(lambda: not server.hung.is_set())
    misbehave(mode, server.hung)
    print(f"listening on {server.server_address[1]}, {'https' if tls else 'http'}", flush=True)
    server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
