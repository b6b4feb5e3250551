"""Pushing whole images request by request, and reading them back, as the distribution-spec has it."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote

import pytest

from deployments.models import Image, ProjectBlob, RegistryTag
from deployments.models.image_store import store
from deployments.oci.zstd import zstd
from ffsweb.accounts.models import Membership, Project, Role, User
from ffsweb.audit.models import AuditEvent
from tests.oci.images import OCI_INDEX, Picture, layer, sha

from .pushing import Client, Served, client, index_of, manifest_of, served, token_of, waiting

__all__ = ["client", "served"]

pytestmark = pytest.mark.django_db(transaction=True)
UPLOADS = "/v2/serbest/blobs/uploads/"


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
