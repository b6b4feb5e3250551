"""``ffs --watchdog`` and ``ffs --sd-notify``: all of ffsweb, under its own supervisor.

The parent loads neither Django nor Celery nor the settings: it stays small, and what it starts is checked in a
process of its own, ``ffs prepare --start``.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from deployments.nodekit.supervisor import Notifier, Probe, Spec, Supervisor, speaker
from deployments.nodekit.supervisor.options import add_policy, add_telling, policy_of
from ffsweb.runtime.loading import ffs, refuse

if TYPE_CHECKING:
    from collections.abc import Iterator

GRACE: Final = 7.0
"""Seconds from SIGTERM to SIGKILL: uvicorn gives streams 3, a worker needs about 4 to park what runs."""
SHORTEST: Final = 0.5
"""Seconds between heartbeats at least: what web and worker ask of themselves takes its time."""


def run(arguments: list[str]) -> int:
    """Supervise web, worker, beat and, if no server is named, the private Valkey; returns the exit code."""
    parser = argparse.ArgumentParser(prog="ffs", allow_abbrev=False)
    mode = parser.add_mutually_exclusive_group(required=True)
    mode.add_argument("--watchdog", action="store_true", help="stand alone")
    mode.add_argument("--sd-notify", action="store_true", help="also tell systemd how things are")
    add_policy(parser, grace=GRACE)
    add_telling(parser, None)
    options = parser.parse_args(arguments)
    if options.interval < SHORTEST:
        parser.error(f"--interval: at least {SHORTEST:g}")
    prepared = subprocess.run(ffs("prepare", "--start"), stdout=subprocess.PIPE, check=False)
    if prepared.returncode:
        return prepared.returncode
    found = json.loads(prepared.stdout)
    say = speaker(options.log)
    notifier = Notifier(None)
    if options.sd_notify:
        notifier = Notifier(os.environ.get("NOTIFY_SOCKET"), os.environ.get("WATCHDOG_USEC"))
        if not os.environ.get("NOTIFY_SOCKET"):
            say("", "NOTIFY_SOCKET is not set: nobody is told about READY and the watchdog")
    with alone(Path(found["data"])):
        return Supervisor(
            children(found["valkey"]),
            policy=policy_of(options),
            notifier=notifier,
            say=say,
            status=options.status,
            on_ready=_banner,
        ).run()


def children(valkey: str | None) -> tuple[Spec, ...]:
    """What is supervised, in the order of the log; ``valkey``: the socket of the private server, if there is one."""
    needed = ("valkey",) if valkey else ()
    product = tuple(Spec(name, ffs(name), after=needed) for name in ("web", "worker", "beat"))
    if not valkey:
        return product
    return (Spec("valkey", ffs("valkey"), heartbeat="none", probe=Probe("valkey", valkey)), *product)


@contextmanager
def alone(data: Path) -> Iterator[None]:
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
