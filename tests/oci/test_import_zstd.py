"""Zstandard archives and layers: every honest form is read, and what is cut, damaged, absurd or followed by more is
refused."""

from __future__ import annotations

import io
import os
import struct
from collections.abc import Callable
from typing import Any

import pytest

from deployments.oci import errors
from deployments.oci.archive import import_archive
from deployments.oci.compression import unzstd
from deployments.oci.errors import ImageError
from deployments.oci.limits import ImageLimits
from deployments.oci.store import Store
from deployments.oci.streams import Budget, chunks
from deployments.oci.zstd import zstd

from .images import Picture, archive, everything_below, layer, oci_members, podman_members, sha

LIMITS = ImageLimits(archive_bytes=8_000_000, expanded_bytes=4_000_000, layer_bytes=2_000_000, members=100)
GOOD = archive(podman_members(Picture()))
Pack = zstd.CompressionParameter


def skippable(data: bytes, number: int = 0) -> bytes:
    """A frame that decoders pass over (RFC 8878, 3.1.2)."""
    return struct.pack("<II", 0x184D2A50 + number, len(data)) + data


def in_frames(data: bytes, size: int, between: Callable[[], bytes] = bytes) -> bytes:
    """One frame after the other, as zstd:chunked, pzstd and seekable archives have them."""
    return b"".join(zstd.compress(data[at : at + size]) + between() for at in range(0, len(data), size))


def incompressible(size: int) -> bytes:
    return os.urandom(size)


HONEST: dict[str, Callable[[bytes], bytes]] = {
    "one frame": zstd.compress,
    "level 19": lambda data: zstd.compress(data, 19),
    "level 22, with a window of 128 MiB": lambda data: zstd.compress(
        data, options={Pack.compression_level: 22, Pack.window_log: 27}
    ),
    "with a checksum": lambda data: zstd.compress(data, options={Pack.checksum_flag: 1}),
    "without its size": lambda data: zstd.compress(data, options={Pack.content_size_flag: 0}),
    "many frames": lambda data: in_frames(data, 700),
    "thousands of frames": lambda data: in_frames(data, 3),
    "skippable frames between": lambda data: in_frames(data, 900, lambda: skippable(b"table of contents")),
    "a skippable frame first": lambda data: skippable(b"x" * 1000, 15) + zstd.compress(data),
    "an empty frame last": lambda data: zstd.compress(data) + zstd.compress(b""),
    "zeros after it": lambda data: zstd.compress(data) + bytes(5000),
}


@pytest.mark.parametrize("form", HONEST)
@pytest.mark.parametrize("what", ["archive", "layers"])
def test_every_honest_form_is_read(what: str, form: str, store: Store) -> None:
    picture, pack = Picture(layers=[layer(etc_base="base"), layer(blob=incompressible(3000).hex())]), HONEST[form]
    members = podman_members(picture)
    if what == "layers":
        members |= {name: pack(data) for name, data in members.items() if name.endswith(".tar") and "/" not in name}
    data = archive(members)
    image = import_archive(io.BytesIO(pack(data) if what == "archive" else data), store, LIMITS)
    assert image.image_id == picture.image_id
    for each in picture.layers:
        assert store.blobs.path(f"sha256:{sha(each)}").read_bytes() == each


def damaged(at: int) -> bytes:
    data = bytearray(zstd.compress(GOOD, options={Pack.checksum_flag: 1}))
    data[at] ^= 0xFF
    return bytes(data)


def of_a_window(log: int) -> bytes:
    """A frame whose header asks for a window of 2^log bytes (RFC 8878, 3.1.1.1.2), then an empty last block."""
    return b"\x28\xb5\x2f\xfd\x00" + bytes([(log - 10) << 3]) + b"\x01\x00\x00"


HOSTILE: dict[str, tuple[bytes, type[ImageError], str]] = {
    "cut in the header": (zstd.compress(GOOD)[:5], errors.Truncated, "compressed stream"),
    "cut in the middle": (zstd.compress(GOOD)[:400], errors.Truncated, "compressed stream"),
    "without its last byte": (zstd.compress(GOOD)[:-1], errors.Truncated, "compressed stream"),
    "cut between frames": (in_frames(GOOD, 700)[: len(zstd.compress(GOOD[:700]))], errors.Truncated, "ends"),
    "cut in a skippable frame": (zstd.compress(GOOD) + skippable(b"x" * 100)[:50], errors.Truncated, "ends"),
    "a skippable frame only": (skippable(b"hello"), errors.Truncated, "end mark"),
    "text after it": (zstd.compress(GOOD) + b"more", errors.TrailingData, "follows the end"),
    "gzip after it": (zstd.compress(GOOD) + b"\x1f\x8b\x08" + bytes(20), errors.TrailingData, "follows the end"),
    "another archive after it": (in_frames(GOOD + GOOD, 700), errors.TrailingData, "follows the end"),
    "text after zeros": (zstd.compress(GOOD) + bytes(9000) + b"x", errors.TrailingData, "follows the end"),
    "damaged": (damaged(-1), errors.ArchiveError, "damaged"),
    "damaged in a block": (damaged(60), errors.ArchiveError, "."),
    "a window of 256 MiB": (of_a_window(28), errors.Unsupported, "more than 128 MiB of memory"),
    "a window of 2 TiB": (of_a_window(41), errors.ArchiveError, "damaged|more than 128 MiB"),
    "a dictionary": (zstd.compress(GOOD, zstd_dict=zstd.ZstdDict(b"x" * 500, is_raw=True)), errors.ImageError, "."),
    "a bomb": (zstd.compress(bytes(50_000_000)), errors.ImageError, "unpacks to more|is empty"),
    "no archive in it": (zstd.compress(b"hello" * 500), errors.NotAnArchive, "not a tar archive"),
}


@pytest.mark.parametrize("case", [case for case in HOSTILE if case != "a dictionary"])
def test_a_hostile_archive_is_refused_and_leaves_nothing(case: str, store: Store) -> None:
    data, error, match = HOSTILE[case]
    before = everything_below(store.directory)
    with pytest.raises(error, match=match) as caught:
        import_archive(io.BytesIO(data), store, LIMITS)
    assert "Nothing was kept" in str(caught.value)
    assert everything_below(store.directory) == before


@pytest.mark.parametrize("where", ["podman", "oci"])
@pytest.mark.parametrize("case", HOSTILE)
def test_a_hostile_layer_is_refused_and_leaves_nothing(case: str, where: str, store: Store) -> None:
    data = HOSTILE[case][0]
    picture = Picture()
    members: dict[str, Any] = podman_members(picture)
    if where == "oci":
        members = oci_members(picture, pack=zstd.compress)
        packed = zstd.compress(picture.layers[0])
        for name, value in members.items():
            if isinstance(value, bytes) and f"sha256:{sha(packed)}".encode() in value:
                members[name] = value.replace(sha(packed).encode(), sha(data).encode())
        members[f"blobs/sha256/{sha(data)}"] = data
    else:
        members[f"{sha(picture.layers[0])}.tar"] = data
    before = everything_below(store.directory)
    with pytest.raises(ImageError, match=r"Nothing was kept"):
        import_archive(io.BytesIO(archive(members)), store, LIMITS)
    assert everything_below(store.directory) == before


def test_a_bomb_within_the_limit_of_a_member_counts_against_the_whole(store: Store) -> None:
    small = zstd.compress(bytes(1_900_000))
    data = archive(podman_members(Picture()) | {f"b{n}": small for n in range(3)})
    with pytest.raises(errors.Expands, match="unpacks to more than"):
        import_archive(io.BytesIO(data), store, LIMITS)
    with pytest.raises(errors.TooLarge, match="'bomb' has more than"):
        import_archive(io.BytesIO(archive({"bomb": zstd.compress(bytes(2_000_001))})), store, LIMITS)


def test_millions_of_empty_frames_are_refused_before_they_take_an_hour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deployments.oci.compression.STREAM_LIMIT", 1000)
    frames = zstd.compress(b"") * 1001
    with pytest.raises(errors.Unsupported, match="more than 1000 streams"):
        list(chunks(unzstd(io.BytesIO(frames), Budget(1000))))


def test_a_stream_is_unpacked_in_pieces_that_were_asked_for() -> None:
    data = zstd.compress(bytes(10_000_000))
    unpacked = unzstd(io.BytesIO(data), Budget(20_000_000))
    assert max(len(chunk) for chunk in chunks(unpacked)) <= 256 * 1024
