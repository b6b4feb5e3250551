"""``manage.py add_icons DIRECTORY NAME…``: more icons for the sheet."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from ffsweb.web.icons import SHEET, drawing_of, sheet_of, symbols


class Command(BaseCommand):
    """Take icons from ``icons/outline`` of an unpacked ``@tabler/icons`` package into the sheet."""

    help = "Add Tabler icons to the icon sheet."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("directory", type=Path)
        parser.add_argument("names", nargs="+")

    def handle(self, *_args: Any, **options: Any) -> None:
        drawings = symbols(SHEET.read_text(encoding="utf-8")) if SHEET.exists() else {}
        for name in options["names"]:
            source = options["directory"] / f"{name}.svg"
            if not source.is_file():
                raise CommandError(f"There is no {source}. Nothing was changed.")
            drawings[name] = drawing_of(source.read_text(encoding="utf-8"))
        SHEET.write_text(sheet_of(drawings), encoding="utf-8")
        self.stdout.write(f"{len(drawings)} icons in {SHEET.name}.")
