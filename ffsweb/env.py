"""What the environment says: every variable that ffsweb reads, with its default, checked.

Each may be given as ``NAME_FILE`` too: the path of a file that holds the value. Nothing else in ffsweb reads the
environment. ``ffsweb.variables`` lists them.
"""

from __future__ import annotations

import hashlib
import ipaddress
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from environ.fileaware_mapping import FileAwareMapping  # type: ignore[import-untyped]

from ffsweb.variables import OF_THE_COMMANDS, OF_THE_TESTS, VARIABLES
from ffsweb.web.measures import rate_from_words

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

PROCESSES: Final = ("web", "worker", "beat", "command", "test")
SOCKET_PATH_LIMIT: Final = 107
"""Longest path of a unix socket in bytes: ``sun_path`` is 108 with its NUL, see unix(7)."""

TOKEN_LEAST: Final = 20
"""Characters of a token that somebody chose."""


class EnvironmentProblem(ValueError):
    """A variable has a value that cannot be used; the text names it and says what would do."""


@dataclass(frozen=True, slots=True)
class Environment:
    """The values in use; limits in bytes, ``bandwidth`` in bytes per second (0: no limit).

    ``valkey`` is the directory of the private server's socket; ``redis_url`` leads there if ``private_valkey``.
    """

    process: str
    production: bool
    debug: bool
    host: str
    port: int
    public_url: str
    hosts: tuple[str, ...]
    trusted_proxies: tuple[str, ...]
    data: Path
    keys: Path
    static: Path
    secret_key: str | None
    database_url: str
    redis_url: str
    private_valkey: bool
    valkey: Path
    email_url: str
    email_from: str
    upload_limit: int
    forms_limit: int
    keep_operations_days: int
    keep_operations: int
    keep_releases: int
    keep_images_days: int
    backup_days: int
    bandwidth: int
    dashboard_addresses: tuple[str, ...]
    webhook_private: tuple[str, ...]
    metrics_token: str
    metrics_addresses: tuple[str, ...]
    log_format: str
    log_level: str
    unknown: tuple[str, ...]


def read(variables: Mapping[str, str], *, base: Path, uid: int, pid: int) -> Environment:
    """The environment of process ``pid`` of user ``uid``; relative paths start at ``base``.

    Reads the files that ``*_FILE`` variables name and nothing else. Raises :class:`EnvironmentProblem`.
    """
    env = FileAwareMapping(env=dict(variables))  # not Env: that one expands a value that starts with $
    process = _choice(env, "FFSWEB_PROCESS", PROCESSES, "test" if "PYTEST_VERSION" in variables else "command")
    # Tests never touch the data of a real installation unless they say which.
    root = Path(tempfile.gettempdir()) / f"ffsweb-test-{uid}-{pid}" if process == "test" else base / "var"
    data, keys = _path(env, "FFSWEB_DATA", base, root / "data"), _path(env, "FFSWEB_KEYS", base, root / "keys")
    valkey = valkey_directory(data, uid)
    production = _choice(env, "FFSWEB_ENVIRONMENT", ("development", "production"), "development") == "production"
    host, port = address(_text(env, "FFSWEB_ADDRESS", "127.0.0.1:8000"))
    public_url = public(_text(env, "FFSWEB_PUBLIC_URL", f"http://{f'[{host}]' if ':' in host else host}:{port}"))
    redis_url = _text(env, "FFSWEB_REDIS_URL", "")
    name = urlsplit(public_url).hostname or host
    return Environment(
        process=process,
        production=production,
        debug=_flag(env, "FFSWEB_DEBUG"),
        host=host,
        port=port,
        public_url=public_url,
        hosts=_hosts(name, host, _list(env, "FFSWEB_HOSTS"), production=production),
        trusted_proxies=_networks(env, "FFSWEB_TRUSTED_PROXIES"),
        data=data,
        keys=keys,
        static=_path(env, "FFSWEB_STATIC", base, base / "static"),
        secret_key=_text(env, "FFSWEB_SECRET_KEY", "") or None,
        database_url=_text(env, "DATABASE_URL", f"sqlite:///{data}/ffsweb.sqlite3"),
        redis_url=redis_url or f"unix://{valkey}/valkey.sock",
        private_valkey=not redis_url,
        valkey=valkey,
        email_url=_text(env, "FFSWEB_EMAIL_URL", "dummymail://" if production else "consolemail://"),
        email_from=_text(env, "FFSWEB_EMAIL_FROM", f"ffsweb@{name}"),
        upload_limit=_gigabytes(env, "FFSWEB_UPLOAD_LIMIT", "20"),
        forms_limit=_gigabytes(env, "FFSWEB_FORMS_LIMIT", "20"),
        keep_operations_days=_number(env, "FFSWEB_KEEP_OPERATIONS_DAYS", 90, least=7),
        keep_operations=_number(env, "FFSWEB_KEEP_OPERATIONS", 200, least=1),
        keep_releases=_number(env, "FFSWEB_KEEP_RELEASES", 20, least=2),
        keep_images_days=_number(env, "FFSWEB_KEEP_IMAGES_DAYS", 30, least=1),
        backup_days=_number(env, "FFSWEB_BACKUP_DAYS", 7, least=1),
        bandwidth=_rate(env, "FFSWEB_BANDWIDTH"),
        dashboard_addresses=_networks(env, "FFSWEB_DASHBOARD_ADDRESSES"),
        webhook_private=_networks(env, "FFSWEB_WEBHOOK_PRIVATE"),
        metrics_token=_token(env, "FFSWEB_METRICS_TOKEN"),
        metrics_addresses=_networks(env, "FFSWEB_METRICS_ADDRESSES"),
        log_format=_choice(env, "FFSWEB_LOG_FORMAT", ("console", "json"), "json" if production else "console"),
        log_level=_choice(env, "FFSWEB_LOG_LEVEL", ("DEBUG", "INFO", "WARNING", "ERROR"), "INFO"),
        unknown=unknown(variables),
    )


def unknown(names: Iterable[str]) -> tuple[str, ...]:
    """The ``FFSWEB_*`` names that mean nothing here, sorted: a misspelt one would silently do nothing."""
    known = {variable.name for variable in VARIABLES} | OF_THE_TESTS | OF_THE_COMMANDS
    return tuple(
        sorted(name for name in names if name.startswith("FFSWEB_") and name.removesuffix("_FILE") not in known)
    )


def address(text: str) -> tuple[str, int]:
    """Host and port of ``HOST:PORT`` or ``[IPv6]:PORT``."""
    host, colon, port = text.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    if not colon or not bare or not port.isdecimal() or not 0 < int(port) < 65536 or (":" in bare and bare == host):
        msg = f"FFSWEB_ADDRESS is {text!r}; write HOST:PORT, for instance 127.0.0.1:8000 or [::1]:8000."
        raise EnvironmentProblem(msg)
    return bare, int(port)


def public(text: str) -> str:
    """The public address without its final slash; it has a scheme, a host and no path."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if not good or parts.path.strip("/") or parts.query or parts.fragment or parts.username:
        msg = f"FFSWEB_PUBLIC_URL is {text!r}; write scheme and host alone, for instance https://ffs.example.org."
        raise EnvironmentProblem(msg)
    return text.rstrip("/")


def celery_url(redis_url: str) -> str:
    """The same server in Celery's spelling: a unix socket is ``redis+socket://`` there."""
    if redis_url.startswith("unix://"):
        path, _, query = redis_url.removeprefix("unix://").partition("?")
        database = query.removeprefix("db=") if query.startswith("db=") else ""
        return f"redis+socket://{path}" + (f"?virtual_host={database}" if database else "")
    return redis_url


def valkey_directory(data: Path, uid: int) -> Path:
    """Where the private Valkey has its socket: below ``data``, or in /tmp if that path is too long for one."""
    directory = data / "run"
    if len(bytes(directory / "valkey.sock")) <= SOCKET_PATH_LIMIT:
        return directory
    return Path("/tmp") / f"ffsweb-{uid}-{hashlib.sha256(bytes(data)).hexdigest()[:16]}"  # noqa: S108 - see valkey.py


def _hosts(public_host: str, host: str, further: tuple[str, ...], *, production: bool) -> tuple[str, ...]:
    local = () if production else ("127.0.0.1", "localhost", "[::1]", host)
    return tuple(dict.fromkeys((public_host, *further, *local, *(("127.0.0.1",) if production else ()))))


def _text(env: FileAwareMapping, name: str, default: str) -> str:
    try:
        return str(env.get(name, default)).strip()
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{name}_FILE names a file that could not be read: {error}"
        raise EnvironmentProblem(msg) from error


def _choice(env: FileAwareMapping, name: str, choices: tuple[str, ...], default: str) -> str:
    value = _text(env, name, default)
    if value not in choices:
        msg = f"{name} is {value!r}; it can be {', '.join(choices)}."
        raise EnvironmentProblem(msg)
    return value


def _flag(env: FileAwareMapping, name: str) -> bool:
    words = {"true": True, "1": True, "yes": True, "on": True, "false": False, "0": False, "no": False, "off": False}
    value = _text(env, name, "false").lower()
    if value not in words:
        msg = f"{name} is {value!r}; it can be true or false."
        raise EnvironmentProblem(msg)
    return words[value]


def _list(env: FileAwareMapping, name: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in _text(env, name, "").split(",") if part.strip())


def _networks(env: FileAwareMapping, name: str) -> tuple[str, ...]:
    parts = _list(env, name)
    for part in parts:
        try:
            ipaddress.ip_network(part)
        except ValueError as error:
            msg = f"{name} holds {part!r}, which is no address and no network: {error}"
            raise EnvironmentProblem(msg) from error
    return parts


def _gigabytes(env: FileAwareMapping, name: str, default: str) -> int:
    value = _text(env, name, default)
    if not value.isdecimal() or not 0 < int(value) <= 1000:
        msg = f"{name} is {value!r}; write a whole number of GB, 1 to 1000."
        raise EnvironmentProblem(msg)
    return int(value) * 10**9


def _number(env: FileAwareMapping, name: str, default: int, *, least: int) -> int:
    value = _text(env, name, str(default))
    if not value.isdecimal() or not least <= int(value) <= 100_000:
        msg = f"{name} is {value!r}; write a whole number, {least} to 100000."
        raise EnvironmentProblem(msg)
    return int(value)


def _rate(env: FileAwareMapping, name: str) -> int:
    value = _text(env, name, "")
    try:
        return rate_from_words(value) if value else 0
    except ValueError as error:
        msg = f"{name} is {value!r}; {error}."
        raise EnvironmentProblem(msg) from error


def _token(env: FileAwareMapping, name: str) -> str:
    value = _text(env, name, "")
    if value and (len(value) < TOKEN_LEAST or not value.isascii() or not value.isprintable() or " " in value):
        msg = f"{name} cannot be used; write at least {TOKEN_LEAST} letters, digits and signs, without blanks."
        raise EnvironmentProblem(msg)
    return value


def _path(env: FileAwareMapping, name: str, base: Path, default: Path) -> Path:
    return base / Path(_text(env, name, str(default))).expanduser()
