"""``ffs migrate``, ``ffs manage`` and ``ffs audit verify``: Django's commands, with keys and directories in place."""

from __future__ import annotations

import time

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
    """Bring the database up to date; safe to run twice. ``--wait SECONDS``: first wait for a database that starts."""
    if arguments[:1] == ["--wait"]:
        if len(arguments) < 2 or not arguments[1].isdecimal():
            refuse("ffs migrate --wait takes whole seconds.")
        _wait_for_database(int(arguments[1]))
        arguments = arguments[2:]
    return manage(["migrate", *arguments])


def _wait_for_database(seconds: int) -> None:
    prepare(environment())
    load_django("command")
    from django.db import DEFAULT_DB_ALIAS, OperationalError, connections

    end = time.monotonic() + seconds
    while True:
        try:
            connections[DEFAULT_DB_ALIAS].ensure_connection()
        except OperationalError as error:
            if time.monotonic() >= end:
                refuse(f"The database did not answer for {seconds} s: {str(error).strip()}. Nothing was changed.")
            time.sleep(0.5)
        else:
            return


def audit(arguments: list[str]) -> int:
    """``verify``: check the audit log's hash chain; exit code 1 and the first broken event if it does not hold."""
    if arguments != ["verify"]:
        refuse("Write: ffs audit verify")
    return manage(["verify_audit"])
