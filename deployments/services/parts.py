"""One part of an upload, from a request's body into the file, while it comes."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from http import HTTPStatus

from asgiref.sync import sync_to_async

from deployments.models.upload import Upload
from deployments.oci.partfile import PartFile, Vanished, WrongOffset
from deployments.services.resumable import SUMS, prolong
from deployments.services.uploads import UploadRefused
from ffsweb.web.measures import size_in_words
from ffsweb.web.uploads import BodyCut

BUFFER = 1024 * 1024
"""Bytes that are collected before they are written, so that a part costs few changes of thread."""


class Part:
    """Holds the upload's lock from its making to ``close``."""

    def __init__(self, upload: Upload, offset: int, announced: int | None) -> None:
        """``announced``: bytes that are to come, None if unknown. Nothing is taken of a part that cannot fit.

        Raises PartFileError, and UploadRefused for one that is too large.
        """
        if upload.state != Upload.State.OPEN:
            raise Vanished
        self._upload = upload
        self._file = PartFile(upload.path)
        self._writing = threading.Lock()
        self.offset = self._file.size
        """Where the file ends, in bytes."""
        try:
            if offset != self.offset:
                raise WrongOffset(offset, self.offset)
            if announced is not None and announced > upload.size - offset:
                self._too_much("Nothing of the part was kept.")
        except BaseException:
            self._file.close()
            raise

    async def take(self, body: AsyncIterator[bytes]) -> None:
        """Write what comes. Whatever arrived stays, when the client goes (BodyCut) or sends too much (UploadRefused)
        as well. Raises PartFileError, too."""
        write = sync_to_async(self._write)
        collected = bytearray()
        try:
            async for piece in body:
                collected += piece
                if len(collected) >= BUFFER:
                    taken, collected = bytes(collected), bytearray()
                    await write(taken)
        except BodyCut:
            await write(bytes(collected))
            raise
        await write(bytes(collected))

    def _write(self, data: bytes) -> None:
        fits = data[: self._upload.size - self.offset]
        with self._writing:
            self._file.append(fits)
            SUMS.feed(self._upload.key, self.offset, fits)
            self.offset += len(fits)
        if len(fits) < len(data):
            self._too_much("What belongs to the file was kept, the rest was not.")

    def _too_much(self, kept: str) -> None:
        raise UploadRefused(
            f"The part goes beyond the {size_in_words(self._upload.size)} that were announced. {kept}",
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        )

    def close(self) -> None:
        """Give the lock back, as soon as nothing is being written any more."""
        with self._writing:
            self._file.close()

    def prolong(self) -> None:
        """See ``resumable.prolong``."""
        prolong(self._upload)
