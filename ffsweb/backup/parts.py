"""The framing within the encryption: compressed, the manifest with its length, then the parts in its order.

There is no archive format to be attacked: where a part ends is said by the manifest, which was checked before, and a
part has no mode, no owner and no link.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Final

from deployments.oci.zstd import zstd
from ffsweb.backup import manifest as manifests
from ffsweb.backup.chunks import Decrypting, Encrypting, Sink, Source
from ffsweb.backup.errors import Damaged, NotMade
from ffsweb.backup.manifest import Manifest, Part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ffsweb.sealed import Opener, Sealer

LEVEL: Final = 3
PIECE: Final = 1 << 20


def write(sink: Sink, sealer: Sealer, manifest: Manifest, content: Callable[[Part], Iterator[bytes]]) -> int:
    """Write a whole backup to ``sink``; how many bytes that were.

    ``content`` gives the bytes of a part. Raises NotMade where they are not those that the manifest tells.
    """
    encrypting = Encrypting(sink, sealer)
    with zstd.ZstdFile(encrypting, "wb", level=LEVEL) as stream:
        head = manifest.encode()
        stream.write(len(head).to_bytes(8, "big") + head)
        for part in manifest.parts:
            hashed, size = hashlib.sha256(), 0
            for piece in content(part):
                hashed.update(piece)
                size += len(piece)
                stream.write(piece)
            if size != part.size or hashed.hexdigest() != part.sha256:
                raise NotMade(
                    f"{part.name} is damaged on this machine's disk: its content is not what its name says. "
                    "No backup was made. Upload that image or those files again; --without-images leaves images out."
                )
    encrypting.finish()
    return encrypting.written


class Reading:
    """A backup that is read: :attr:`manifest` first, then :meth:`parts`. Raises Damaged or WrongKey."""

    def __init__(self, source: Source, opener: Opener) -> None:
        self._decrypting = Decrypting(source, opener)
        self._stream = zstd.ZstdFile(self._decrypting, "rb")
        size = int.from_bytes(self._exactly(8), "big")
        if size > manifests.LIMIT:
            raise manifests.forged("its table of contents is too large")
        self.manifest = manifests.read(self._exactly(size))

    def parts(self) -> Iterator[tuple[Part, Iterator[bytes]]]:
        """Each part and its pieces, to be read to their end; what was read is good only when this has ended.

        A part whose SHA-256 is another one raises Damaged after its last piece.
        """
        for part in self.manifest.parts:
            yield part, self._pieces(part)
        if self._read(1):
            raise manifests.forged("there is something after its last part")
        if self._decrypting.read(1):
            raise manifests.forged("there is something after its end")

    def _pieces(self, part: Part) -> Iterator[bytes]:
        hashed, left = hashlib.sha256(), part.size
        while left:
            piece = self._exactly(min(left, PIECE))
            hashed.update(piece)
            left -= len(piece)
            yield piece
        if hashed.hexdigest() != part.sha256:
            raise manifests.forged(f"the content of {part.name} is not what its table of contents says")

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self._read(min(size - len(data), PIECE))
            if not piece:
                raise manifests.forged("it ends within a part")
            data += piece
        return bytes(data)

    def _read(self, size: int) -> bytes:
        try:
            return self._stream.read(size)
        except (zstd.ZstdError, EOFError) as error:
            raise Damaged(f"The backup cannot be decompressed ({error}). Nothing of it was kept.") from error
