"""Manifests that nobody should push: refused with the spec's codes, and nothing is recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.http import HttpResponse
from django.test import Client

from deployments.models import Image, PushedManifest, RegistryTag
from ffsweb.accounts.models import Project, User
from tests.oci.images import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Picture, descriptor, layer, sha

from .pushing import manifest_of, token_of
from .test_registry_access import basic, code

pytestmark = pytest.mark.django_db
Change = dict[str, Any]
GOOD = Picture()
LAYERS = [descriptor(OCI_LAYER, each) for each in GOOD.layers]


@pytest.fixture
def authorization(bob: User, project: Project, data: Path) -> str:
    return basic("bob", token_of(bob, project))


def push(authorization: str, body: bytes, media_type: str = OCI_MANIFEST, reference: str = "v1") -> HttpResponse:
    path = f"/v2/serbest/manifests/{quote(reference)}"
    return Client().put(path, body, content_type=media_type, headers={"Authorization": authorization})


def push_blobs(authorization: str, *blobs: bytes) -> None:
    for blob in blobs:
        path = f"/v2/serbest/blobs/uploads/?digest=sha256:{sha(blob)}"
        answer = Client().generic("POST", path, blob, headers={"Authorization": authorization})
        assert answer.status_code == 201, answer.content


def nothing_was_recorded() -> None:
    assert not Image.objects.exists()
    assert not PushedManifest.objects.exists()
    assert not RegistryTag.objects.exists()


def changed(at: int, **fields: Any) -> Change:
    layers = [dict(each) for each in LAYERS]
    layers[at] |= fields
    return {"layers": layers}


BAD: dict[str, tuple[Change, str, str]] = {
    "urls": (changed(0, urls=["https://example.com/x"]), "MANIFEST_INVALID", "urls"),
    "foreign-layer": (
        changed(0, mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        "MANIFEST_INVALID",
        "foreign layer",
    ),
    "not-distributable": (
        changed(0, mediaType="application/vnd.oci.image.layer.nondistributable.v1.tar"),
        "MANIFEST_INVALID",
        "foreign layer",
    ),
    "encrypted": (changed(0, mediaType=OCI_LAYER + "+gzip+encrypted"), "MANIFEST_INVALID", "encrypted"),
    "unknown-layer-type": (changed(0, mediaType="application/wasm"), "MANIFEST_INVALID", "not that of a layer"),
    "wrong-size": (changed(1, size=5), "SIZE_INVALID", "states 5 bytes for layer 2"),
    "negative-size": (changed(1, size=-1), "MANIFEST_INVALID", "whole number"),
    "unknown-blob": (changed(0, digest=f"sha256:{'0' * 64}"), "MANIFEST_BLOB_UNKNOWN", "(layer 1) was not pushed"),
    "no-digest": (changed(0, digest="../../etc/passwd"), "MANIFEST_INVALID", "not SHA-256"),
    "swapped-layers": ({"layers": LAYERS[::-1]}, "MANIFEST_INVALID", "Layer 1 has the diffID"),
    "one-layer-less": ({"layers": LAYERS[:1]}, "MANIFEST_INVALID", "lists 1 layers"),
    "128-layers": ({"layers": LAYERS[:1] * 128}, "MANIFEST_INVALID", "128 layers"),
    "artifact": (
        {"config": {"mediaType": "application/vnd.oci.empty.v1+json", "digest": f"sha256:{'0' * 64}", "size": 2}},
        "MANIFEST_INVALID",
        "something else than an image",
    ),
    "layer-as-configuration": (
        {"config": LAYERS[0] | {"mediaType": OCI_CONFIG}},
        "MANIFEST_INVALID",
        "not valid JSON",
    ),
    "configuration-as-layer": (
        {"layers": [descriptor(OCI_LAYER, GOOD.config), LAYERS[1]]},
        "MANIFEST_INVALID",
        "Layer 1 is not a tar archive",
    ),
    "both-manifest-and-index": ({"manifests": []}, "MANIFEST_INVALID", "neither a manifest nor an index"),
    "schema-1": ({"schemaVersion": 1}, "MANIFEST_INVALID", "schema version 2"),
    "another-type-within": ({"mediaType": OCI_INDEX}, "MANIFEST_INVALID", "under the type"),
    "keys-that-look-alike": ({"Layers": []}, "MANIFEST_INVALID", "differ by case only"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_manifest_is_refused(name: str, authorization: str) -> None:
    change, expected, match = BAD[name]
    push_blobs(authorization, *GOOD.layers, GOOD.config)
    answer = push(authorization, manifest_of(GOOD, pack=bytes, **({"layers": LAYERS} | change))[0])
    assert code(answer) == expected, answer.content
    assert match in answer.json()["errors"][0]["message"]
    nothing_was_recorded()


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b'"text"', b"[" * 100_000, b'{"layers":[],"layers":[]}', b"\xff\xfe", b"{}"]
)
@pytest.mark.parametrize("media_type", [OCI_MANIFEST, OCI_INDEX])
def test_what_is_no_manifest_is_refused(body: bytes, media_type: str, authorization: str) -> None:
    assert code(push(authorization, body, media_type)) == "MANIFEST_INVALID"
    nothing_was_recorded()


@pytest.mark.parametrize("media_type", ["application/json", "text/html", "x" * 5000])
def test_an_unknown_media_type_is_refused(media_type: str, authorization: str) -> None:
    answer = push(authorization, manifest_of(GOOD)[0], media_type)
    assert code(answer) == "MANIFEST_INVALID"
    assert "is not taken" in answer.json()["errors"][0]["message"]


def test_a_manifest_of_more_than_4_mib_is_refused(authorization: str) -> None:
    answer = push(authorization, manifest_of(GOOD)[0] + b" " * 4 * 1024 * 1024)
    assert (answer.status_code, code(answer)) == (413, "MANIFEST_INVALID")


@pytest.mark.parametrize("reference", [f"sha256:{'0' * 64}", "sha256:0", "a b", "-x", "x" * 129])
def test_a_reference_that_is_not_the_manifests_is_refused(reference: str, authorization: str) -> None:
    push_blobs(authorization, *GOOD.layers, GOOD.config)
    answer = push(authorization, manifest_of(GOOD, layers=LAYERS)[0], reference=reference)
    assert code(answer) == "DIGEST_INVALID"
    nothing_was_recorded()


@pytest.mark.parametrize(
    ("picture", "match"),
    [
        (Picture(extra={"os": "windows"}), "is for windows/amd64"),
        (Picture(extra={"rootfs": None}), "lists no layers"),
        (Picture(extra={"rootfs": {"type": "layers", "diff_ids": ["sha256:1", "sha256:2"]}}), "not SHA-256"),
        (Picture(layers=[layer(a="1")], extra={"architecture": 5}), "must be a string"),
    ],
)
def test_a_bad_configuration_is_refused(picture: Picture, match: str, authorization: str) -> None:
    push_blobs(authorization, *picture.layers, picture.config)
    layers = [descriptor(OCI_LAYER, each) for each in picture.layers]
    answer = push(authorization, manifest_of(picture, layers=layers)[0])
    assert code(answer) == "MANIFEST_INVALID"
    assert match in answer.json()["errors"][0]["message"]
    nothing_was_recorded()


@pytest.mark.parametrize("reference", ["v1", f"sha256:{'0' * 64}"])
def test_an_index_of_nothing_or_of_too_much_is_refused(reference: str, authorization: str) -> None:
    empty = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}
    assert code(push(authorization, json.dumps(empty).encode(), OCI_INDEX)) == "MANIFEST_INVALID"
    entry = descriptor(OCI_MANIFEST, b"{}")
    many = empty | {"manifests": [entry] * 201}
    assert code(push(authorization, json.dumps(many).encode(), OCI_INDEX)) == "MANIFEST_INVALID"
    nothing_was_recorded()


def test_a_layer_of_another_project_does_not_complete_an_image(
    authorization: str, alice: User, project: Project
) -> None:
    push_blobs(authorization, *GOOD.layers, GOOD.config)
    other = Project.objects.create(name="other")
    other.memberships.create(user=alice, role="admin")
    theirs = basic("alice", token_of(alice, other))
    path = "/v2/other/manifests/v1"
    body = manifest_of(GOOD, layers=LAYERS)[0]
    answer = Client().put(path, body, content_type=OCI_MANIFEST, headers={"Authorization": theirs})
    assert code(answer) == "MANIFEST_BLOB_UNKNOWN"
    nothing_was_recorded()
