"""``python -m tests.support.postgres COMMAND …``: runs a command with DATABASE_URL of a PostgreSQL of its own.

The cluster is private, on loopback, and gone at the end. PostgreSQL does not run as root, so root runs it as
``postgres`` or ``nobody``. Without PostgreSQL nothing is run; where FFSWEB_TEST_REQUIRE names it, that is a failure.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.requirements import required

if TYPE_CHECKING:
    from collections.abc import Iterator


class NotHere(Exception):
    """PostgreSQL cannot be run on this machine; the text says why."""


def main(command: list[str]) -> int:
    """The command's exit code."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))  # the cluster ends with us, not after us
    try:
        with cluster() as url:
            return subprocess.run(command, env={**os.environ, "DATABASE_URL": url}, check=False).returncode
    except NotHere as reason:
        demanded = "postgres" in required()
        sys.stderr.write(f"{'FAILED' if demanded else 'SKIPPED'}: tests on PostgreSQL: {reason}\n")
        return int(demanded)


@contextmanager
def cluster() -> Iterator[str]:
    """A running server; yields its DATABASE_URL. Raises :class:`NotHere`."""
    with server() as running:
        yield running.url


class Server:
    """A server that can be stopped and started again. ``url``: its DATABASE_URL.

    With ``durable`` what was committed outlives :meth:`stop`, as it should.
    """

    def __init__(self, directory: Path, programs: Path, user: str, password: str, *, durable: bool) -> None:
        self._directory, self._control, self._user = directory, str(programs / "pg_ctl"), user
        self._commit = "on" if durable else "off"
        self._port = _free_port()
        self.url = f"postgres://ffsweb:{password}@127.0.0.1:{self._port}/postgres"

    def start(self) -> None:
        """Returns when it takes connections."""
        settings = (
            f"-c port={self._port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self._directory} "
            f"-c fsync=off -c full_page_writes=off -c synchronous_commit={self._commit} -c max_connections=200"
        )
        self._run("-l", f"{self._directory}/log", "-w", "-o", settings, "start")

    def stop(self) -> None:
        """As a power cut: every connection is gone at once."""
        self._run("-m", "immediate", "-w", "stop")

    def _run(self, *words: str) -> None:
        _as(self._user, self._control, "-D", str(self._directory / "data"), *words)


@contextmanager
def server(*, durable: bool = False) -> Iterator[Server]:
    """A running server, gone at the end. Raises :class:`NotHere`."""
    programs = _programs()
    user = _user()
    directory = Path(tempfile.mkdtemp(prefix="ffsweb-postgres-"))
    made = None
    try:
        password = secrets.token_urlsafe(24)
        (directory / "password").write_text(password)
        if user:
            for path in (directory, directory / "password"):
                shutil.chown(path, user)
        _as(
            user,
            *(str(programs / "initdb"), "-D", str(directory / "data"), "-U", "ffsweb", "-E", "UTF8", "--locale=C"),
            *("--no-sync", "--auth=scram-sha-256", f"--pwfile={directory}/password"),
        )
        made = Server(directory, programs, user, password, durable=durable)
        made.start()
        yield made
    finally:
        if made and (directory / "data" / "postmaster.pid").exists():
            made.stop()
        shutil.rmtree(directory, ignore_errors=True)


def _programs() -> Path:
    """The directory with initdb and pg_ctl; Debian keeps them off PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = sorted(
        Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4].split(".")[0])
    )
    if not versions:
        raise NotHere("there is no initdb (Debian: apt install postgresql)")
    return versions[-1].parent


def _user() -> str:
    """The user to run it as; empty for the present one."""
    if os.geteuid() != 0:
        return ""
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise NotHere("this is root, and there is neither a user postgres nor nobody to run it as")


def _as(user: str, *command: str) -> None:
    prefix = ()
    if user:
        account = pwd.getpwnam(user)
        prefix = ("setpriv", f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups", "--")
    with tempfile.TemporaryFile("w+") as output:  # no pipe: the server would keep it open, and us waiting
        done = subprocess.run(
            (*prefix, *command), cwd="/", stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        )
        if done.returncode:
            output.seek(0)
            raise NotHere(f"{Path(command[0]).name} failed: {output.read().strip()[-2000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
