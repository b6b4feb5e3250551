"""``ffs prepare``: directories and keys, then the checks that every start goes through."""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ffsweb import checks
from ffsweb.runtime.loading import environment, load_django, refuse, tell
from ffsweb.runtime.valkey import binary, missing, server_socket

if TYPE_CHECKING:
    from ffsweb.env import Environment

RINGS = ("web", "worker")


def run(arguments: list[str]) -> int:
    """Make what is missing and check what is there.

    With ``--start``: also whether the database is up to date; and what the supervisor must know is written to
    standard output, a line of JSON: ``data``, and ``valkey``, the socket of the private server, or null.
    """
    if arguments not in ([], ["--start"]):
        refuse("ffs prepare takes no arguments.")
    values = environment()
    prepare(values)
    if arguments:
        if values.private_valkey and binary() is None:
            refuse(missing())
        load_django("command")
        _ready_to_serve(values)
        where = str(server_socket(values.valkey)) if values.private_valkey else None
        sys.stdout.write(json.dumps({"data": str(values.data), "valkey": where}) + "\n")
    return 0


def prepare(values: Environment) -> None:
    """Make directories and keys that are missing; end the process if this installation must not be started."""
    os.umask(0o077)
    for name in values.unknown:
        tell(f"{name} is set, but there is no such setting. Is it misspelt? See docs/settings.md.")
    try:
        for directory in (values.data, values.data / "incoming", values.keys):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        refuse_if_unsafe(values, keys_made=False)  # before keys are put into a place that others can read
        if values.secret_key is None:
            _make_secret_key(values.keys / "secret_key")
        _make_rings(values.keys)
    except OSError as error:
        refuse(f"{error.filename or values.data} could not be prepared: {error.strerror}. Nothing was started.")
    refuse_if_unsafe(values, keys_made=True)


def load_safely(process: str) -> Environment:
    """Set this process up as one that serves (web, worker, beat), after the checks that every start goes through."""
    values = environment()
    refuse_if_unsafe(values, keys_made=True)
    load_django(process)
    return values


def refuse_if_unsafe(values: Environment, *, keys_made: bool) -> None:
    """End the process with one line for each thing that is wrong."""
    found = checks.problems(gathered(values, keys_made=keys_made))
    if found:
        refuse(*found, "Nothing was started.")


def gathered(values: Environment, *, keys_made: bool = True) -> checks.Facts:
    """What the checks look at. ``keys_made`` False: a secret key that is still to be made is no problem."""
    kept = values.keys / "secret_key"
    made = kept.read_text(encoding="ascii").strip() if kept.is_file() else None
    return checks.Facts(
        production=values.production,
        debug=values.debug,
        secret_key=values.secret_key or made or (None if keys_made else secrets.token_urlsafe(64)),
        public_url=values.public_url,
        hosts=values.hosts,
        database_url=values.database_url,
        data=values.data.resolve(),
        keys=values.keys.resolve(),
        key_files=_key_files(values.keys),
        uid=os.geteuid(),
    )


def _key_files(keys: Path) -> tuple[checks.KeyFile, ...]:
    """All of them; looked at anew if one goes away meanwhile, because another process is making its keys."""
    if not keys.exists():
        return ()
    left = 100
    while True:
        try:
            return tuple(_key_file(path) for path in (keys, *sorted(keys.rglob("*"))))
        except FileNotFoundError:
            left -= 1
            if not left:
                refuse(f"The files in {keys} keep changing. Nothing was started.")


def _key_file(path: Path) -> checks.KeyFile:
    status = path.stat()
    return checks.KeyFile(path, stat.S_IMODE(status.st_mode), status.st_uid)


def _make_secret_key(file: Path) -> None:
    """All or nothing, and never in place of another: of two processes that do it at once, one wins."""
    if file.exists():
        return
    new = file.with_name(f".{file.name}.{os.getpid()}")
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="ascii") as stream:
            stream.write(secrets.token_urlsafe(64) + "\n")
            stream.flush()
            os.fsync(stream.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(new, file)
            tell(f"made a secret key: {file}")
    finally:
        new.unlink()


def _make_rings(keys: Path) -> None:
    from ffsweb.sealed import RingExists, create_ring, ring_exists

    for ring in RINGS:
        # The copy that ``ffs web-keys`` makes has a ring without its private half: that is none to be made.
        if not ring_exists(keys, ring) and not any((keys / ring).glob("*.public")):
            with contextlib.suppress(RingExists):
                create_ring(keys, ring)
                tell(f"made the key ring {ring}: {keys / ring}. Keep a copy away from the backups of FFSWEB_DATA.")


def _ready_to_serve(values: Environment) -> None:
    from django.db import DEFAULT_DB_ALIAS, DatabaseError, connections
    from django.db.migrations.executor import MigrationExecutor

    try:
        executor = MigrationExecutor(connections[DEFAULT_DB_ALIAS])
        missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError as error:
        refuse(f"The database does not answer: {str(error).strip()}. Nothing was started.")
    if missing:
        refuse(f"The database lacks {len(missing)} migrations. Run `ffs migrate`, then start again.")
    if not (values.static / "staticfiles.json").is_file():
        refuse(f"{values.static} has no style sheets. Run `ffs manage collectstatic --no-input`, then start again.")
