"""The endpoint gives exactly what an operation offers, as podman wants it, and survives what podman does not do."""

from __future__ import annotations

import email
import email.policy
import io
import json
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployments.oci.archive import import_archive
from deployments.oci.endpoint import Endpoint, OfferedBlob, offer
from deployments.oci.errors import BlobDamaged, BlobMissing
from deployments.oci.http import HEADER_LIMIT, Refused, parse_range, parse_request
from deployments.oci.pacing import Pacer
from deployments.oci.registry import serve
from deployments.oci.store import ImportedImage, Store

from .images import Picture, archive, layer, podman_members
from .serving import Answer, Client, Counted

TOKEN = "0123456789abcdef0123456789abcdef"
BIG = layer(app="x" * 700_000)


@pytest.fixture
def image(store: Store) -> ImportedImage:
    return import_archive(io.BytesIO(archive(podman_members(Picture(layers=[layer(base="b"), BIG])))), store)


@pytest.fixture
def counted() -> Counted:
    return Counted()


@pytest.fixture
def endpoint(store: Store, image: ImportedImage, counted: Counted) -> Endpoint:
    return offer(
        store, image.manifest_digest, token=TOKEN, repository="app", tags=frozenset({"v1"}), on_bytes=counted
    )


@pytest.fixture
def client(endpoint: Endpoint) -> Iterator[Client]:
    client = Client(endpoint)
    yield client
    client.close()


def blob(image: ImportedImage, at: int = 1) -> str:
    return f"/v2/{TOKEN}/app/blobs/{image.layers[at].diff_id}"


@pytest.mark.parametrize("ranges", ["", "bytes=0-99", "bytes=0-99,200-299"])
def test_what_the_disk_has_changed_never_leaves(
    store: Store, image: ImportedImage, client: Client, ranges: str
) -> None:
    path = store.blobs.path(image.layers[1].diff_id)
    assert client.ask(blob(image)).status == 200
    data = bytearray(path.read_bytes())
    data[-5000] ^= 1
    path.write_bytes(data)
    fields = {"Range": ranges} if ranges else {}
    answer = client.ask(blob(image), **fields)
    assert answer.status == 500
    assert b"damaged" in answer.body
    assert data[:100] not in answer.body


def test_a_file_that_stayed_as_it_was_is_read_through_once(
    store: Store, image: ImportedImage, client: Client
) -> None:
    assert client.ask(blob(image)).status == 200
    path = store.blobs.path(image.layers[1].diff_id)
    found = path.stat()
    with path.open("r+b") as file:
        file.write(b"X")
    os.utime(path, ns=(found.st_mtime_ns, found.st_mtime_ns))
    assert client.ask(blob(image), Range="bytes=0-9").status == 206, "it is known by inode, size and time"
    os.utime(path)
    assert client.ask(blob(image), Range="bytes=0-9").status == 500


def test_it_answers_the_ping(client: Client) -> None:
    assert client.ask("/v2/").status == 200
    assert client.ask("/v2/").body == b"{}"


def test_it_hangs_up_on_tls_at_once(client: Client) -> None:
    client.send(b"\x16\x03\x01")
    assert client.ended()


def test_a_manifest_is_found_by_digest_and_by_tag(client: Client, image: ImportedImage, store: Store) -> None:
    for reference in (image.manifest_digest, "v1"):
        answer = client.ask(f"/v2/{TOKEN}/app/manifests/{reference}")
        assert answer.status == 200
        assert answer.fields["content-type"] == "application/vnd.oci.image.manifest.v1+json"
        assert answer.fields["docker-content-digest"] == image.manifest_digest
        assert answer.body == store.document(image.manifest_digest)


def test_blobs_are_given_whole(client: Client, image: ImportedImage, store: Store) -> None:
    for digest in (image.image_id, *(each.diff_id for each in image.layers)):
        answer = client.ask(f"/v2/{TOKEN}/app/blobs/{digest}")
        assert (answer.status, answer.body) == (200, store.blobs.path(digest).read_bytes())
        assert "content-encoding" not in answer.fields


def test_layers_travel_packed_when_the_client_takes_gzip(client: Client, image: ImportedImage) -> None:
    answer = client.ask(blob(image), Accept_Encoding="gzip")
    assert (answer.status, answer.fields["content-encoding"]) == (200, "gzip")
    assert answer.unpacked() == BIG
    assert len(answer.body) < len(BIG) / 50
    config = client.ask(f"/v2/{TOKEN}/app/blobs/{image.image_id}", Accept_Encoding="gzip")
    assert "content-encoding" not in config.fields


@pytest.mark.parametrize("coding", ["identity", "br", "gzip;q=0", "gzip;q=0.0", "xgzip"])
def test_layers_travel_plain_when_the_client_does_not_take_gzip(
    coding: str, client: Client, image: ImportedImage
) -> None:
    assert client.ask(blob(image), Accept_Encoding=coding).body == BIG


def test_packing_can_be_switched_off(endpoint: Endpoint, image: ImportedImage) -> None:
    client = Client(replace(endpoint, gzip_level=0))
    assert client.ask(blob(image), Accept_Encoding="gzip").body == BIG
    client.close()


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=100-299", 100, 300),
        ("bytes=700000-", 700_000, len(BIG)),
        ("bytes=-10", len(BIG) - 10, len(BIG)),
        ("bytes=-99999999", 0, len(BIG)),
        ("bytes=5-99999999", 5, len(BIG)),
    ],
)
def test_a_range_is_given(text: str, start: int, end: int, client: Client, image: ImportedImage) -> None:
    answer = client.ask(blob(image), Range=text, Accept_Encoding="gzip")
    assert (answer.status, answer.body) == (206, BIG[start:end])
    assert answer.fields["content-range"] == f"bytes {start}-{end - 1}/{len(BIG)}"


@pytest.mark.parametrize(
    "text",
    [
        *("bytes=-", "bytes=a-b", "lines=1-2", "bytes=" + "1" * 30 + "-", "bytes=1", "0-1", "bytes=bytes=0-1"),
        *("bytes=0-1,", "bytes=,0-1", "bytes=0-1,a-b", "lines=0-1,5-6", "0-1,5-6", "bytes=0-1;5-6", "bytes=0-1,5-4"),
        # Never 416 to several: podman would give up. Never more than the blob: nobody needs that.
        *(f"bytes=0-1,{len(BIG)}-", "bytes=0-1,-0", "bytes=0-,0-", f"bytes=0-{len(BIG)},-1"),
        "bytes=" + ",".join(f"{at}-{at}" for at in range(1025)),
    ],
)
def test_malformed_or_senseless_ranges_get_400_and_the_connection_goes_on(
    text: str, client: Client, image: ImportedImage
) -> None:
    assert client.ask(blob(image), Range=text).status == 400
    assert client.ask("/v2/").status == 200


@pytest.mark.parametrize("text", [f"bytes={len(BIG)}-", "bytes=9-8", "bytes=-0"])
def test_a_range_beyond_the_blob_gets_416(text: str, client: Client, image: ImportedImage) -> None:
    assert client.ask(blob(image), Range=text).status == 416


def parts(answer: Answer) -> list[tuple[str, bytes]]:
    """Content-Range and bytes of each part, as a MIME reader sees them."""
    head = f"Content-Type: {answer.fields['content-type']}\r\n\r\n".encode()
    message = email.message_from_bytes(head + answer.body, policy=email.policy.HTTP)
    single = [part for part in message.walk() if not part.is_multipart()]
    return [(str(part["Content-Range"]), part.get_payload(decode=True)) for part in single]  # type: ignore[misc]


def test_several_ranges_are_given_in_one_answer_of_exact_length(client: Client, image: ImportedImage) -> None:
    answer = client.ask(blob(image), Range="bytes=0-9, 100-299,700000-,-5", Accept_Encoding="gzip")
    assert (answer.status, len(answer.body)) == (206, int(answer.fields["content-length"]))
    assert answer.fields["content-type"].startswith("multipart/byteranges; boundary=")
    size = len(BIG)
    assert parts(answer) == [
        (f"bytes 0-9/{size}", BIG[:10]),
        (f"bytes 100-299/{size}", BIG[100:300]),
        (f"bytes 700000-{size - 1}/{size}", BIG[700_000:]),
        (f"bytes {size - 5}-{size - 1}/{size}", BIG[-5:]),
    ]
    head = client.ask(blob(image), "HEAD", Range="bytes=0-9,100-299")
    assert (head.status, head.body) == (206, b"")
    assert client.ask("/v2/").status == 200


def test_1024_ranges_are_given(client: Client, image: ImportedImage) -> None:
    ranges = ",".join(f"{at * 100}-{at * 100 + 9}" for at in range(1024, 2048))
    answer = client.ask(blob(image), Range=f"bytes={ranges}")
    assert answer.status == 206
    assert [body for _, body in parts(answer)] == [BIG[at * 100 : at * 100 + 10] for at in range(1024, 2048)]
    assert client.ask("/v2/").status == 200


def test_a_large_range_among_small_ones_goes_in_pieces(endpoint: Endpoint, image: ImportedImage) -> None:
    pieces: list[int] = []
    client = Client(replace(endpoint, on_bytes=lambda _digest, count: pieces.append(count)))
    answer = client.ask(blob(image), Range="bytes=0-0,10-600009,700000-700000")
    assert [body for _, body in parts(answer)] == [BIG[:1], BIG[10:600_010], BIG[700_000:700_001]]
    client.close()
    assert max(pieces) < 300_000


def test_a_pace_is_kept_by_all_connections_together_and_counts_are_honest(
    endpoint: Endpoint, image: ImportedImage, counted: Counted
) -> None:
    waits: list[float] = []
    pace = Pacer(1_000_000, clock=lambda: 0.0, sleep=waits.append)
    paced = replace(endpoint, pace=pace)
    for _ in range(2):
        client = Client(paced)
        assert client.ask(blob(image), Range="bytes=0-99999").body == BIG[:100_000]
        client.close()
    sent = counted.bytes[image.layers[1].diff_id]
    assert 200_000 < sent < 202_000
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(sent / 1e6, abs=0.101)


def test_head_gives_the_fields_alone(client: Client, image: ImportedImage) -> None:
    answer = client.ask(blob(image), "HEAD")
    assert (answer.status, answer.fields["content-length"]) == (200, str(len(BIG)))
    assert client.ask(f"/v2/{TOKEN}/app/manifests/v1", "HEAD").status == 200
    assert client.ask(blob(image), "HEAD", Accept_Encoding="gzip").status == 200
    assert client.ask(f"/v2/{TOKEN}/app/manifests/v2", "HEAD").status == 404
    assert client.ask("/v2/").body == b"{}"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_it_is_read_only(method: str, client: Client, image: ImportedImage) -> None:
    answer = client.ask(f"/v2/{TOKEN}/app/blobs/uploads/", method)
    assert answer.status == 405
    assert client.ended()


@pytest.mark.parametrize(
    "target",
    [
        "/",
        "/v2/_catalog",
        f"/v2/{TOKEN}",
        f"/v2/{TOKEN}/app/tags/list",
        "/v2/app/manifests/v1",
        "/v2/0123456789abcdef0123456789abcdee/app/manifests/v1",
        f"/v2/{TOKEN}/other/manifests/v1",
        f"/v2/{TOKEN}/app/../app/manifests/v1",
        f"/v2/{TOKEN}/app/manifests/v2",
        f"/v2/{TOKEN}/app/manifests/",
        f"/v2/{TOKEN}/app/blobs/sha256:../../../etc/passwd",
        f"/v2/{TOKEN}/app/blobs/v1",
        f"/v2//{TOKEN}/app/manifests/v1",
        f"/v2/{TOKEN}/app/manifests/v1/",
    ],
)
def test_anything_else_is_404(target: str, client: Client) -> None:
    answer = client.ask(target)
    assert answer.status == 404
    assert json.loads(answer.body)["errors"][0]["code"] in ("NAME_UNKNOWN", "MANIFEST_UNKNOWN", "BLOB_UNKNOWN")
    assert client.ask("/v2/").status == 200


def test_a_blob_of_the_store_that_was_not_offered_is_404(client: Client, store: Store) -> None:
    other = import_archive(io.BytesIO(archive(podman_members(Picture(layers=[layer(secret="s")])))), store)
    for digest in (other.image_id, other.layers[0].diff_id):
        assert client.ask(f"/v2/{TOKEN}/app/blobs/{digest}").status == 404
    assert client.ask(f"/v2/{TOKEN}/app/manifests/{other.manifest_digest}").status == 404


def test_a_manifest_is_no_blob_and_a_blob_no_manifest(client: Client, image: ImportedImage) -> None:
    assert client.ask(f"/v2/{TOKEN}/app/manifests/{image.image_id}").status == 404


def test_a_blob_that_is_gone_is_404(client: Client, image: ImportedImage, store: Store) -> None:
    store.blobs.path(image.layers[1].diff_id).unlink()
    assert client.ask(blob(image)).status == 404


def test_a_blob_that_gets_shorter_while_it_is_sent_cuts_the_connection(
    endpoint: Endpoint, image: ImportedImage, store: Store
) -> None:
    def shorten(digest: str, _count: int) -> None:
        if digest:
            with store.blobs.path(digest).open("r+b") as file:
                file.truncate(1000)

    client = Client(replace(endpoint, on_bytes=shorten))
    client.send(f"GET {blob(image)} HTTP/1.1\r\n\r\n".encode())
    while client.file.readline().strip():
        pass
    assert len(client.file.read()) < image.layers[1].size
    client.close()


def test_requests_that_come_at_once_are_answered_in_order(client: Client, image: ImportedImage) -> None:
    client.send(f"GET /v2/ HTTP/1.1\r\n\r\nGET {blob(image)} HTTP/1.1\r\nRange: bytes=0-9\r\n\r\n".encode() * 3)
    assert [client.answer().status for _ in range(6)] == [200, 206] * 3


def test_a_request_in_pieces_is_answered(client: Client) -> None:
    for byte in b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n":
        client.send(bytes([byte]))
    assert client.answer().status == 200


@pytest.mark.parametrize("close", [b"GET /v2/ HTTP/1.0\r\n\r\n", b"GET /v2/ HTTP/1.1\r\nConnection: Close\r\n\r\n"])
def test_it_closes_when_it_is_asked_to(close: bytes, client: Client) -> None:
    client.send(close)
    assert client.answer().status == 200
    assert client.ended()


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n\r\n",
        b"GET /v2/ HTTP/2.0\r\n\r\n",
        b"GET http://x/v2/ HTTP/1.1\r\n\r\n",
        b"GET /v2/ x HTTP/1.1\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nno colon\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nname : x\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\na: b\r\n folded\r\n\r\n",
        b"GET /v2/ HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        b"GET /v2/ HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"\x00\x01\x02\r\n\r\n",
    ],
)
def test_what_is_no_request_gets_400_and_the_end(data: bytes, client: Client) -> None:
    client.send(data)
    assert client.answer().status == 400
    assert client.ended()


def test_a_header_without_end_is_cut(client: Client) -> None:
    client.send(b"GET /v2/ HTTP/1.1\r\nX: " + b"x" * (HEADER_LIMIT + 1))
    assert client.answer().status == 431


def test_a_silent_client_is_dropped(endpoint: Endpoint) -> None:
    client = Client(replace(endpoint, idle_seconds=0.05))
    assert client.ended()
    client.close()


def test_a_client_that_reads_nothing_is_dropped(endpoint: Endpoint, image: ImportedImage) -> None:
    client = Client(replace(endpoint, idle_seconds=0.2))
    client.send(f"GET {blob(image)} HTTP/1.1\r\n\r\n".encode() * 5)
    client.thread.join(10)
    assert not client.thread.is_alive()
    client.close()


def test_the_bytes_on_the_wire_are_counted_by_blob(
    endpoint: Endpoint, image: ImportedImage, counted: Counted
) -> None:
    client = Client(endpoint)
    packed = client.ask(blob(image), Accept_Encoding="gzip")
    client.ask("/v2/")
    client.close()
    assert len(packed.body) < counted.bytes[image.layers[1].diff_id] < len(packed.body) + 1000
    assert 0 < counted.bytes[""] < 300
    assert image.layers[0].diff_id not in counted.bytes


def test_what_the_counter_raises_comes_through_and_closes_the_channel(endpoint: Endpoint) -> None:
    class Cancelled(Exception):
        pass

    def cancel(digest: str, count: int) -> None:
        raise Cancelled

    ours, theirs = socket.socketpair()
    with ours:
        ours.sendall(b"GET /v2/ HTTP/1.1\r\n\r\n")
        with pytest.raises(Cancelled):
            serve(theirs, replace(endpoint, on_bytes=cancel))
        assert theirs.fileno() == -1


def test_many_connections_are_served_at_once(endpoint: Endpoint, image: ImportedImage) -> None:
    clients = [Client(endpoint) for _ in range(8)]
    answers: list[bytes] = []
    threads = [
        threading.Thread(target=lambda each=each: answers.append(each.ask(blob(image)).body)) for each in clients
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert answers == [BIG] * 8
    for each in clients:
        each.close()


def test_an_image_that_lacks_a_part_is_not_offered(store: Store, image: ImportedImage) -> None:
    path = store.blobs.path(image.layers[0].diff_id)
    path.write_bytes(b"short")
    with pytest.raises(BlobDamaged):
        offer(store, image.manifest_digest, token=TOKEN, repository="app")
    path.unlink()
    with pytest.raises(BlobMissing):
        offer(store, image.manifest_digest, token=TOKEN, repository="app")


@pytest.mark.parametrize("token", ["", "short", "UPPER" * 10, "with/slash" * 5, "ü" * 30])
def test_a_token_that_can_be_guessed_or_breaks_a_path_is_refused(
    token: str, store: Store, image: ImportedImage
) -> None:
    with pytest.raises(ValueError, match="token"):
        offer(store, image.manifest_digest, token=token, repository="app")


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=300))
def test_any_head_is_a_request_or_refused(data: bytes) -> None:
    for head in (data, b"GET /v2/ HTTP/1.1\r\n" + data, b"GET /" + data + b" HTTP/1.1"):
        try:
            parse_request(head)
        except Refused as refused:
            assert refused.status == 400 or refused.status == 405


@given(start=st.integers(0, 100), end=st.integers(0, 100), size=st.integers(1, 80))
def test_a_range_lies_within_the_blob(start: int, end: int, size: int) -> None:
    try:
        span: Any = parse_range(f"bytes={start}-{end}", size)
    except Refused:
        assert start > end or start >= size
    else:
        assert span.start == start
        assert span.end == min(end + 1, size)


def test_an_endpoint_is_a_value(store: Store, image: ImportedImage, endpoint: Endpoint) -> None:
    again = offer(store, image.manifest_digest, token=TOKEN, repository="app", tags=frozenset({"v1"}))
    assert again == endpoint
    assert all(isinstance(each, OfferedBlob) for each in endpoint.blobs)
