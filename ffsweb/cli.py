"""``ffs``: the one program. Each command is a module, loaded only when it is called.

Those of ``ffsweb.runtime`` run a dashboard; those of ``ffsweb.commands`` are clients of one.
"""

from __future__ import annotations

import importlib
import sys
from typing import Final, NamedTuple


class Command(NamedTuple):
    """``function`` of ``module`` takes the arguments after the command and returns the exit code; ours if no help."""

    module: str
    function: str = "run"
    help: str = ""


COMMANDS: Final = {
    "--watchdog": Command("ffsweb.runtime.supervise", help="run everything, supervised"),
    "--sd-notify": Command("ffsweb.runtime.supervise", help="the same under systemd (Type=notify)"),
    "web": Command("ffsweb.runtime.web", help="the pages alone, in the foreground"),
    "worker": Command("ffsweb.runtime.worker", help="the worker alone"),
    "beat": Command("ffsweb.runtime.beat", help="the clock alone"),
    "prepare": Command("ffsweb.runtime.prepare", help="make directories and keys, and check them"),
    "web-keys": Command("ffsweb.runtime.web_keys", help="DIRECTORY: copy the keys that web and beat need, no more"),
    "migrate": Command("ffsweb.runtime.administer", "migrate", "bring the database up to date"),
    "manage": Command("ffsweb.runtime.administer", "manage", "any of Django's commands: ffs manage help"),
    "audit": Command("ffsweb.runtime.administer", "audit", "verify: check the audit log's hash chain"),
    "backup": Command("ffsweb.runtime.backup", help="FILE | --keys FILE | --check FILE: docs/backup.md"),
    "restore": Command("ffsweb.runtime.restore", help="FILE [--dry-run] [--keys FILE]: onto an empty installation"),
    "settings": Command("ffsweb.variables", help="list every setting"),
    "server": Command("ffsweb.runtime.server", help="--domain NAME --ssh-key FILE: a machine that runs all of it"),
    "supervise": Command(
        "deployments.nodekit.supervisor.command", "main", "[options] -- COMMAND: supervise a program"
    ),
    "nodes": Command("ffsweb.commands.lists", "nodes", "list nodes (this and what follows: of FFSWEB_URL)"),
    "node": Command("ffsweb.commands.node", "node", "cordon|uncordon|prune|upgrade|read|enrol|remove HOST"),
    "services": Command("ffsweb.commands.lists", "services", "list services: what is live, what was measured"),
    "service": Command("ffsweb.commands.service", "service", "start|stop|restart|remove HOST --name www"),
    "operations": Command("ffsweb.commands.lists", "operations", "list operations"),
    "logs": Command("ffsweb.commands.logs", "logs", "[-f] [ID]: an operation's log"),
    "prepare …": Command(
        "ffsweb.commands.preparing", "prepare", "--project P --name www: the files of a new machine"
    ),
    "deploy": Command("ffsweb.commands.deploying", "deploy", "HOST --name www [--wait]: deploy a release"),
    "rollback": Command("ffsweb.commands.deploying", "rollback", "HOST --name www: back to the release before"),
    "cert": Command("ffsweb.commands.certificates", "cert", "status|rotate-https|rotate-ssh HOST --name www"),
    "completion": Command("ffsweb.commands.completion", "completion", "bash|zsh|fish: for your shell"),
    "doctor": Command("ffsweb.doctor.command", "main", "[--json]: look at everything, and say what to do"),
    "healthy": Command("ffsweb.runtime.healthy", help="FILE: what a container's health check asks"),
    "banner": Command("ffsweb.runtime.banner", help="the address, and the link for the first administrator"),
    "valkey": Command("ffsweb.runtime.valkey"),
}


def usage() -> str:
    """The commands, one a line."""
    lines = [f"  ffs {name:<12} {command.help}" for name, command in COMMANDS.items() if command.help]
    return "\n".join(["usage:", *lines, "", "Settings come from the environment: docs/settings.md."]) + "\n"


def _name(given: list[str]) -> str:
    """The command that is meant: ``prepare`` with arguments is about a machine, and a client's."""
    return "prepare …" if given[0] == "prepare" and given[1:] not in ([], ["--start"]) else given[0]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns its exit code, 2 for none."""
    given = sys.argv[1:] if arguments is None else arguments
    if given[:1] in (["--help"], ["-h"], ["help"]):
        sys.stdout.write(usage())
        return 0
    command = COMMANDS.get(_name(given)) if given else None
    if command is None:
        sys.stderr.write((f"ffs: there is no command {given[0]!r}\n" if given else "") + usage())
        return 2
    # The two modes are options of one command; to all others their own name means nothing.
    rest = list(given) if given[0].startswith("--") else list(given[1:])
    code = getattr(importlib.import_module(command.module), command.function)(rest)
    return int(code)


if __name__ == "__main__":
    sys.exit(main())
