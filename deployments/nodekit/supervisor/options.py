"""The options that every command line has which supervises something."""

from __future__ import annotations

import argparse
from pathlib import Path

from deployments.nodekit.supervisor.spec import Policy


def add_policy(parser: argparse.ArgumentParser, *, grace: float = 5.0) -> None:
    """When a program counts as hung, and what it is granted."""
    parser.add_argument("--interval", type=_seconds, default=10.0, help="seconds between heartbeats (10)")
    parser.add_argument(
        "--misses", type=int, choices=range(1, 101), default=3, metavar="N", help="missed, then hung (3)"
    )
    parser.add_argument("--grace", type=_seconds, default=grace, help=f"seconds from SIGTERM to SIGKILL ({grace:g})")
    parser.add_argument("--start-timeout", type=_seconds, default=90.0, help="seconds to the first heartbeat (90)")
    parser.add_argument("--probe-timeout", type=_seconds, default=5.0, help="seconds for a probe's answer (5)")


def add_telling(parser: argparse.ArgumentParser, status: Path | None) -> None:
    """Where it is told how things are; ``status`` is the usual status file."""
    usual = f" ({status})" if status else ""
    parser.add_argument("--status", type=Path, default=status, help=f"keep a status file (JSON) here{usual}")
    parser.add_argument("--log", choices=("text", "json"), default="text", help="form of the supervisor's lines")


def policy_of(options: argparse.Namespace) -> Policy:
    """What :func:`add_policy` has read."""
    return Policy(
        options.interval, options.misses, options.grace, options.start_timeout, probe_timeout=options.probe_timeout
    )


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds") from None
    if not 0.01 <= value <= 86400:
        raise argparse.ArgumentTypeError("between 0.01 and 86400")
    return value
