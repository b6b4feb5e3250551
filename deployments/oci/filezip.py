"""Zip archives of project files (PKWARE APPNOTE 6.3.10), read by the standard library behind our own checks."""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from typing import TYPE_CHECKING, BinaryIO, cast

from deployments.core.filetree_errors import BadPath, NotAFile, TooMuch, Unreadable
from deployments.core.filetree_names import PLAIN_MODE

from .errors import Truncated
from .streams import chunks

if TYPE_CHECKING:
    from .drafts import Workspace
    from .fileintake import Intake
    from .streams import Readable

ZIP_MAGICS = frozenset({b"PK\x03\x04", b"PK\x05\x06"})
"""How a zip begins: with a file, or with the end of an empty directory."""

DIRECTORY_LIMIT = 64 * 1024 * 1024
"""Bytes of the central directory, which the standard library reads as a whole."""

_END = b"PK\x05\x06"
_ENCRYPTED = 0x1
_UTF8 = 0x800
_UNIX = 3
_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})

_BROKEN = (
    zipfile.BadZipFile,
    zipfile.LargeZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    OverflowError,
)
"""What zipfile raises for bytes that are no good zip."""


def take_zip(upload: Readable, workspace: Workspace, intake: Intake) -> None:
    """Take the files of a zip in. The upload is spooled first: a zip's directory is at its end."""
    with workspace.write() as writer:
        for chunk in chunks(upload):
            writer.write(chunk)
    with writer.draft.path.open("rb") as file:
        _check_directory(file, intake.limits.files)
        try:
            with zipfile.ZipFile(file) as archive:
                for info in archive.infolist():
                    _take(archive, info, intake)
        except _BROKEN as error:
            raise Unreadable(f"The zip file is damaged ({error}).") from error
        except OSError as error:
            raise Unreadable(f"The zip file is damaged ({error.strerror or error}).") from error


def _take(archive: zipfile.ZipFile, info: zipfile.ZipInfo, intake: Intake) -> None:
    if info.is_dir():
        return
    name = _name(info)
    if info.flag_bits & _ENCRYPTED:
        raise Unreadable(f"The file {name[:200]!r} in the zip is encrypted.")
    if info.compress_type not in _METHODS:
        raise Unreadable(f"The file {name[:200]!r} in the zip is compressed in a way that is not read.")
    mode = info.external_attr >> 16 if info.create_system == _UNIX else 0
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise NotAFile(f"{name[:200]!r} is a link or a special file.")
    with archive.open(info) as content:
        intake.add(name, stat.S_IMODE(mode) or PLAIN_MODE, cast("Readable", content))


def _name(info: zipfile.ZipInfo) -> str:
    """The name as it stands in the archive: ``filename`` is cut at a zero byte, which another reader may not do.

    macOS writes UTF-8 without saying so; zipfile then takes it for code page 437.
    """
    name = info.orig_filename
    if info.flag_bits & _UTF8 or name.isascii():
        return name
    try:
        return name.encode("cp437").decode()
    except UnicodeError as error:
        raise BadPath(f"The file name {name[:100]!r} in the zip is not UTF-8.") from error


def _check_directory(file: BinaryIO, files: int) -> None:
    """Look at the end record before zipfile reads what it says. Raises Truncated, TooMuch or Unreadable."""
    size = file.seek(0, 2)
    file.seek(max(size - 22 - 65535, 0))
    tail = file.read()
    at = tail.rfind(_END)
    if at < 0 or len(tail) - at < 22:
        raise Truncated("The zip file ends before its directory.")
    disk, first_disk, here, entries, directory, _, comment = struct.unpack("<HHHHIIH", tail[at + 4 : at + 22])
    if at + 22 + comment != len(tail):
        raise Unreadable("Something follows the end of the zip file.")
    if disk or first_disk or here != entries:
        raise Unreadable("The zip file is one of several parts.")
    end = size - len(tail) + at
    entries, directory = _large(file, end) or (entries, directory)
    if entries > files * 2:
        raise TooMuch(f"There are more than {files} files.")
    if directory > DIRECTORY_LIMIT:
        raise TooMuch("The directory of the zip file is too large.")


def _large(file: BinaryIO, end: int) -> tuple[int, int] | None:
    """Entries and bytes of the directory as a ZIP64 end record before ``end`` has them, if there is one.

    zipfile believes such a record wherever it finds one, so it is looked for as zipfile does (APPNOTE 4.3.14-15).
    """
    if end < 76:
        return None
    file.seek(end - 76)
    record, locator = file.read(56), file.read(20)
    if not locator.startswith(b"PK\x06\x07"):
        return None
    values = struct.unpack("<4sQHHIIQQQQ", record)
    if values[0] != b"PK\x06\x06" or struct.unpack("<4sIQI", locator)[2] != end - 76:
        raise Unreadable("The zip file is damaged: its large directory is not where it should be.")
    return int(values[7]), int(values[8])
