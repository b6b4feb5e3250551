"""Which names and modes project files may have. Pure.

The rules hold at the upload, in a stored manifest and (again, in the node's own words) on the node: names that one
program reads otherwise than another are not taken, so none of them has to be quoted cleverly.
"""

from __future__ import annotations

import stat
import unicodedata

from .filetree_errors import BadMode, BadPath

PART_BYTES = 255
PATH_BYTES = 1024
PLAIN_MODE = 0o644
EXECUTABLE_MODE = 0o755

_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def check_path(path: str) -> str:
    """The path itself, if it may name a project file; raises BadPath.

    Relative and normalised (no ``.``, ``..``, empty part or trailing slash), UTF-8, 255 bytes a part and 1024 in all,
    without control characters, line separators, marks that turn the direction of writing, and backslashes.
    """
    if not path:
        raise BadPath("A file has no name.")
    try:
        parts = path.encode().split(b"/")
    except UnicodeEncodeError as error:
        raise BadPath(f"The file name {path[:100]!r} is not UTF-8.") from error
    if path.startswith("/"):
        raise BadPath(f"The file name {path[:100]!r} is absolute.")
    if any(part in (b"", b".", b"..") for part in parts):
        raise BadPath(f"The file name {path[:100]!r} has an empty part, '.' or '..'.")
    if len(path.encode()) > PATH_BYTES or max(map(len, parts)) > PART_BYTES:
        raise BadPath(
            f"The file name {path[:100]!r}… is too long: {PART_BYTES} bytes a part and {PATH_BYTES} in all."
        )
    if "\\" in path:
        raise BadPath(f"The file name {path[:100]!r} has a backslash; the parts of a name are divided by '/'.")
    if any(_invisible(character) for character in path):
        raise BadPath(f"The file name {path[:100]!r} has a control character.")
    return path


def is_path(path: str) -> bool:
    """Whether ``check_path`` takes it."""
    try:
        check_path(path)
    except BadPath:
        return False
    return True


def reduce_mode(mode: int, path: str) -> int:
    """0755 if anybody may execute the file, else 0644. Raises BadMode for setuid, setgid and sticky."""
    if mode & (stat.S_ISUID | stat.S_ISGID | stat.S_ISVTX):
        raise BadMode(f"The file {path[:200]!r} has the setuid, setgid or sticky bit.")
    return EXECUTABLE_MODE if mode & 0o111 else PLAIN_MODE


def _invisible(character: str) -> bool:
    return character in _BIDI or unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
