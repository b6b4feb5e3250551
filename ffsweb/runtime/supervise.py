"""``ffs --watchdog`` and ``ffs --sd-notify``: all of ffsweb, under its own supervisor.

The parent loads neither Django nor Celery: it stays small, and what it starts is checked in a process of its own.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deployments.nodekit.supervisor import Notifier, Policy, Spec, Supervisor, speaker
from ffsweb.runtime.loading import environment, ffs, refuse
from ffsweb.runtime.valkey import binary, missing

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ffsweb.env import Environment

GRACE: Final = 7.0
"""Seconds from SIGTERM to SIGKILL: uvicorn gives streams 3, a worker needs about 4 to park what runs."""


def run(arguments: list[str]) -> int:
    """Supervise web, worker, beat and, if no server is named, the private Valkey; returns the exit code."""
    parser = argparse.ArgumentParser(prog="ffs", allow_abbrev=False)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--watchdog", action="store_true", help="stand alone")
    mode.add_argument("--sd-notify", action="store_true", help="also tell systemd how things are")
    parser.add_argument("--interval", type=float, default=10.0, help="seconds between heartbeats (10)")
    parser.add_argument("--log", choices=("text", "json"), default="text", help="form of the supervisor's lines")
    parser.add_argument("--status", type=Path, help="keep a status file (JSON) here")
    options = parser.parse_args(arguments)
    values = environment()
    if values.private_valkey and binary() is None:
        refuse(missing())
    checked = subprocess.run(ffs("prepare", "--start"), check=False).returncode
    if checked:
        return checked
    notifier = Notifier(None)
    if options.sd_notify:
        notifier = Notifier(os.environ.get("NOTIFY_SOCKET"), os.environ.get("WATCHDOG_USEC"))
    with _alone(values.data):
        return Supervisor(
            children(values),
            policy=Policy(interval=max(0.5, options.interval), grace=GRACE),
            notifier=notifier,
            say=speaker(options.log),
            status=options.status,
            on_ready=_banner,
        ).run()


def children(values: Environment) -> tuple[Spec, ...]:
    """What is supervised, in the order of the log."""
    needed = ("valkey",) if values.private_valkey else ()
    product = tuple(Spec(name, ffs(name), after=needed) for name in ("web", "worker", "beat"))
    return (Spec("valkey", ffs("valkey"), heartbeat="none"), *product) if needed else product


@contextmanager
def _alone(data: Path) -> Iterator[None]:
    """One supervisor per FFSWEB_DATA: two would fight for the private Valkey's socket and its files."""
    handle = os.open(data / "ffs.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        refuse(f"ffs runs already with {data}. Stop it first, or set FFSWEB_DATA to another directory.")
    try:
        yield
    finally:
        os.close(handle)


def _banner() -> None:
    process = subprocess.Popen(ffs("banner"))
    process.returncode = 0  # the supervisor reaps it like any process that it finds
