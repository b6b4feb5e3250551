"""The read-only registry that a node pulls from, spoken on a channel instead of a socket.

Source: OCI distribution-spec 1.1, "Pull". The channel is the SSH connection's reverse forward: no port is opened
here, and the node reaches nothing but the endpoint's own manifests and blobs. podman's habits (TLS tried first, up to
1024 ranges in one field, what it does on 400, 416 and a cut) are answered as ``http`` says.
"""

from __future__ import annotations

import zlib
from http import HTTPStatus
from typing import TYPE_CHECKING, Protocol

from .byteranges import byteranges, pieces
from .http import HEADER_LIMIT, Refused, Request, Span, bad_request, parse_ranges, parse_request, response_head
from .registry_open import opened, split_path

if TYPE_CHECKING:
    from typing import BinaryIO

    from .endpoint import Endpoint, OfferedBlob, OfferedManifest

SEND = 128 * 1024
"""Bytes per send: the size at which an SSH channel is fastest."""

TLS_HELLO = 0x16

Fields = list[tuple[str, str]]


class Channel(Protocol):
    """A paramiko channel, or a connected socket."""

    def recv(self, size: int, /) -> bytes: ...
    def sendall(self, data: bytes, /) -> object: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def close(self) -> None: ...


def serve(channel: Channel, endpoint: Endpoint) -> None:
    """Answer requests until the client ends the connection, misbehaves, is idle too long, or the channel breaks.

    Always closes the channel. What ``endpoint.on_bytes`` raises comes through; nothing else does.
    """
    try:
        channel.settimeout(endpoint.idle_seconds)
        _Connection(channel, endpoint).run()
    except (OSError, EOFError):  # the other side went away, or was silent too long: it will come back if it wants
        pass
    finally:
        channel.close()


class _Connection:
    def __init__(self, channel: Channel, endpoint: Endpoint) -> None:
        self._channel, self._endpoint = channel, endpoint
        self._ahead = b""

    def run(self) -> None:
        keep_alive = True
        while keep_alive:
            try:
                head = self._head()
                if head is None:
                    return
                request = parse_request(head)
            except Refused as refused:
                self._refuse(refused, with_body=True)
                return
            keep_alive = self._answer(request)

    def _head(self) -> bytes | None:
        """The next request's head; None at the end, or when the client speaks TLS (it then tries plain HTTP)."""
        while b"\r\n\r\n" not in self._ahead:
            if len(self._ahead) > HEADER_LIMIT:
                raise Refused(
                    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "UNSUPPORTED", "The header is too large.", close=True
                )
            data = self._channel.recv(HEADER_LIMIT)
            if not data or (not self._ahead and data[0] == TLS_HELLO):
                return None
            self._ahead += data
        head, _, self._ahead = self._ahead.partition(b"\r\n\r\n")
        if len(head) > HEADER_LIMIT:
            raise bad_request("The header is too large.")
        return head

    def _answer(self, request: Request) -> bool:
        """Answer one request; whether the connection goes on."""
        try:
            self._route(request)
        except Refused as refused:
            self._refuse(refused, with_body=request.method == "GET")
            return request.keep_alive and not refused.close
        return request.keep_alive

    def _route(self, request: Request) -> None:
        path = request.target.partition("?")[0]
        if path in ("/v2", "/v2/"):
            self._small(request, b"{}", [("Content-Type", "application/json")])
            return
        name, kind, reference = split_path(path)
        if kind and self._endpoint.admits(name):
            if kind == "manifests" and (manifest := self._endpoint.manifest(reference)):
                self._manifest(request, manifest)
                return
            if kind == "blobs" and (blob := self._endpoint.blob(reference)):
                self._blob(request, blob)
                return
        code = {"manifests": "MANIFEST_UNKNOWN", "blobs": "BLOB_UNKNOWN"}.get(kind, "NAME_UNKNOWN")
        raise Refused(HTTPStatus.NOT_FOUND, code, "This is not offered here.")

    def _manifest(self, request: Request, manifest: OfferedManifest) -> None:
        fields = [("Content-Type", manifest.media_type), ("Docker-Content-Digest", manifest.digest)]
        self._small(request, manifest.body, fields)

    def _blob(self, request: Request, blob: OfferedBlob) -> None:
        spans = parse_ranges(request.field("range"), blob.size)
        fields = [
            ("Content-Type", "application/octet-stream"),
            ("Docker-Content-Digest", blob.digest),
            ("Accept-Ranges", "bytes"),
        ]
        with opened(blob) as file:
            if len(spans) > 1:
                self._multipart(request, file, blob, spans, fields)
            elif not spans and self._codes(request, blob):
                fields += [("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked")]
                self._gzip(request, file, blob, fields)
            else:
                self._plain(request, file, blob, spans[0] if spans else None, fields)

    def _plain(self, request: Request, file: BinaryIO, blob: OfferedBlob, span: Span | None, fields: Fields) -> None:
        status = HTTPStatus.OK
        if span is not None:
            status = HTTPStatus.PARTIAL_CONTENT
            fields.append(("Content-Range", f"bytes {span.start}-{span.end - 1}/{blob.size}"))
        start, end = (span.start, span.end) if span else (0, blob.size)
        fields.append(("Content-Length", str(end - start)))
        self._send(response_head(status, fields), blob.digest)
        if request.method == "HEAD":
            return
        for data in pieces(file, Span(start, end), SEND):
            self._send(data, blob.digest)

    def _multipart(
        self, request: Request, file: BinaryIO, blob: OfferedBlob, spans: tuple[Span, ...], fields: Fields
    ) -> None:
        """Several ranges in one answer (RFC 9110, 14.6): as podman's partial pulls ask for them."""
        parts = byteranges(spans, blob.size)
        fields = [each for each in fields if each[0] != "Content-Type"]
        fields += [("Content-Type", parts.content_type), ("Content-Length", str(parts.length))]
        self._send(response_head(HTTPStatus.PARTIAL_CONTENT, fields), blob.digest)
        if request.method == "HEAD":
            return
        pending = bytearray()  # a thousand small parts go in a few pieces
        for head, span in zip(parts.heads, spans, strict=True):
            pending += head
            for data in pieces(file, span, SEND):
                pending += data
                if len(pending) >= SEND:
                    self._send(bytes(pending), blob.digest)
                    pending.clear()
        self._send(bytes(pending) + parts.end, blob.digest)

    def _gzip(self, request: Request, file: BinaryIO, blob: OfferedBlob, fields: Fields) -> None:
        self._send(response_head(HTTPStatus.OK, fields), blob.digest)
        if request.method == "HEAD":
            return
        coder = zlib.compressobj(self._endpoint.gzip_level, wbits=31)
        pending = bytearray()
        while data := file.read(SEND):
            pending += coder.compress(data)
            if len(pending) >= SEND:
                self._chunk(pending, blob.digest)
                pending.clear()
        self._chunk(pending + coder.flush(), blob.digest)
        self._send(b"0\r\n\r\n", blob.digest)

    def _codes(self, request: Request, blob: OfferedBlob) -> bool:
        """Whether the blob travels gzip-coded: its digest stays that of the uncompressed tar."""
        return blob.compressible and self._endpoint.gzip_level > 0 and request.chunked and request.accepts_gzip()

    def _chunk(self, data: bytearray, digest: str) -> None:
        self._send(b"%x\r\n" % len(data) + bytes(data) + b"\r\n", digest)

    def _small(self, request: Request, body: bytes, fields: Fields) -> None:
        head = response_head(HTTPStatus.OK, [*fields, ("Content-Length", str(len(body)))])
        self._send(head if request.method == "HEAD" else head + body)

    def _refuse(self, refused: Refused, *, with_body: bool) -> None:
        body = refused.body()
        fields = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        if refused.close:
            fields.append(("Connection", "close"))
        self._send(response_head(refused.status, fields) + (body if with_body else b""))

    def _send(self, data: bytes, digest: str = "") -> None:
        pace = self._endpoint.pace
        if pace is None:
            self._channel.sendall(data)
            self._endpoint.on_bytes(digest, len(data))
            return
        piece = min(pace.piece, SEND)
        for start in range(0, len(data), piece):
            part = data[start : start + piece]
            pace.take(len(part))
            self._channel.sendall(part)
            self._endpoint.on_bytes(digest, len(part))
