"""``ffs doctor [--json]``."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from ffsweb.version import running_version

from . import report
from .findings import Check, fail, registered
from .running import Result, run

if TYPE_CHECKING:
    from ffsweb.env import Environment


def main(arguments: list[str]) -> int:
    """Look at everything and say it; the exit code is that of ``report``. Makes and changes no file and no row."""
    if arguments not in ([], ["--json"]):
        sys.stderr.write("ffs doctor takes --json or nothing.\n")
        return 2
    as_json = bool(arguments)
    from ffsweb import env
    from ffsweb.runtime.loading import BASE, load_django

    try:
        values = env.read(os.environ, base=BASE, uid=os.getuid(), pid=os.getpid())
    except env.EnvironmentProblem as problem:
        advice = "Put the environment right (docs/settings.md). Nothing else was looked at."
        return _tell([Result("settings", fail(str(problem), advice))], [], as_json=as_json)
    os.environ.setdefault("FFSWEB_LOG_LEVEL", "ERROR")  # what is found is printed, once
    load_django("command")
    hide = _hidden(values)
    results: list[Result] = []
    for result in run([*_own(values), *registered()], at_end=_close):
        results.append(result)
        if not as_json:
            sys.stdout.write(report.line(result, hide=hide))
            sys.stdout.flush()
    return _tell(results, hide, as_json=as_json, told=True)


def _tell(results: list[Result], hide: list[str], *, as_json: bool, told: bool = False) -> int:
    if as_json:
        sys.stdout.write(report.as_json(results, version=running_version(), hide=hide))
    else:
        sys.stdout.write("".join(report.line(each, hide=hide) for each in ([] if told else results)))
        sys.stdout.write("\n" + report.summary(results))
    return report.exit_code(results)


def _own(values: Environment) -> list[Check]:
    from . import broker, database, disk, keys, machine, setup, site

    return [
        Check("machine", machine.look),
        Check("packages", machine.packages),
        Check("settings", lambda: setup.look(values)),
        Check("data directory", lambda: disk.look(values)),
        Check("keys", lambda: keys.look(values)),
        Check("style sheets", setup.static_files),
        Check("database", database.look),
        Check("database server", database.server, database=True),
        Check("migrations", database.migrations, database=True),
        Check("database integrity", database.integrity, database=True, seconds=60.0),
        Check("broker", broker.look),
        Check("address", lambda: site.look(values), seconds=15.0),
    ]


def _hidden(values: Environment) -> list[str]:
    from django.conf import settings

    addresses = report.secrets_in(values.database_url, values.redis_url, values.email_url)
    return [*addresses, settings.SECRET_KEY, values.metrics_token]


def _close() -> None:
    from django.db import connections

    connections.close_all()
