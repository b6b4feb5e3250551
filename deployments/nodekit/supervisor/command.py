"""The command line: one program under supervision, in a container or anywhere else."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from deployments.nodekit.supervisor.child import SECRET
from deployments.nodekit.supervisor.keyfile import wipe
from deployments.nodekit.supervisor.loop import Supervisor
from deployments.nodekit.supervisor.options import add_policy, add_telling, policy_of
from deployments.nodekit.supervisor.places import Places, SecretProblem
from deployments.nodekit.supervisor.probe import parse_probe
from deployments.nodekit.supervisor.secrets import settings_from, unlock
from deployments.nodekit.supervisor.spec import Probe, Spec
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
    # Until the loop takes the signals: whatever ends us, the key is wiped.
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, _end)
    places = Places(options.credentials, options.certificates, options.secrets)
    try:
        secrets = {**settings_from(places.credentials), **unlock(places, os.environ)}
        spec = Spec(
            Path(command[0]).name,
            command,
            heartbeat=options.heartbeat,
            environment=tuple(secrets.items()),
            without=(*_made_up(), *(SECRET if "FFS_TLS_KEY" in secrets else ())),
            probe=options.probe,
        )
        return Supervisor(
            [spec],
            policy=policy_of(options),
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
    add_policy(parser)
    parser.add_argument(
        "--heartbeat",
        choices=HEARTBEATS,
        default=os.environ.get("FFS_HEARTBEAT", "optional"),
        help="optional: a program that never wrote one is healthy while it runs (FFS_HEARTBEAT, else optional)",
    )
    parser.add_argument(
        "--probe",
        type=_probe,
        metavar="WHAT",
        help="ask it too: http(s)://HOST:PORT/PATH, tcp:HOST:PORT or a command",
    )
    add_telling(parser, DATA / ".ffs-status.json" if os.access(DATA, os.W_OK) else None)
    parser.add_argument("--credentials", type=Path, default=Path("/run/ffs"), help=argparse.SUPPRESS)
    parser.add_argument("--certificates", type=Path, default=Path("/ffs/certs"), help=argparse.SUPPRESS)
    parser.add_argument("--secrets", type=Path, default=Path("/tmp/secrets"), help=argparse.SUPPRESS)  # noqa: S108
    return parser


def _made_up() -> tuple[str, ...]:
    """What Python has put into its own environment: where there is no locale, it chooses one (PEP 538)."""
    try:
        given = Path("/proc/self/environ").read_bytes()
    except OSError:
        return ()
    return () if b"\0LC_CTYPE=" in b"\0" + given else ("LC_CTYPE",)


def _end(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def _probe(text: str) -> Probe:
    try:
        return parse_probe(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


if __name__ == "__main__":
    sys.exit(main())
