"""``ffs migrate``, ``ffs manage`` and ``ffs audit verify``: Django's commands, with keys and directories in place."""

from __future__ import annotations

from ffsweb.runtime.loading import environment, load_django, refuse
from ffsweb.runtime.prepare import prepare


def manage(arguments: list[str]) -> int:
    """Any of Django's commands."""
    prepare(environment())
    load_django("command")
    from django.core.management import execute_from_command_line

    execute_from_command_line(["ffs manage", *arguments])
    return 0


def migrate(arguments: list[str]) -> int:
    """Bring the database up to date; safe to run twice."""
    return manage(["migrate", *arguments])


def audit(arguments: list[str]) -> int:
    """``verify``: check the audit log's hash chain; exit code 1 and the first broken event if it does not hold."""
    if arguments != ["verify"]:
        refuse("Write: ffs audit verify")
    return manage(["verify_audit"])
