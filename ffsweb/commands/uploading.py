"""Archives on their way to the dashboard: in parts that go on after a cut (tus), with a SHA-256 at the end."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import sys
import tarfile
import tempfile
import time
from pathlib import Path
from typing import IO, Any, Final

from ffsweb.commands.client import Client, quoted
from ffsweb.commands.errors import Ended, Refused
from ffsweb.commands.following import follow, tell_line
from ffsweb.commands.showing import Bar, tell

PART: Final = 8 * 1024 * 1024
"""Bytes that one request carries; what is lost when the line breaks."""
TRIES: Final = 6
LEFT_OUT: Final = frozenset({".env", ".git", "ffs.ign", "__pycache__"})
"""Of a directory of files: secrets, and what is no part of an application."""
_TUS: Final = {"Tus-Resumable": "1.0.0"}


def upload_image(client: Client, project: str, name: str) -> str:
    """Send an archive (a path, or - for standard input) and have it taken in; the image's ID. Raises Ended."""
    with _source(name) as (file, shown):
        return str(_recorded(client, _send(client, project, "image", file, shown))["image"])


def upload_files(client: Client, project: str, directory: str) -> int:
    """Send a directory, or an archive of one, and have it taken in; the number of the version. Raises Ended."""
    place = Path(directory)
    if place.is_file():
        with place.open("rb") as file:
            return int(_recorded(client, _send(client, project, "files", file, place.name))["version"])
    if not place.is_dir():
        raise Ended(f"{directory} is no directory.")
    with tempfile.TemporaryFile() as file:
        _pack(place, file)
        return int(_recorded(client, _send(client, project, "files", file, "files.tar"))["version"])


class _source:
    """An archive as a file that can be read again: standard input is kept in a temporary one."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> tuple[IO[bytes], str]:
        if self._name != "-":
            self._file: IO[bytes] = Path(self._name).open("rb")
            return self._file, Path(self._name).name
        self._file = tempfile.TemporaryFile()
        shutil.copyfileobj(sys.stdin.buffer, self._file, PART)
        return self._file, "stdin.tar"

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _pack(directory: Path, file: IO[bytes]) -> None:
    def wanted(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
        return None if Path(member.name).name in LEFT_OUT else member

    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for entry in sorted(directory.iterdir()):
            archive.add(entry, arcname=entry.name, filter=wanted)


def _send(client: Client, project: str, what: str, file: IO[bytes], name: str) -> int:
    """Send all of ``file``; the operation that takes it in."""
    size = file.seek(0, os.SEEK_END)
    if not size:
        raise Ended(f"{name} is empty. Nothing was sent.")
    values = {"filename": name, "what": what}
    said = ",".join(f"{key} {base64.b64encode(value.encode()).decode()}" for key, value in values.items())
    uploads = f"{quoted('projects', project)}/uploads"
    headers = {**_TUS, "Upload-Length": str(size), "Upload-Metadata": said}
    begun = client.send("POST", uploads, b"", headers)
    at = f"{uploads}/{begun['Location'].rpartition('/')[2]}"
    digest = _parts(client, at, file, size, name)
    while True:
        ended = client.post(f"{at}/finish", {"sha256": digest})
        if ended["operation"] is not None:
            return int(ended["operation"])


def _parts(client: Client, at: str, file: IO[bytes], size: int, name: str) -> str:
    """Send the parts from where the dashboard is; the SHA-256 of the whole."""
    bar, offset, failed = Bar(name, size), 0, 0
    while offset < size:
        file.seek(offset)
        headers = {**_TUS, "Upload-Offset": str(offset), "Content-Type": "application/offset+octet-stream"}
        try:
            offset = int(client.send("PATCH", at, file.read(PART), headers)["Upload-Offset"])
            failed = 0
        except (Refused, OSError) as error:
            if isinstance(error, Refused) and error.status not in {400, 409, 423, 502, 503, 504}:
                raise
            failed += 1
            if failed == TRIES:
                raise Ended(f"{name} could not be sent: {error}. What arrived is kept for a week.") from error
            time.sleep(client.pause * failed)
            offset = _offset(client, at, offset)
        bar.show(offset)
    bar.end()
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _offset(client: Client, at: str, known: int) -> int:
    try:
        return int(client.send("HEAD", at, None, _TUS)["Upload-Offset"])
    except (Refused, OSError):
        return known  # the next part tells


def _recorded(client: Client, operation: int) -> dict[str, Any]:
    """What the operation that takes it in left, when it has ended well."""
    ended = follow(client, operation, tell_line)
    if ended["state"] != "succeeded":
        raise Ended(f"It was not taken in: {ended['message']}")
    tell(ended["message"])
    evidence: dict[str, Any] = next(step["evidence"] for step in ended["steps"] if step["name"] == "record")
    return evidence
