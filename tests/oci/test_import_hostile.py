"""What no honest archive holds is refused with its reason, and nothing of it stays."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deployments.oci import errors
from deployments.oci.archive import import_archive
from deployments.oci.errors import ImageError
from deployments.oci.limits import ImageLimits
from deployments.oci.store import Store
from deployments.oci.zstd import zstd

from .images import (
    OCI_MANIFEST,
    Picture,
    archive,
    descriptor,
    everything_below,
    layer,
    member,
    oci_manifest,
    oci_members,
    old_docker_members,
    podman_members,
    sha,
    tar,
)

SMALL = ImageLimits(archive_bytes=4_000_000, expanded_bytes=2_000_000, layer_bytes=1_000_000, members=100)


@pytest.fixture(autouse=True)
def _nothing_stays(store: Store) -> Iterator[None]:
    before = everything_below(store.directory)
    yield
    assert everything_below(store.directory) == before
    assert [path.name for path in (store.directory / "scratch").iterdir() if not path.name.endswith("lock")] == []


def refuse(data: bytes, store: Store, error: type[ImageError], match: str) -> None:
    with pytest.raises(error, match=match) as caught:
        import_archive(io.BytesIO(data), store, SMALL)
    assert type(caught.value) is error
    assert "Nothing was kept." in str(caught.value)


def good() -> dict[str, Any]:
    return podman_members(Picture())


def with_member(info: tarfile.TarInfo, data: bytes = b"") -> bytes:
    """A good archive that begins with one more member."""
    return info.tobuf(tarfile.GNU_FORMAT) + data + bytes(-len(data) % 512) + archive(good())


# The file itself


@pytest.mark.parametrize(
    ("data", "error", "match"),
    [
        (b"", errors.NotAnArchive, "is empty"),
        (bytes(10240), errors.NotAnArchive, "is empty"),
        (b"hello" * 1000, errors.NotAnArchive, "not a tar archive"),
        (b"\x28\xb5\x2f\xfd" + b"\xff" * 100, errors.ArchiveError, "damaged|more than 128 MiB"),
        (zstd.compress(b"hello" * 1000), errors.NotAnArchive, "not a tar archive"),
        (zstd.compress(b""), errors.Truncated, "without its end mark"),
        (b"\xfd7zXZ\x00" + bytes(100), errors.Unsupported, "xz"),
        (gzip.compress(b"hello" * 1000, mtime=0), errors.NotAnArchive, "not a tar archive"),
        (b"\x1f\x8b\x08" + bytes(100), errors.ArchiveError, "damaged"),
        (gzip.compress(b"", mtime=0), errors.Truncated, "without its end mark"),
        (archive({"readme.txt": b"hello"}), errors.NotAnImage, "neither a manifest.json nor an index.json"),
        (archive({"manifest.json": b"[]"}), errors.NotAnImage, "lists no image"),
        (b"PK\x03\x04" + bytes(600), errors.NotAnArchive, "not a tar archive"),
    ],
)
def test_what_is_no_image_archive_is_refused(data: bytes, error: type[ImageError], match: str, store: Store) -> None:
    refuse(data, store, error, match)


@pytest.mark.parametrize("cut", [100, 512, 700, 1024, 3000, 6000])
def test_a_truncated_archive_is_refused(cut: int, store: Store) -> None:
    refuse(archive(good())[:cut], store, errors.Truncated, "ends")


def test_an_archive_without_its_end_mark_is_refused(store: Store) -> None:
    refuse(archive(good())[:-1024], store, errors.Truncated, "without its end mark")
    refuse(archive(good())[:-512], store, errors.Truncated, "within its end mark")


def test_a_truncated_gzip_is_refused(store: Store) -> None:
    refuse(gzip.compress(archive(good()))[:-9], store, errors.Truncated, "compressed stream")


def test_zeros_may_follow_the_end_and_nothing_else(tmp_path: Any) -> None:
    store = Store(tmp_path / "other")
    assert import_archive(io.BytesIO(archive(good()) + bytes(9000)), store).image_id == Picture().image_id
    assert import_archive(io.BytesIO(gzip.compress(archive(good())) + bytes(9)), store)


@pytest.mark.parametrize("end", [b"x", bytes(5000) + b"x", archive({"a": b"a"})])
def test_trailing_data_is_refused(end: bytes, store: Store) -> None:
    refuse(archive(good()) + end, store, errors.TrailingData, "follows the end")
    refuse(gzip.compress(archive(good())) + end, store, errors.TrailingData, "follows the end")


def test_a_damaged_checksum_is_refused(store: Store) -> None:
    data = bytearray(archive(good()))
    data[3] ^= 1
    refuse(bytes(data), store, errors.NotAnArchive, "wrong checksum")


def test_a_damaged_gzip_is_refused(store: Store) -> None:
    data = bytearray(gzip.compress(archive(good())))
    data[-6] ^= 1
    refuse(bytes(data), store, errors.ArchiveError, "damaged")


# Sizes


def test_an_archive_beyond_the_limit_is_refused(store: Store) -> None:
    refuse(archive(good() | {f"x{n}": bytes(900_000) for n in range(5)}), store, errors.TooLarge, "larger than")


def test_a_member_beyond_the_limit_is_refused(store: Store) -> None:
    refuse(archive(good() | {"x": bytes(1_000_001)}), store, errors.TooLarge, "'x' has more than")


def test_a_gzip_bomb_as_the_archive_is_refused(store: Store) -> None:
    data = archive(good() | {f"x{n}": bytes(900_000) for n in range(3)})
    refuse(gzip.compress(data), store, errors.Expands, "unpacks to more than")


def test_a_gzip_bomb_as_a_layer_is_refused(store: Store) -> None:
    bomb = gzip.compress(bytes(50_000_000), mtime=0)
    refuse(archive(good() | {"bomb": bomb}), store, errors.TooLarge, "'bomb' has more than")
    small = gzip.compress(bytes(900_000), mtime=0)
    refuse(archive(good() | {f"b{n}": small for n in range(3)}), store, errors.Expands, "unpacks to more than")


def test_many_members_are_refused(store: Store) -> None:
    refuse(archive({f"x{n}": b"" for n in range(101)}), store, errors.TooLarge, "more than 100 members")


def test_a_size_that_no_disk_has_is_refused(store: Store) -> None:
    info = tarfile.TarInfo("x")
    info.size = 2**62
    refuse(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048), store, errors.Truncated, "middle of 'x'")


def test_a_huge_extended_header_is_not_read(store: Store) -> None:
    info = tarfile.TarInfo("././@PaxHeader")
    info.type, info.size = tarfile.XHDTYPE, 2**40
    refuse(info.tobuf(tarfile.GNU_FORMAT) + bytes(2048), store, errors.TooLarge, "extended header")


# Names, links, types


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("../evil", "leads out"),
        ("a/../../evil", "leads out"),
        ("/etc/passwd", "absolute"),
        ("x" * 2000, "more than 1024 bytes"),
    ],
)
def test_a_name_that_leads_out_is_refused(name: str, match: str, store: Store) -> None:
    refuse(tar([member(name, b"x")]), store, errors.BadMember, match)


def test_a_name_that_is_not_utf8_is_refused(store: Store) -> None:
    info = tarfile.TarInfo("caf\udce9")
    block = info.tobuf(tarfile.USTAR_FORMAT, encoding="utf-8", errors="surrogateescape")
    refuse(block + archive(good()), store, errors.BadMember, "not UTF-8")


@pytest.mark.parametrize("target", ["../../etc/passwd", "/etc/passwd", "../..", "a/../../../x"])
def test_a_link_out_of_the_archive_is_refused(target: str, store: Store) -> None:
    refuse(with_member(*member("d/x", kind=tarfile.SYMTYPE, link=target)), store, errors.BadMember, "leads out")


def test_a_hard_link_out_of_the_archive_is_refused(store: Store) -> None:
    info, _ = member("x", kind=tarfile.LNKTYPE, link="../../etc/passwd")
    refuse(with_member(info), store, errors.BadMember, "leads out")
    info, _ = member("x", kind=tarfile.LNKTYPE, link="/etc/passwd")
    refuse(with_member(info), store, errors.BadMember, "absolute")


def test_links_in_a_circle_are_refused(store: Store) -> None:
    members = {"manifest.json": "other.json", "other.json": "manifest.json"}
    refuse(archive(members), store, errors.BadMember, "circle")


def test_a_link_to_nothing_is_no_manifest(store: Store) -> None:
    refuse(archive({"manifest.json": "other.json"}), store, errors.NotAnImage, "neither")


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(kind: bytes, store: Store) -> None:
    refuse(with_member(member("x", kind=kind)[0]), store, errors.BadMember, "which no image needs")


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_SPARSE, b"V", b"M", b"Z"])
def test_unknown_types_are_refused(kind: bytes, store: Store) -> None:
    refuse(with_member(member("x", kind=kind)[0]), store, errors.Unsupported, "unknown type")


def test_a_name_that_occurs_twice_is_refused(store: Store) -> None:
    refuse(tar([member("a", b"1"), member("./a", b"2")]), store, errors.DuplicateMember, "'a' twice")
    twice = [member("a", kind=tarfile.SYMTYPE, link="b"), member("a", b"2")]
    refuse(tar(twice), store, errors.DuplicateMember, "'a' twice")
    refuse(tar([member("a/", kind=tarfile.DIRTYPE), member("a", b"2")]), store, errors.DuplicateMember, "'a' twice")


@pytest.mark.parametrize("records", [b"12 path=x", b"99 path=evil\n", b"-1 a=b\n", b"x", b"0 a=b\n", b"7 path=\n"])
def test_a_malformed_extended_header_is_refused(records: bytes, store: Store) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(records)
    with pytest.raises(ImageError):
        import_archive(io.BytesIO(with_member(info, records)), store, SMALL)


# Documents


def changed(change: Callable[[dict[str, Any]], None], where: str = "manifest") -> bytes:
    """An OCI archive whose manifest (or configuration) was changed, with everything above it made to fit."""
    picture = Picture()
    members = oci_members(picture, packed=False)
    manifest_data, _ = oci_manifest(picture, packed=False)
    manifest = json.loads(manifest_data)
    if where == "config":
        config = json.loads(picture.config)
        change(config)
        data = json.dumps(config).encode()
        members[f"blobs/sha256/{sha(data)}"] = data
        manifest["config"] |= {"digest": f"sha256:{sha(data)}", "size": len(data)}
    else:
        change(manifest)
    data = json.dumps(manifest).encode()
    members[f"blobs/sha256/{sha(data)}"] = data
    members["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [descriptor(OCI_MANIFEST, data)]}).encode()
    return archive(members)


BAD_MANIFESTS: dict[str, tuple[Callable[[dict[str, Any]], Any], type[ImageError], str]] = {
    "urls": (lambda m: m["layers"][0].update(urls=["https://x"]), errors.BadLayer, "content elsewhere"),
    "foreign": (
        lambda m: m["layers"][0].update(mediaType="application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
        errors.BadLayer,
        "foreign",
    ),
    "encrypted": (
        lambda m: m["layers"][0].update(mediaType="application/vnd.oci.image.layer.v1.tar+encrypted"),
        errors.BadLayer,
        "encrypted",
    ),
    "type": (lambda m: m["layers"][0].update(mediaType="text/html"), errors.BadLayer, "not that of a layer"),
    "artifact": (
        lambda m: m["config"].update(mediaType="application/vnd.cncf.helm.config.v1+json"),
        errors.NotAnImage,
        "something else than an image",
    ),
    "size": (lambda m: m["layers"][0].update(size=1), errors.WrongDigest, "states 1 bytes for layer 1"),
    "negative size": (lambda m: m["layers"][0].update(size=-1), errors.BadDocument, "whole number"),
    "text size": (lambda m: m["layers"][0].update(size="1"), errors.BadDocument, "whole number"),
    "true size": (lambda m: m["layers"][0].update(size=True), errors.BadDocument, "whole number"),
    "digest": (lambda m: m["layers"][0].update(digest="sha512:00"), errors.BadDocument, "not SHA-256"),
    "path in a digest": (
        lambda m: m["layers"][0].update(digest="sha256:../../../../etc/passwd"),
        errors.BadDocument,
        "not SHA-256",
    ),
    "missing": (
        lambda m: m["layers"][0].update(digest="sha256:" + "0" * 64),
        errors.NotAnImage,
        "does not hold layer 1",
    ),
    "fewer layers": (lambda m: m["layers"].pop(), errors.BadDocument, "lists 1 layers, its configuration 2"),
    "swapped layers": (lambda m: m["layers"].reverse(), errors.WrongDigest, "Layer 1 of the image has the diffID"),
    "128 layers": (lambda m: m.update(layers=m["layers"] * 64), errors.BadLayer, "128 layers; 127"),
    "schema 1": (lambda m: m.update(schemaVersion=1), errors.BadDocument, "schema version"),
    "both": (lambda m: m.update(manifests=[]), errors.BadDocument, "neither a manifest nor an index"),
    "lookalike": (lambda m: m.update(Layers=[]), errors.BadDocument, "differ by case"),
    "not an object": (lambda m: m.update(config=[]), errors.BadDocument, "must be an object"),
    "not a list": (lambda m: m.update(layers={"a": 1}), errors.BadDocument, "must be a list"),
}


@pytest.mark.parametrize("case", BAD_MANIFESTS)
def test_a_bad_manifest_is_refused(case: str, store: Store) -> None:
    change, error, match = BAD_MANIFESTS[case]
    refuse(changed(change), store, error, match)


def many_layers(config: dict[str, Any]) -> None:
    config["rootfs"]["diff_ids"] *= 64


BAD_CONFIGS: dict[str, tuple[Callable[[dict[str, Any]], Any], type[ImageError], str]] = {
    "no rootfs": (lambda c: c.pop("rootfs"), errors.NotAnImage, "lists no layers"),
    "no layers": (lambda c: c["rootfs"].update(diff_ids=[]), errors.NotAnImage, "no layers"),
    "128 layers": (many_layers, errors.BadLayer, "128 layers"),
    "wrong diffID": (
        lambda c: c["rootfs"]["diff_ids"].__setitem__(0, "sha256:" + "0" * 64),
        errors.WrongDigest,
        "it should have sha256:0000",
    ),
    "no digest": (lambda c: c["rootfs"]["diff_ids"].__setitem__(0, "x"), errors.BadDocument, "not SHA-256"),
    "no architecture": (lambda c: c.update(architecture=""), errors.BadDocument, "architecture"),
    "architecture of a wrong type": (lambda c: c.update(architecture=1), errors.BadDocument, "must be a string"),
    "rootfs of another type": (lambda c: c["rootfs"].update(type="ostree"), errors.BadDocument, "type layers"),
    "entrypoint of a wrong type": (
        lambda c: c["config"].update(Entrypoint="/bin/sh"),
        errors.BadDocument,
        "Entrypoint must be a list",
    ),
    "lookalike": (lambda c: c.update(RootFS={}), errors.BadDocument, "differ by case"),
    "lookalike entrypoint": (lambda c: c["config"].update(entrypoint=[]), errors.BadDocument, "differ by case"),
}


@pytest.mark.parametrize("case", BAD_CONFIGS)
def test_a_bad_configuration_is_refused(case: str, store: Store) -> None:
    change, error, match = BAD_CONFIGS[case]
    refuse(changed(change, "config"), store, error, match)


@pytest.mark.parametrize(
    ("data", "match"),
    [
        (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
        (b"[" * 40 + b"]" * 40, "nested too deeply"),
        (b"[" + b"0," * 450_000 + b"0]", "elements"),
        (b'{"a":1,"a":2}', "occurs twice"),
        (b"[" + b"9" * 10_000 + b"]", "not valid JSON"),
        (b"[NaN]", "not valid JSON"),
        (b"\xff\xfe", "not valid JSON"),
        (b"", "not valid JSON"),
        (b"nonsense", "not valid JSON"),
        (b'"text"', "must be a list"),
    ],
)
def test_absurd_json_is_refused(data: bytes, match: str, store: Store) -> None:
    refuse(archive(good() | {"manifest.json": data}), store, errors.BadDocument, match)


def test_json_over_4_mib_is_refused(store: Store) -> None:
    data = b'[{"Config":"' + b"x" * (4 * 1024 * 1024) + b'"}]'
    with pytest.raises(errors.BadDocument, match="more than 4 MiB"):
        import_archive(io.BytesIO(archive(good() | {"manifest.json": data})), store)


# Digests and layers


def test_a_blob_under_another_name_is_refused(store: Store) -> None:
    members = oci_members(Picture())
    name = next(name for name in members if name.startswith("blobs/"))
    refuse(archive(members | {name: b"else"}), store, errors.WrongDigest, "holds something else")


def test_a_configuration_under_another_name_is_refused(store: Store) -> None:
    picture = Picture()
    members = podman_members(picture) | {f"{sha(picture.config)}.json": Picture(architecture="arm64").config}
    refuse(archive(members), store, errors.WrongDigest, "holds something else")


def test_a_compressed_configuration_is_refused(store: Store) -> None:
    picture = Picture()
    members = podman_members(picture)
    members["c.json"] = gzip.compress(picture.config)
    members["manifest.json"] = members["manifest.json"].replace(sha(picture.config).encode() + b".json", b"c.json")
    refuse(archive(members), store, errors.BadDocument, "compressed")


def test_a_layer_that_is_no_tar_is_refused(store: Store) -> None:
    refuse(archive(podman_members(Picture(layers=[b"#!/bin/sh\n" * 100]))), store, errors.BadLayer, "not a tar")


def test_a_truncated_gzip_layer_is_refused(store: Store) -> None:
    members = old_docker_members(Picture())
    name = next(name for name in members if name.endswith("layer.tar"))
    refuse(archive(members | {name: gzip.compress(members[name])[:-4]}), store, errors.Truncated, "compressed stream")


def test_a_gzip_layer_with_trailing_data_is_refused(store: Store) -> None:
    members = old_docker_members(Picture())
    name = next(name for name in members if name.endswith("layer.tar"))
    packed = gzip.compress(members[name]) + b"more"
    refuse(archive(members | {name: packed}), store, errors.TrailingData, "follows the end")


def test_a_docker_archive_with_foreign_layers_is_refused(store: Store) -> None:
    members = good()
    manifest = json.loads(members["manifest.json"])
    manifest[0]["LayerSources"] = {"sha256:" + "0" * 64: {"urls": ["https://x"]}}
    refuse(archive(members | {"manifest.json": json.dumps(manifest).encode()}), store, errors.BadLayer, "foreign")


@pytest.mark.parametrize("name", ["/etc/passwd", "../../etc/passwd", "a/../../b"])
def test_a_manifest_that_names_files_outside_is_refused(name: str, store: Store) -> None:
    members = good()
    manifest = json.loads(members["manifest.json"])
    manifest[0]["Layers"][0] = name
    members["manifest.json"] = json.dumps(manifest).encode()
    refuse(archive(members), store, errors.BadMember, "absolute|leads out")


def test_indexes_within_indexes_are_refused_at_some_depth(store: Store) -> None:
    members = oci_members(Picture())
    for _ in range(5):
        inner = members["index.json"]
        members[f"blobs/sha256/{sha(inner)}"] = inner
        top = descriptor("application/vnd.oci.image.index.v1+json", inner)
        members["index.json"] = json.dumps({"schemaVersion": 2, "manifests": [top]}).encode()
    refuse(archive(members), store, errors.BadDocument, "nested too deeply")


def test_an_index_whose_images_are_not_there_is_refused(store: Store) -> None:
    members = oci_members(Picture(layers=[layer(z="z")]))
    members = {name: data for name, data in members.items() if not name.startswith("blobs/")}
    refuse(archive(members), store, errors.NotAnImage, "does not hold it")


def test_a_layout_of_another_version_is_refused(store: Store) -> None:
    members = oci_members(Picture()) | {"oci-layout": b'{"imageLayoutVersion":"2.0.0"}'}
    refuse(archive(members), store, errors.BadDocument, "version 1.0.0")
