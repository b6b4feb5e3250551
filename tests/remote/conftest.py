"""A real sshd on a high loopback port, a proxy that misbehaves on request, and sessions through them."""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from ffsweb.remote import Endpoint, Identity, connect
from ffsweb.remote import keys as ssh_keys
from tests.remote.proxy import Proxy

SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


@dataclass
class Sshd:
    """A running server; ``options`` were added to its settings."""

    directory: Path
    port: int
    process: subprocess.Popen
    user: str
    host_key: str

    def endpoint(self, **changes) -> Endpoint:
        values = {"host": "127.0.0.1", "port": self.port, "user": self.user, "host_keys": (self.host_key,)}
        return Endpoint(**{**values, **changes})

    def log(self) -> str:
        return (self.directory / "log").read_text(errors="replace")

    def children(self) -> set[int]:
        """Every process below the server."""
        found, todo = set(), [self.process.pid]
        while todo:
            pid = todo.pop()
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    new = {int(child) for child in task.read_text().split()}
                except OSError:
                    continue
                found |= new
                todo += new
        return found


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def start_sshd(directory: Path, identity_line: str, *, key_type: str = "ed25519", options: str = "") -> Sshd:
    if SSHD is None:
        pytest.skip("no sshd on this machine (install openssh-server)")
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # its privilege separation directory
    host_key = directory / "host_key"
    subprocess.run(["ssh-keygen", "-q", "-t", key_type, "-N", "", "-f", host_key], check=True)
    (directory / "authorized_keys").write_text(f"restrict,port-forwarding {identity_line}\n")
    home = directory / "home"  # without the start-up files of whoever runs the tests
    home.mkdir()
    for _ in range(5):
        port = free_port()
        (directory / "sshd_config").write_text(
            f"{options}\n"  # of two values sshd takes the first
            f"Port {port}\nListenAddress 127.0.0.1\nHostKey {host_key}\n"
            f"AuthorizedKeysFile {directory}/authorized_keys\nPidFile none\n"
            "UsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
            f"SetEnv HOME={home}\nPermitRootLogin yes\nMaxStartups 100\nLogLevel VERBOSE\n"
        )
        with (directory / "log").open("wb") as log:
            process = subprocess.Popen(
                [SSHD, "-D", "-e", "-f", directory / "sshd_config"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        if answers(port, process):
            break
        process.wait()
    else:
        pytest.fail(f"sshd did not start: {(directory / 'log').read_text()}")
    public = (directory / "host_key.pub").read_text()
    return Sshd(directory, port, process, getpass.getuser(), public)


def answers(port: int, process: subprocess.Popen) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), 1) as sock:
                return sock.recv(4) == b"SSH-"
        except OSError:
            time.sleep(0.02)
    return False


def kill(pids) -> None:
    """SIGKILL to all; some end by themselves when others do."""
    for pid in pids:
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            pass


def stop_sshd(sshd: Sshd) -> None:
    below = sshd.children()  # sessions outlive the listener
    sshd.process.terminate()
    sshd.process.wait(10)
    kill(below)


@pytest.fixture(scope="session")
def key_pair():
    return ssh_keys.generate("tests")


@pytest.fixture(scope="session")
def identity(key_pair) -> Identity:
    return Identity(key_pair[0])


@pytest.fixture(scope="session")
def sshd(tmp_path_factory, key_pair):
    server = start_sshd(tmp_path_factory.mktemp("sshd"), key_pair[1])
    yield server
    stop_sshd(server)


@pytest.fixture
def another_sshd(tmp_path, key_pair):
    """Call it with options of ``start_sshd`` for a server of one's own."""
    started = []

    def start(**options) -> Sshd:
        directory = tmp_path / f"sshd{len(started)}"
        directory.mkdir()
        started.append(start_sshd(directory, key_pair[1], **options))
        return started[-1]

    yield start
    for server in started:
        stop_sshd(server)


@pytest.fixture
def session(sshd, identity):
    with connect(sshd.endpoint(), identity) as session:
        yield session


@pytest.fixture
def proxy(sshd):
    with Proxy(("127.0.0.1", sshd.port)) as proxy:
        yield proxy


@pytest.fixture
def listener():
    """A port that is listened on: call it with what is to be done with each connection."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen()
        threads, kept = [], []

        def serve(handle) -> int:
            def loop():
                while True:
                    try:
                        connection, _ = sock.accept()
                    except OSError:
                        return
                    kept.append(connection)
                    try:
                        handle(connection)
                    except OSError:
                        pass

            threads.append(threading.Thread(target=loop, daemon=True))
            threads[-1].start()
            return sock.getsockname()[1]

        yield serve
        sock.shutdown(socket.SHUT_RDWR)
        for connection in kept:
            connection.close()
        for thread in threads:
            thread.join(5)


@pytest.fixture
def never():
    """A stdin that gives nothing and ends with the test, so that ``cat`` hangs but outlives nothing."""
    over = threading.Event()

    def source():
        over.wait(60)
        yield from ()

    yield source
    over.set()
