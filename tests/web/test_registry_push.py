"""Pushing request by request, as the distribution-spec has it."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest
from django.conf import settings as django_settings
from pytest_django import Settings

from deployments.models.image_store import store
from deployments.models import Image, ProjectBlob, RegistryTag
from deployments.oci.zstd import zstd
from ffsweb.accounts.models import Membership, Project, Role, User
from ffsweb.audit.models import AuditEvent
from tests.oci.images import OCI_INDEX, Picture, layer, sha

from .pushing import Client, Served, index_of, manifest_of, serving, token_of

pytestmark = pytest.mark.django_db(transaction=True)
UPLOADS = "/v2/serbest/blobs/uploads/"


@pytest.fixture
def served(db: None, data: Path, settings: Settings) -> Iterator[Served]:
    settings.ALLOWED_HOSTS = ["127.0.0.1", "testserver"]
    with serving() as running:
        yield running


@pytest.fixture
def client(served: Served, bob: User, project: Project) -> Client:
    return Client(served.port, "bob", token_of(bob, project))


def waiting() -> list[Path]:
    """Uploads that are not whole."""
    directory = django_settings.DATA / "pushes"
    return list(directory.iterdir()) if directory.exists() else []


@pytest.mark.parametrize("pack", [bytes, zstd.compress, None], ids=["plain", "zstd", "gzip"])
def test_an_image_is_pushed_blob_by_blob(client: Client, pack: object, project: Project) -> None:
    picture = Picture()
    answer = client.push(picture, **({"pack": pack} if pack else {}))
    assert answer.status == 201, answer.body
    image = Image.objects.get()
    assert (image.image_id, image.reference, image.created_by) == (picture.image_id, "serbest:v1", "bob (builder)")
    assert image.came_by == "push"
    assert [each["diff_id"] for each in image.layers] == [f"sha256:{sha(each)}" for each in picture.layers]
    for each in image.layers:
        store().blobs.verify(each["diff_id"])
    event = AuditEvent.objects.get(action="image.push")
    assert (event.actor_name, event.target) == ("bob", "serbest:v1")
    assert waiting() == []


def test_a_pushed_image_is_read_back_by_tag_and_by_digest(client: Client) -> None:
    picture = Picture()
    client.push(picture, repository="serbest/web", reference="1.0")
    answer = client.ask("GET", "/v2/serbest/web/manifests/1.0")
    manifest = json.loads(answer.body)
    digest = answer.headers["Docker-Content-Digest"]
    assert digest == f"sha256:{sha(answer.body)}"
    assert answer.headers["Content-Type"] == manifest["mediaType"]
    assert manifest["config"]["digest"] == picture.image_id
    for each, tar in zip(manifest["layers"], picture.layers, strict=True):
        assert client.ask("GET", f"/v2/serbest/web/blobs/{each['digest']}").body == tar
    assert client.ask("GET", f"/v2/serbest/web/manifests/{digest}").body == answer.body
    head = client.ask("HEAD", f"/v2/serbest/web/manifests/{digest}")
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(answer.body)))
    assert json.loads(client.ask("GET", "/v2/serbest/web/tags/list").body) == {"name": "serbest/web", "tags": ["1.0"]}
    assert client.ask("GET", "/v2/serbest/tags/list").error[0] == "NAME_UNKNOWN"


def test_the_pushed_form_says_where_the_kept_one_is(client: Client) -> None:
    manifest, _ = manifest_of(Picture())
    answer = client.push(Picture())
    pushed = f"sha256:{sha(manifest)}"
    assert answer.headers["Docker-Content-Digest"] == pushed
    code, message = client.ask("GET", f"/v2/serbest/manifests/{pushed}").error
    assert code == "MANIFEST_UNKNOWN"
    assert Image.objects.get().manifest_digest in message


def test_part_of_a_blob_can_be_had(client: Client) -> None:
    picture = Picture()
    client.push(picture)
    tar = picture.layers[0]
    path = f"/v2/serbest/blobs/sha256:{sha(tar)}"
    answer = client.ask("GET", path, Range="bytes=100-")
    assert (answer.status, answer.body) == (206, tar[100:])
    assert answer.headers["Content-Range"] == f"bytes 100-{len(tar) - 1}/{len(tar)}"
    assert client.ask("GET", path, Range=f"bytes={len(tar)}-").status == 416


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


def test_an_index_is_pushed_after_its_images(client: Client, project: Project) -> None:
    pictures = {"amd64": Picture(), "arm64": Picture(layers=[layer(arm="1")], architecture="arm64")}
    manifests = []
    for architecture, picture in pictures.items():
        manifest, blobs = manifest_of(picture)
        for blob in blobs:
            client.push_blob(blob)
        assert client.push_manifest(manifest, f"sha256:{sha(manifest)}").status == 201
        manifests.append((manifest, architecture))
    assert {image.reference for image in Image.objects.all()} == {""}
    attestation = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": f"sha256:{'1' * 64}",
                "size": 2,
            },
            "layers": [{"mediaType": "application/vnd.in-toto+json", "digest": f"sha256:{'2' * 64}", "size": 2}],
        }
    ).encode()
    assert client.push_manifest(attestation, f"sha256:{sha(attestation)}").status == 201
    index = index_of(*manifests, (attestation, "unknown"))
    answer = client.push_manifest(index, "v2", media_type=OCI_INDEX)
    assert answer.status == 201, answer.body
    rows = {image.architecture: image for image in Image.objects.all()}
    assert rows.keys() == pictures.keys()
    assert {row.reference for row in rows.values()} == {"serbest:v2"}
    assert len({row.index_digest for row in rows.values()}) == 1
    kept = client.ask("GET", "/v2/serbest/manifests/v2")
    assert kept.headers["Content-Type"] == OCI_INDEX
    for entry in json.loads(kept.body)["manifests"]:
        row = rows[entry["platform"]["architecture"]]
        assert entry["digest"] == row.manifest_digest
        body = client.ask("GET", f"/v2/serbest/manifests/{entry['digest']}").body
        assert (sha(body), len(body)) == (entry["digest"][7:], entry["size"])
        assert json.loads(body)["config"]["digest"] == pictures[row.architecture].image_id
    assert client.ask("GET", f"/v2/serbest/manifests/{rows['arm64'].index_digest}").body == kept.body


def test_an_index_of_what_was_not_pushed_is_refused(client: Client) -> None:
    answer = client.push_manifest(index_of((b"{}", "amd64")), media_type=OCI_INDEX)
    assert answer.error[0] == "MANIFEST_BLOB_UNKNOWN"
    assert not Image.objects.exists()


def test_a_tag_moves_and_the_image_stays(client: Client) -> None:
    old, new = Picture(), Picture(layers=[layer(b="2")])
    client.push(old)
    client.push(new)
    served = json.loads(client.ask("GET", "/v2/serbest/manifests/v1").body)
    assert served["config"]["digest"] == new.image_id
    assert RegistryTag.objects.count() == 1
    assert Image.objects.count() == 2


def test_two_pushes_at_once_of_images_that_share_layers_both_arrive(client: Client) -> None:
    shared = layer(**{f"f{n}": str(n) * 999 for n in range(500)})
    pictures = [Picture(layers=[shared, layer(own=str(n))]) for n in range(4)]
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda n: client.push(pictures[n], f"v{n}"), range(4)))
    assert [answer.status for answer in answers] == [201] * 4, [answer.body for answer in answers]
    assert {image.image_id for image in Image.objects.all()} == {picture.image_id for picture in pictures}
    store().blobs.verify(f"sha256:{sha(shared)}")
    assert waiting() == []


def test_a_blob_is_mounted_from_a_project_that_the_token_may_read(
    served: Served, bob: User, project: Project, data: Path
) -> None:
    other = Project.objects.create(name="other")
    Membership.objects.create(user=bob, project=other, role=Role.OPERATOR)
    theirs = Client(served.port, "bob", token_of(bob, other))
    blob = manifest_of(Picture())[1][0]
    digest = f"sha256:{sha(blob)}"
    theirs.push_blob(blob, "other/base")
    narrow = Client(served.port, "bob", token_of(bob, project))
    wide = Client(served.port, "bob", token_of(bob, project, also_reads=[other]))
    assert narrow.ask("HEAD", f"/v2/serbest/blobs/{digest}").status == 404, "another project's blob is not seen"
    mount = f"{UPLOADS}?mount={digest}&from=other/base"
    assert narrow.ask("POST", mount).status == 202
    answer = wide.ask("POST", mount)
    assert (answer.status, answer.headers["Docker-Content-Digest"]) == (201, digest)
    assert narrow.ask("HEAD", f"/v2/serbest/blobs/{digest}").status == 200
    assert wide.ask("GET", f"/v2/other/blobs/sha256:{sha(Picture().layers[0])}").status == 404
    assert wide.ask("HEAD", f"/v2/other/base/blobs/{digest}").status == 200
    assert wide.ask("POST", "/v2/other/blobs/uploads/").error[0] == "DENIED"
    Membership.objects.filter(user=bob, project=other).delete()
    assert wide.ask("HEAD", f"/v2/other/base/blobs/{digest}").status == 403
    for nothing in ("nowhere/x", "other\0", "", "../other"):
        assert wide.ask("POST", f"{UPLOADS}?mount=sha256:{'0' * 64}&from={quote(nothing)}").status == 202


def test_a_layer_that_came_by_an_archive_need_not_be_pushed(client: Client, project: Project) -> None:
    picture = Picture()
    client.push(picture)
    ProjectBlob.objects.all().delete()
    for tar in picture.layers:
        assert client.ask("HEAD", f"/v2/serbest/blobs/sha256:{sha(tar)}").status == 200
    assert client.push(picture, "v2", pack=bytes).status == 201
