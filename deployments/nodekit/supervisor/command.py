"""The command line: one program under supervision, in a container or anywhere else."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from deployments.nodekit.supervisor.child import Policy, Spec
from deployments.nodekit.supervisor.loop import Supervisor
from deployments.nodekit.supervisor.secrets import Places, SecretProblem, settings_from, unlock, wipe
from deployments.nodekit.supervisor.telling import Notifier, speaker

DATA = Path("/ffs/data")
HEARTBEATS = ("required", "optional")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command after ``--`` under supervision; returns the exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    split = given.index("--") if "--" in given else len(given)
    parser = _parser()
    options = parser.parse_args(given[:split])
    if options.heartbeat not in HEARTBEATS:  # argparse does not check a default
        parser.error(f"FFS_HEARTBEAT is {options.heartbeat!r}; it can be {' or '.join(HEARTBEATS)}")
    command = tuple(given[split + 1 :])
    if not command:
        parser.error("no command: write it after --")
    say = speaker(options.log)
    notifier = Notifier(None)
    if options.sd_notify:
        notifier = Notifier(os.environ.get("NOTIFY_SOCKET"), os.environ.get("WATCHDOG_USEC"))
        if not os.environ.get("NOTIFY_SOCKET"):
            say("", "NOTIFY_SOCKET is not set: nobody is told about READY and the watchdog")
    places = Places(options.credentials, options.certificates, options.secrets)
    try:
        secrets = {**settings_from(places.credentials), **unlock(places, os.environ)}
        spec = Spec(
            Path(command[0]).name,
            command,
            heartbeat=options.heartbeat,
            environment=secrets,
            without=("CERT_PASS",) if "FFS_TLS_KEY" in secrets else (),
        )
        return Supervisor(
            [spec],
            policy=Policy(options.interval, options.misses, options.grace, options.start_timeout),
            notifier=notifier,
            say=say,
            status=options.status,
            single=True,
        ).run()
    except SecretProblem as problem:
        notifier.send("STATUS", str(problem))
        say("", f"not started: {problem}")
        return problem.code
    finally:
        wipe(places.key)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="supervisor",
        description="Keep a program running and notice when it hangs.",
        usage="%(prog)s [--watchdog | --sd-notify] [options] -- COMMAND [ARGUMENT ...]",
        allow_abbrev=False,
    )
    mode = parser.add_mutually_exclusive_group()
    mode.add_argument("--watchdog", action="store_true", help="stand alone (the default)")
    mode.add_argument("--sd-notify", action="store_true", help="also tell systemd, or podman, how things are")
    parser.add_argument("--interval", type=_seconds, default=10.0, help="seconds between heartbeats (10)")
    parser.add_argument(
        "--misses", type=int, choices=range(1, 101), default=3, metavar="N", help="missed, then hung (3)"
    )
    parser.add_argument("--grace", type=_seconds, default=5.0, help="seconds from SIGTERM to SIGKILL (5)")
    parser.add_argument("--start-timeout", type=_seconds, default=90.0, help="seconds to the first heartbeat (90)")
    parser.add_argument(
        "--heartbeat",
        choices=HEARTBEATS,
        default=os.environ.get("FFS_HEARTBEAT", "optional"),
        help="optional: a program that never wrote one is healthy while it runs (FFS_HEARTBEAT, else optional)",
    )
    default = DATA / ".ffs-status.json" if os.access(DATA, os.W_OK) else None
    parser.add_argument("--status", type=Path, default=default, help="status file (in /ffs/data if there is one)")
    parser.add_argument("--log", choices=("text", "json"), default="text", help="form of the log lines")
    parser.add_argument("--credentials", type=Path, default=Path("/run/ffs"), help=argparse.SUPPRESS)
    parser.add_argument("--certificates", type=Path, default=Path("/ffs/certs"), help=argparse.SUPPRESS)
    parser.add_argument("--secrets", type=Path, default=Path("/tmp/secrets"), help=argparse.SUPPRESS)  # noqa: S108
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.01 <= value <= 86400:
        raise argparse.ArgumentTypeError("between 0.01 and 86400")
    return value


if __name__ == "__main__":
    sys.exit(main())
