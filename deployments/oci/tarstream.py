"""A tar archive read once, front to back, with bounded memory. Nothing is ever extracted to a path from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import BadMember, NotAnArchive, TooLarge, Truncated, Unsupported
from .streams import CHUNK, Readable, expect_only_zeros
from .tarheader import BLOCK, KINDS, ZEROS, Header, Kind, parse_header, parse_pax

if TYPE_CHECKING:
    from collections.abc import Iterator

EXTENDED_LIMIT = 1024 * 1024
"""Bytes of one extended header (pax records, GNU long names)."""

NAME_LIMIT = 1024
"""Bytes of a member's name or of a link's target."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A member: its normalised name ("" is the archive's root), permission bits, bytes of data, raw link target."""

    name: str
    kind: Kind
    mode: int
    size: int
    link: str


class TarReader:
    """Iterate over the entries; ``read`` gives the data of the current one.

    Raises NotAnArchive, Truncated, TrailingData, TooLarge, BadMember or Unsupported. The end of the archive is two
    zero blocks, after which only zero padding may follow.
    """

    def __init__(self, raw: Readable, *, members: int) -> None:
        self._raw, self._members = raw, members
        self._left = 0
        self._padding = 0
        self._current = ""

    def __iter__(self) -> Iterator[Entry]:
        count = 0
        while (header := self._next_header()) is not None:
            count += 1
            if count > self._members:
                raise TooLarge(f"The archive has more than {self._members} members.")
            yield self._begin(header)
        if count == 0:
            raise NotAnArchive("The archive is empty.")

    def read(self, size: int) -> bytes:
        """Up to ``size`` bytes of the current entry's data, ``b""`` at its end."""
        if not self._left:
            return b""
        data = self._raw.read(min(size, self._left))
        if not data:
            raise Truncated(f"The archive ends in the middle of {self._current!r}.")
        self._left -= len(data)
        return data

    def _begin(self, header: Header) -> Entry:
        kind = KINDS.get(header.flag)
        if kind is None:
            raise Unsupported(f"The archive has a member of an unknown type ({header.flag!r}).")
        if kind is Kind.FILE and header.name.endswith(b"/"):
            kind = Kind.DIRECTORY  # as archives older than POSIX mark them
        size = header.size if kind is Kind.FILE else 0  # links carry the size of their target in some archives
        name = member_name(header.name)
        self._expect(size, name)
        return Entry(name, kind, header.mode, size, _decoded(header.link))

    def _next_header(self) -> Header | None:
        """The next member's header with its extensions applied; None at the end of the archive."""
        path: bytes | None = None
        link: bytes | None = None
        size: int | None = None
        while True:
            header = self._block_header()
            if header is None:
                if path is not None or link is not None or size is not None:
                    raise Truncated("The archive ends after an extended header.")
                return None
            if header.flag == b"L":
                path = self._extended(header).rstrip(b"\0")
            elif header.flag == b"K":
                link = self._extended(header).rstrip(b"\0")
            elif header.flag == b"x":
                records = parse_pax(self._extended(header))
                path = records.get("path", path)
                link = records.get("linkpath", link)
                size = _pax_size(records.get("size"), size)
            elif header.flag == b"g":
                self._ignore_global(header)
            else:
                return Header(
                    name=header.name if path is None else path,
                    mode=header.mode,
                    size=header.size if size is None else size,
                    flag=header.flag,
                    link=header.link if link is None else link,
                )

    def _ignore_global(self, header: Header) -> None:
        """`git archive` writes a global header with a comment; one that renames members is refused."""
        if parse_pax(self._extended(header)):
            raise Unsupported("The archive has a global header that changes its members.")

    def _block_header(self) -> Header | None:
        self._finish()
        block = self._exactly(BLOCK, "The archive ends without its end mark.")
        if block != ZEROS:
            return parse_header(block)
        if self._exactly(BLOCK, "The archive ends within its end mark.") != ZEROS:
            raise NotAnArchive("The archive is damaged: its end mark is broken.")
        expect_only_zeros(self._raw)
        return None

    def _extended(self, header: Header) -> bytes:
        if header.size > EXTENDED_LIMIT:
            raise TooLarge("The archive has an extended header of more than 1 MiB.")
        self._expect(header.size, "an extended header")
        data = bytearray()
        while chunk := self.read(CHUNK):
            data += chunk
        return bytes(data)

    def _expect(self, size: int, name: str) -> None:
        self._left, self._padding, self._current = size, -size % BLOCK, name

    def _finish(self) -> None:
        while self.read(CHUNK):
            pass
        if self._padding:
            self._exactly(self._padding, f"The archive ends after {self._current!r}.")
            self._padding = 0

    def _exactly(self, size: int, otherwise: str) -> bytes:
        data = b""
        while len(data) < size:
            more = self._raw.read(size - len(data))
            if not more:
                raise Truncated(otherwise)
            data += more
        return data


def member_name(raw: bytes) -> str:
    """A member's name without ``./`` and trailing slashes. Raises BadMember for what leads out of the archive."""
    name = _decoded(raw)
    if name.startswith("/"):
        raise BadMember(f"The archive has an absolute name: {name[:200]!r}.")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise BadMember(f"The archive has a name that leads out of it: {name[:200]!r}.")
    return "/".join(parts)


def _decoded(raw: bytes) -> str:
    if len(raw) > NAME_LIMIT:
        raise BadMember(f"The archive has a name of more than {NAME_LIMIT} bytes.")
    try:
        name = raw.decode()
    except UnicodeDecodeError as error:
        raise BadMember(f"The archive has a name that is not UTF-8: {raw[:200]!r}.") from error
    if "\0" in name:
        raise BadMember(f"The archive has a name with a zero byte: {name[:200]!r}.")
    return name


def _pax_size(text: bytes | None, otherwise: int | None) -> int | None:
    if text is None:
        return otherwise
    if not text.isdigit() or len(text) > 18:
        raise NotAnArchive("The archive is damaged: an extended header has a malformed size.")
    return int(text)
