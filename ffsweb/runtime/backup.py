"""``ffs backup``: one encrypted file; the copy of the keys, for another place; whether a file can be decrypted."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from ffsweb.runtime.loading import tell
from ffsweb.runtime.passphrase import ask
from ffsweb.runtime.prepare import load_safely

if TYPE_CHECKING:
    from ffsweb.env import Environment


def run(arguments: list[str]) -> int:
    """0 if the file was made, or is good; 1 with why not, on standard error; nothing half is left."""
    parser = argparse.ArgumentParser("ffs backup", description="Make a backup or a copy of the keys; check a backup.")
    parser.add_argument("target", nargs="?", help="a file that is not there yet, a directory, or -")
    parser.add_argument("--without-images", action="store_true", help="leave the images out: they are most of it")
    parser.add_argument("--keys", metavar="FILE", help="write the copy of the keys; with --check: take it")
    parser.add_argument("--check", metavar="FILE", help="decrypt a backup to its end, compare every hash")
    parser.add_argument("--passphrase-file", metavar="FILE", help="of the copy of the keys; else it is asked for")
    parser.add_argument("--json", action="store_true", help="say it as JSON")
    given = parser.parse_args(arguments)
    if (given.check is not None) + (given.target is not None) + (given.keys is not None and given.check is None) != 1:
        parser.error("name a target, or --keys FILE, or --check FILE.")
    values = load_safely("command")
    from django.db import DatabaseError

    from ffsweb.backup.errors import BackupError
    from ffsweb.sealed import SealedError

    try:
        if given.check:
            _check(given, values)
        elif given.keys:
            _copy_keys(given, values)
        else:
            _make(given)
    except (BackupError, SealedError) as error:
        tell(str(error))
        return 1
    except DatabaseError as error:
        tell(f"The database could not be asked: {str(error).strip()}. Is it up to date (ffs migrate)?")
        return 1
    return 0


def _make(given: argparse.Namespace) -> None:
    from ffsweb.backup import telling
    from ffsweb.backup.errors import NotMade
    from ffsweb.backup.making import make

    to_stream = given.target == "-"
    if to_stream and sys.stdout.isatty():
        raise NotMade("A backup is not for a terminal: name a file, or pipe it on. No backup was made.")
    made = make(sys.stdout.buffer if to_stream else Path(given.target), images=not given.without_images)
    out = sys.stderr if to_stream else sys.stdout
    if given.json:
        out.write(telling.as_json(place=str(made.place or "-"), bytes=made.size, **telling.facts(made.manifest)))
    else:
        out.write(f"{made.place or 'standard output'}: {made.size} bytes.\n{telling.words(made.manifest)}")


def _copy_keys(given: argparse.Namespace, values: Environment) -> None:
    from django.utils import timezone

    from ffsweb.backup import keyfile
    from ffsweb.backup.errors import NotMade
    from ffsweb.backup.making import new_file
    from ffsweb.backup.models import KeysCopy

    data = keyfile.encode(values.keys, ask(given.passphrase_file, least=keyfile.LEAST, twice=True))
    try:
        with new_file(Path(given.keys)) as (file, place):
            file.write(data)
    except OSError as error:
        raise NotMade(f"{given.keys} could not be written: {error.strerror}. No copy was made.") from error
    names = sorted(f"{ring}/{key}" for ring, keys in keyfile.private_names(values.keys).items() for key in keys)
    KeysCopy.objects.create(made_at=timezone.now(), keys=names)
    sys.stdout.write(f"{place}: {len(names)} keys, under your passphrase. Keep it apart from every backup.\n")


def _check(given: argparse.Namespace, values: Environment) -> None:
    from ffsweb.backup import telling
    from ffsweb.backup.checking import check
    from ffsweb.runtime.backup_keys import keys_at, source

    with keys_at(given.keys, given.passphrase_file, values.keys) as keys, source(given.check) as file:
        manifest = check(file, keys.opener, keys.names)
    if given.json:
        sys.stdout.write(telling.as_json(good=True, **telling.facts(manifest)))
    else:
        sys.stdout.write("It can be decrypted, it is whole, and the keys open what is sealed in it.\n")
        sys.stdout.write(telling.words(manifest))
