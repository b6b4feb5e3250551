"""The passphrase of the copy of the keys: asked for without echo, or the first line of a file; never an argument."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import TYPE_CHECKING

from ffsweb.runtime.loading import refuse

if TYPE_CHECKING:
    from ffsweb.sealed import Secret


def ask(file: str | None, *, least: int = 1, twice: bool = False) -> Secret:
    """The passphrase; ends the process if there is none, or if it has fewer than ``least`` characters."""
    from ffsweb.sealed import Secret

    if file is not None:
        try:
            given = Secret(Path(file).read_text(encoding="utf-8").split("\n", 1)[0])
        except (OSError, ValueError) as error:
            refuse(f"{file} could not be read: {error}. Nothing was done.")
    else:
        try:
            given = Secret(getpass.getpass("Passphrase of the copy of the keys: "))
            if twice and given != Secret(getpass.getpass("Once more: ")):
                refuse("The two are not the same. Nothing was done.")
        except (EOFError, KeyboardInterrupt):
            refuse("There was no passphrase. Nothing was done.")
    if len(given.reveal_text()) < least:
        refuse(f"A passphrase has at least {least} characters. Nothing was done.")
    return given
