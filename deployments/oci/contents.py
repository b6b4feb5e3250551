"""Which files an image has, by the headers of its layers' tars; nothing is unpacked and no content is read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from .errors import ImageError
from .tarheader import BLOCK
from .tarstream import TarReader

if TYPE_CHECKING:
    from typing import BinaryIO

    from .store import Store

MEMBERS = 2_000_000
"""Members of one layer that are looked at."""
FOUND = 10_000
"""Names that are kept; a hostile layer must not fill the memory with names that look right."""

WHITEOUT, OPAQUE = ".wh.", ".wh..wh..opq"


def files_of(store: Store, diff_ids: Iterable[str], wanted: Callable[[str], bool]) -> frozenset[str]:
    """The names, such as ``usr/bin/python3.11``, for which ``wanted`` holds and that the whole image has.

    What an upper layer deletes (whiteouts, image-spec layer.md) does not count, nor does a layer from the first
    header on that cannot be read: it is podman that will refuse it. Costs one seek for each file of the image.
    Raises BlobMissing.
    """
    present: set[str] = set()
    for diff_id in diff_ids:
        added: set[str] = set()
        with store.blobs.open(diff_id) as blob:
            for name in _names(blob):
                folder, _, last = name.rpartition("/")
                if last == OPAQUE:
                    present = _without(present, folder, itself=False)
                elif last.startswith(WHITEOUT):
                    hidden = last.removeprefix(WHITEOUT)
                    present = _without(present, f"{folder}/{hidden}" if folder else hidden, itself=True)
                elif len(added) < FOUND and wanted(name):
                    added.add(name)
        present |= added
    return frozenset(present)


def _without(names: set[str], path: str, *, itself: bool) -> set[str]:
    below = f"{path}/" if path else ""
    return {name for name in names if not name.startswith(below) and not (itself and name == path)}


def _names(blob: BinaryIO) -> Iterator[str]:
    try:
        for entry in _Skipping(blob):
            yield entry.name
    except ImageError:
        return


class _Skipping(TarReader):
    """Goes from header to header without reading what lies between."""

    def __init__(self, blob: BinaryIO) -> None:
        super().__init__(blob, members=MEMBERS)
        self._blob = blob

    def _finish(self) -> None:
        if self._left > BLOCK:  # beyond the end a seek says nothing; the next header, which is missing there, does
            self._blob.seek(self._left, os.SEEK_CUR)
            self._left = 0
        super()._finish()
