"""What can be wrong with project files. Every message is for an operator.

::

    FilesError
    ├── BadPath          a name that is not taken
    ├── NotAFile         a link, device or pipe
    ├── BadMode          setuid, setgid or sticky
    ├── Clash            two entries that cannot both be
    ├── BadManifest      a stored or received manifest that breaks the format
    ├── TooMuch          more files or bytes than the limits allow
    ├── Unreadable       the upload cannot be read as an archive
    ├── ContentMissing   the content of a file is not in the store, or damaged there
    ├── NoRoom           the disk is full
    └── Busy             the store cannot be cleaned now
"""

from __future__ import annotations

from typing import ClassVar


class FilesError(Exception):
    """The root. ``str()`` is what happened, what was left as it was, and what to do next."""

    advice: ClassVar[str] = "Nothing was kept."

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what

    def __str__(self) -> str:
        return f"{self.what} {self.advice}"


class BadPath(FilesError):
    """A name that is not taken."""

    advice = "Nothing was kept. Rename it and upload the files again."


class NotAFile(FilesError):
    """A link, device or pipe: a release holds plain files only."""

    advice = "Nothing was kept. Put a copy in its place (tar: --dereference --hard-dereference) and upload again."


class BadMode(FilesError):
    """A file with the setuid, setgid or sticky bit."""

    advice = "Nothing was kept. Take the bit away (chmod u-s,g-s,-t) and upload the files again."


class Clash(FilesError):
    """Two entries that cannot both be: one name twice, or a file where another needs a directory."""


class BadManifest(FilesError):
    """A stored or received manifest that breaks the format."""

    advice = "Nothing was changed."


class TooMuch(FilesError):
    """More files or bytes than the limits allow."""


class Unreadable(FilesError):
    """The upload cannot be read as an archive, or not with what this program reads."""

    advice = "Nothing was kept. Upload a tar, tar.gz, tar.bz2, tar.zst or zip file."


class ContentMissing(FilesError):
    """The content of a file is not in the store, or damaged there."""

    advice = "Nothing was sent to the end. Upload the files again: the store takes the content back."


class NoRoom(FilesError):
    """The disk is full."""

    advice = "Nothing was kept. Make room in the data directory and upload again."


class Busy(FilesError):
    """The store cannot be cleaned now."""

    advice = "Nothing was removed. Try again when the running upload has ended."
