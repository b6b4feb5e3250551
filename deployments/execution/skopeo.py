"""skopeo as a child process: no secret in arguments or files, all it writes in one place, ended with the work."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from deployments.oci.documents import DOCUMENT_LIMIT
from deployments.oci.pulling import cause_of
from ffsweb.sealed import Secret

POLL = 0.2
"""Seconds between two looks at it."""
SILENCE = 180.0
"""Seconds for which nothing may come."""
GRACE = 5.0
"""Seconds between asking it to end and ending it."""
WORDS = 16 * 1024
"""Bytes of what it says last that are read."""
_POLICY = Path("/etc/containers/policy.json")
_PASSED = ("PATH", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")
_TRUST = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_WITH_US = (sys.executable, "-m", "deployments.execution.bound_child")
"""Runs a program that ends with this process, however that ends, and leaves the other work its time."""


class PullFailed(Exception):
    """The text says what happened and what to do."""


@dataclass(frozen=True, slots=True)
class Login:
    """How to come to a registry."""

    host: str
    username: str = ""
    password: Secret | None = None
    plain_http: bool = False


class Skopeo:
    """Calls of skopeo for one registry. Make it with ``opened``."""

    def __init__(self, login: Login, place: Path) -> None:
        self._login, self._place = login, place
        self._home = place / "home"
        self._home.mkdir(mode=0o700, exist_ok=True)
        self._auth = -1
        if login.password is not None:
            pair = f"{login.username}:{login.password.reveal_text()}".encode()
            auths = {"auths": {login.host: {"auth": base64.b64encode(pair).decode()}}}
            self._auth = _in_memory(json.dumps(auths).encode())

    def close(self) -> None:
        """Forget the log-in."""
        if self._auth >= 0:
            os.close(self._auth)
            self._auth = -1

    def manifest(self, name: str, look: Callable[[], None]) -> bytes:
        """The manifest or index of that name, as the registry has it. Raises PullFailed, and what ``look`` raises."""
        with tempfile.TemporaryFile(dir=self._place) as out:

            def watched() -> int:
                size = os.fstat(out.fileno()).st_size
                if size > DOCUMENT_LIMIT:
                    raise PullFailed(f"The registry {self._login.host} sent a manifest of more than 4 MiB.")
                look()
                return size

            self._run(["inspect", "--raw", *self._options(""), f"docker://{name}"], out, watched)
            out.seek(0)
            return out.read(DOCUMENT_LIMIT + 1)

    def copy(self, name: str, directory: str, look: Callable[[int], None]) -> None:
        """Fetch one image into ``directory`` (below the place), as it is. ``look`` gets the bytes so far."""
        target = self._place / directory

        def watched() -> int:
            size = size_below(target)
            look(size)
            return size

        argv = ["copy", "--quiet", *self._options("src-"), f"docker://{name}", f"dir:{directory}"]
        with tempfile.TemporaryFile(dir=self._place) as out:
            self._run(argv, out, watched)

    def _options(self, prefix: str) -> list[str]:
        auth = ["--authfile", f"/proc/self/fd/{self._auth}"] if self._auth >= 0 else [f"--{prefix}no-creds"]
        return [*auth, *([f"--{prefix}tls-verify=false"] if self._login.plain_http else [])]

    def _run(self, words: list[str], out: IO[bytes], look: Callable[[], int]) -> None:
        program = shutil.which("skopeo")
        if program is None:
            raise PullFailed("skopeo is not installed on the dashboard's machine. Install the package skopeo there.")
        policy = [] if _POLICY.exists() else ["--insecure-policy"]
        argv = [*_WITH_US, str(os.getpid()), program, *policy, *words]
        with tempfile.TemporaryFile(dir=self._place) as said:
            child = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=said,
                cwd=self._place,
                env=self._environment(),
                start_new_session=True,
                pass_fds=(self._auth,) if self._auth >= 0 else (),
            )
            try:
                _wait(child, look, self._login.host)
            finally:
                _end(child)
            if child.returncode:
                said.seek(max(0, said.seek(0, os.SEEK_END) - WORDS))
                raise PullFailed(cause_of(said.read(WORDS).decode(errors="replace"), self._login.host))

    def _environment(self) -> dict[str, str]:
        passed = {name: os.environ[name] for name in (*_PASSED, *_TRUST) if name in os.environ}
        own = str(self._home)
        return passed | {
            "HOME": own,
            "XDG_RUNTIME_DIR": own,
            "TMPDIR": str(self._place),
        }


@contextmanager
def opened(login: Login, place: Path) -> Iterator[Skopeo]:
    """skopeo that writes below ``place``, its home too. The log-in is in memory and in no file, so that a killed
    worker leaves nothing of it."""
    skopeo = Skopeo(login, place)
    try:
        yield skopeo
    finally:
        skopeo.close()


def _in_memory(data: bytes) -> int:
    """A descriptor of a file that has no name (memfd_create(2)); a child that inherits it opens it by its number."""
    descriptor = os.memfd_create("log-in", os.MFD_CLOEXEC)
    os.fchmod(descriptor, 0o600)
    os.write(descriptor, data)
    return descriptor


def size_below(directory: Path) -> int:
    """Bytes of the files in a directory while somebody writes there; 0 if there is none."""
    size = 0
    try:
        with os.scandir(directory) as entries:
            for entry in entries:
                try:
                    size += entry.stat(follow_symlinks=False).st_size
                except FileNotFoundError:
                    continue
    except FileNotFoundError:
        return 0
    return size


def _wait(child: subprocess.Popen[bytes], look: Callable[[], int], host: str) -> None:
    last, since = -1, time.monotonic()
    while True:
        try:
            child.wait(POLL)
        except subprocess.TimeoutExpired:
            pass
        now = look()
        if child.returncode is not None:
            return
        if now != last:
            last, since = now, time.monotonic()
        elif time.monotonic() - since > SILENCE:
            raise PullFailed(f"The registry {host} sent nothing for {SILENCE:.0f} seconds. Try again later.")


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the whole process group, if it has not ended."""
    for number, seconds in ((signal.SIGTERM, GRACE), (signal.SIGKILL, None)):
        if child.poll() is not None:
            return
        os.killpg(child.pid, number)
        try:
            child.wait(seconds)
        except subprocess.TimeoutExpired:
            continue
