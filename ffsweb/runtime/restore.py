"""``ffs restore``: a backup onto an empty installation, or, with ``--dry-run``, what would be there."""

from __future__ import annotations

import argparse
import os
import sys
from typing import TYPE_CHECKING

from ffsweb.runtime.backup_keys import Keys, keys_at, source
from ffsweb.runtime.loading import environment, load_django, refuse, tell
from ffsweb.runtime.prepare import prepare
from ffsweb.runtime.supervise import alone

if TYPE_CHECKING:
    from typing import BinaryIO

NEXT = """\
It is marked as restored: nothing is run and the clock does nothing until an administrator says that the old dashboard
is off. So: switch the old one off, start this one, log in, and follow the notice on every page.
"""


def run(arguments: list[str]) -> int:
    """0 if all is well; 1 with why not, on standard error, and nothing changed."""
    parser = argparse.ArgumentParser("ffs restore", description="Restore a backup onto an empty installation.")
    parser.add_argument("file", help="what ffs backup wrote; - for standard input")
    parser.add_argument("--keys", metavar="FILE", help="the copy of the keys; else FFSWEB_KEYS has them already")
    parser.add_argument("--passphrase-file", metavar="FILE", help="of the copy of the keys; else it is asked for")
    parser.add_argument("--dry-run", action="store_true", help="read and check everything, change nothing")
    parser.add_argument("--json", action="store_true", help="say it as JSON")
    given = parser.parse_args(arguments)
    os.umask(0o077)
    values = environment()
    load_django("command")
    from django.db import DatabaseError

    from ffsweb.backup.errors import BackupError
    from ffsweb.sealed import SealedError

    if values.keys.resolve() == values.data.resolve() or values.data.resolve() in values.keys.resolve().parents:
        refuse("FFSWEB_KEYS is inside FFSWEB_DATA: backups would hold the keys. Nothing was changed.")
    try:
        with keys_at(given.keys, given.passphrase_file, values.keys) as keys, source(given.file) as stream:
            if given.dry_run:
                _look(stream, keys, given)
            else:
                values.data.mkdir(mode=0o700, parents=True, exist_ok=True)
                with alone(values.data):
                    _restore(stream, keys, given)
    except (BackupError, SealedError) as error:
        tell(str(error))
        return 1
    except (OSError, DatabaseError) as error:
        tell(f"It could not be restored: {str(error).strip()}. This installation is empty, as before.")
        return 1
    if not given.dry_run:
        prepare(values)  # whatever the keys lack, and the checks that every start goes through
    return 0


def _look(stream: BinaryIO, keys: Keys, given: argparse.Namespace) -> None:
    from ffsweb.backup import emptiness, telling
    from ffsweb.backup.checking import check
    from ffsweb.backup.restoring import possible

    manifest = check(stream, keys.opener, keys.names)
    possible(manifest)
    there = emptiness.found()
    if given.json:
        sys.stdout.write(telling.as_json(good=True, in_the_way=there, **telling.facts(manifest)))
        return
    sys.stdout.write("It is whole, this version takes it, and the keys open what is sealed in it. There would be:\n")
    sys.stdout.write(telling.words(manifest))
    sys.stdout.write(
        f"In the way: {'; '.join(there)}.\n" if there else "This installation is empty: it can take it.\n"
    )


def _restore(stream: BinaryIO, keys: Keys, given: argparse.Namespace) -> None:
    from ffsweb.backup import telling
    from ffsweb.backup.restoring import restore

    done = restore(stream, keys.opener, keys.directory, copy_keys=given.keys is not None)
    for text in done.closed:
        tell(f"It was restored, but this does not open: {text}")
    if given.json:
        sys.stdout.write(telling.as_json(restored=True, closed=done.closed, **telling.facts(done.manifest)))
        return
    sys.stdout.write(telling.words(done.manifest))
    if not done.manifest.images:
        sys.stdout.write("Images were not in it: upload them again before you deploy what needs them.\n")
    sys.stdout.write(NEXT)
