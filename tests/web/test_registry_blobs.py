"""Pushing blobs request by request: whole, in chunks, cut, wrong and too large."""

from __future__ import annotations

import socket
import time
from urllib.parse import quote

import pytest
from pytest_django import Settings

from deployments.models import ProjectBlob
from deployments.models.image_store import store
from deployments.oci.zstd import zstd
from tests.oci.images import Picture, layer, sha

from .pushing import Client, Served, client, manifest_of, served, waiting

__all__ = ["client", "served"]

pytestmark = pytest.mark.django_db(transaction=True)


def test_part_of_a_blob_can_be_had(client: Client) -> None:
    picture = Picture()
    client.push(picture)
    tar = picture.layers[0]
    path = f"/v2/serbest/blobs/sha256:{sha(tar)}"
    answer = client.ask("GET", path, Range="bytes=100-")
    assert (answer.status, answer.body) == (206, tar[100:])
    assert answer.headers["Content-Range"] == f"bytes 100-{len(tar) - 1}/{len(tar)}"
    assert client.ask("GET", path, Range=f"bytes={len(tar)}-").status == 416


@pytest.mark.parametrize("ranges", ["", "bytes=100-"])
def test_what_the_disk_has_changed_never_leaves(client: Client, ranges: str) -> None:
    picture = Picture()
    client.push(picture)
    digest = f"sha256:{sha(picture.layers[0])}"
    path = store().blobs.path(digest)
    damaged = bytearray(path.read_bytes())
    damaged[10] ^= 1
    path.write_bytes(damaged)
    answer = client.ask("GET", f"/v2/serbest/blobs/{digest}", **({"Range": ranges} if ranges else {}))
    assert answer.status == 500
    assert "damaged on this machine" in answer.error[1]


def test_a_compressed_layer_is_there_under_its_pushed_digest(client: Client) -> None:
    _, blobs = manifest_of(Picture())
    path = f"/v2/serbest/blobs/sha256:{sha(blobs[0])}"
    assert client.ask("HEAD", path).status == 404
    client.push_blob(blobs[0])
    answer = client.ask("HEAD", path)
    assert (answer.status, answer.headers["Content-Length"]) == (200, str(len(blobs[0])))
    row = ProjectBlob.objects.get()
    assert (row.diff_id, row.content_size) == (f"sha256:{sha(Picture().layers[0])}", len(Picture().layers[0]))
    assert row.diff_id in client.ask("GET", path).error[1]
    store().blobs.path(row.diff_id).unlink()
    assert client.ask("HEAD", path).status == 404, "what the store lost has to be sent again"


def test_a_blob_comes_in_chunks(client: Client) -> None:
    blob = layer(a="1")
    location = client.begin()
    first = client.ask("PATCH", location, blob[:100], Content_Range="0-99")
    assert (first.status, first.headers["Range"]) == (202, "0-99")
    wrong = client.ask("PATCH", location, blob[50:], Content_Range=f"50-{len(blob) - 1}")
    assert (wrong.status, wrong.headers["Range"]) == (416, "0-99")
    asked = client.ask("GET", location)
    assert (asked.status, asked.headers["Range"]) == (204, "0-99")
    second = client.ask("PATCH", asked.headers["Location"], iter([blob[100:150], blob[150:200]]))
    assert second.headers["Range"] == "0-199"
    done = client.ask("PUT", f"{location}?digest=sha256:{sha(blob)}", blob[200:])
    assert (done.status, done.headers["Docker-Content-Digest"]) == (201, f"sha256:{sha(blob)}")
    assert client.ask("GET", location).status == 404
    assert waiting() == []


def test_an_upload_that_was_cut_goes_on_where_it_was(client: Client, served: Served) -> None:
    blob = layer(**{f"f{n}": str(n) * 9000 for n in range(400)})
    location = client.begin()
    with socket.create_connection(("127.0.0.1", served.port)) as connection:
        head = [f"PATCH {location} HTTP/1.1", f"Host: 127.0.0.1:{served.port}", f"Content-Length: {len(blob)}"]
        head += [f"Authorization: {client.authorization}", "", ""]
        connection.sendall("\r\n".join(head).encode() + blob[: len(blob) // 2])
    end = time.monotonic() + 60
    while client.ask("GET", location).headers["Range"] != f"0-{len(blob) // 2 - 1}":
        assert time.monotonic() < end
        time.sleep(0.05)
    while (rest := client.ask("PATCH", location, blob[len(blob) // 2 :])).status == 409:  # until the cut is noticed
        assert time.monotonic() < end
    assert rest.status == 202
    assert client.ask("PUT", f"{location}?digest=sha256:{sha(blob)}").status == 201


def test_a_cancelled_upload_leaves_nothing(client: Client) -> None:
    location = client.begin()
    client.ask("PATCH", location, b"x" * 1000)
    assert client.ask("DELETE", location).status == 204
    assert client.ask("DELETE", location).error[0] == "BLOB_UPLOAD_UNKNOWN"
    assert client.ask("PATCH", location, b"x").error[0] == "BLOB_UPLOAD_UNKNOWN"
    assert waiting() == []


@pytest.mark.parametrize(
    ("blob", "digest", "code", "match"),
    [
        (layer(a="1"), f"sha256:{'0' * 64}", "DIGEST_INVALID", "and the digest sha256:"),
        (layer(a="1"), "sha256:abc", "DIGEST_INVALID", "no SHA-256 digest"),
        (layer(a="1"), "sha512:" + "0" * 128, "DIGEST_INVALID", "no SHA-256 digest"),
        (manifest_of(Picture())[1][0][:-9], "", "BLOB_UPLOAD_INVALID", "ends before"),
        (zstd.compress(layer(a="1"))[:-5], "", "BLOB_UPLOAD_INVALID", "ends before"),
        (manifest_of(Picture())[1][0] + b"more", "", "BLOB_UPLOAD_INVALID", "follows"),
        (b"\x1f\x8b\x08" + bytes(40), "", "BLOB_UPLOAD_INVALID", "damaged"),
        (zstd.compress(b"no tar" * 1000), "", "BLOB_UPLOAD_INVALID", "neither a layer"),
        (b"no document" * 400_000, "", "BLOB_UPLOAD_INVALID", "neither a layer"),
    ],
)
@pytest.mark.parametrize("chunked", [False, True])
def test_a_bad_blob_is_refused_and_nothing_of_it_stays(
    client: Client, blob: bytes, digest: str, code: str, match: str, chunked: bool
) -> None:
    digest = digest or f"sha256:{sha(blob)}"
    if chunked:
        location = client.begin()
        client.ask("PATCH", location, blob)
        answer = client.ask("PUT", f"{location}?digest={quote(digest)}")
        client.ask("DELETE", location)  # where the digest is no digest, the upload waits for a right one
    else:
        answer = client.push_blob(blob, digest=digest)
    assert answer.status == 400
    assert answer.error[0] == code and match in answer.error[1]
    assert waiting() == []
    assert list(store().blobs.digests()) == []
    assert not ProjectBlob.objects.exists()


def test_a_layer_that_unpacks_too_far_is_refused(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.oci.limits import ImageLimits
    from deployments.services import registry_blobs

    monkeypatch.setattr(registry_blobs, "limits", lambda: ImageLimits(layer_bytes=100_000))
    answer = client.push_blob(zstd.compress(layer(a="x" * 200_000)))
    assert answer.error[0] == "BLOB_UPLOAD_INVALID" and "unpacks to more than" in answer.error[1]
    assert list(store().blobs.digests()) == []


@pytest.mark.parametrize("announced", [True, False])
def test_a_blob_beyond_the_limit_is_refused(client: Client, settings: Settings, announced: bool) -> None:
    settings.UPLOAD_LIMIT = 1_000_000
    location = client.begin()
    body = b"x" * 1_000_001 if announced else (b"x" * 10_000 for _ in range(101))
    answer = client.ask("PATCH", location, body)
    assert (answer.status, answer.error[0]) == (413, "SIZE_INVALID")
    assert "at most 1.0 MB" in answer.error[1]
    assert waiting() == []


def test_a_disk_without_room_is_told_before_anything_is_read(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.views import distribution_intake

    monkeypatch.setattr(distribution_intake, "RESERVE", 10**18)
    answer = client.push_blob(layer(a="1"))
    assert (answer.status, answer.error[0]) == (507, "BLOB_UPLOAD_INVALID")
    assert waiting() == []
