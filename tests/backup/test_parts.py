"""What is inside: a backup that authenticates may have been made by anybody who has the public key."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deployments.oci.zstd import zstd
from ffsweb.backup import manifest as manifests
from ffsweb.backup import parts
from ffsweb.backup.checking import check
from ffsweb.backup.chunks import Encrypting
from ffsweb.backup.errors import Damaged, NotMade, WrongKey
from ffsweb.backup.manifest import Manifest, Part
from ffsweb.sealed import Opener, Sealer
from tests.backup.rings import ring

CONTENT = {
    "database/sqlite": b"rows",
    "oci/index.json": b"{}",
    f"files/blobs/sha256/{hashlib.sha256(b'x').hexdigest()}": b"x",
}


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Sealer, Opener]:
    return ring(tmp_path / "keys")


def part(name: str, content: bytes) -> Part:
    return Part(name, len(content), hashlib.sha256(content).hexdigest())


def whole(**more: Any) -> Manifest:
    told: dict[str, Any] = {
        "version": "1.0",
        "made_at": "2026-11-30T12:00:00+00:00",
        "installation": "https://ffs.example.org",
        "database": "sqlite",
        "images": True,
        "parts": tuple(part(*each) for each in CONTENT.items()),
    }
    return Manifest(**{**told, **more})


def written(manifest: Manifest, sealer: Sealer, content: dict[str, bytes] | None = None) -> bytes:
    def give(each: Part) -> Iterator[bytes]:
        data = (content or CONTENT)[each.name]
        yield data[:1]
        yield data[1:]

    sink = io.BytesIO()
    assert parts.write(sink, sealer, manifest, give) == len(sink.getvalue())
    return sink.getvalue()


def forged(inside: bytes, sealer: Sealer) -> bytes:
    """A backup with anything inside, encrypted as it should be."""
    sink = io.BytesIO()
    writer = Encrypting(sink, sealer)
    writer.write(zstd.compress(inside))
    writer.finish()
    return sink.getvalue()


def framed(told: Any, rest: bytes = b"") -> bytes:
    head = told if isinstance(told, bytes) else json.dumps(told).encode()
    return len(head).to_bytes(8, "big") + head + rest


def test_what_was_written_is_read(keys: tuple[Sealer, Opener]) -> None:
    file = written(whole(), keys[0])
    reading = parts.Reading(io.BytesIO(file), keys[1])
    assert reading.manifest == whole()
    assert {each.name: b"".join(pieces) for each, pieces in reading.parts()} == CONTENT


def test_a_blob_that_is_damaged_on_the_disk_makes_no_backup(keys: tuple[Sealer, Opener]) -> None:
    for content in (b"y", b"xx", b""):
        name = whole().parts[2].name
        with pytest.raises(NotMade, match="damaged on this machine's disk"):
            written(whole(), keys[0], CONTENT | {name: content})


@pytest.mark.parametrize(
    "name",
    [
        "../etc/passwd",
        "/etc/passwd",
        "oci/blobs/sha256/../../../x",
        "oci/blobs/sha256/" + "A" * 64,
        "oci/blobs/sha256/" + "a" * 63,
        "database/Users",
        "database/a.b",
        "database/",
        "keys/worker",
        "run/valkey.sock",
        "oci/index.json\n",
        "",
    ],
)
def test_a_part_with_another_name_is_refused(name: str, keys: tuple[Sealer, Opener]) -> None:
    manifest = whole(parts=(*whole().parts, part(name, b"x")))
    with pytest.raises(Damaged):
        check(io.BytesIO(forged(framed(manifest.encode()), keys[0])), keys[1], {})


@pytest.mark.parametrize(
    "told",
    [
        b"",
        b"[]",
        b"null",
        b"[" * 100_000,
        b'{"format": 1}',
        b'{"format": 2, "parts": []}',
        json.dumps({**json.loads(whole().encode()), "more": 1}).encode(),
        json.dumps({**json.loads(whole().encode()), "parts": [["database/sqlite", -1, "0" * 64]]}).encode(),
        json.dumps({**json.loads(whole().encode()), "parts": [["database/sqlite", True, "0" * 64]]}).encode(),
        json.dumps({**json.loads(whole().encode()), "parts": [["database/sqlite", 1 << 60, "0" * 64]]}).encode(),
        json.dumps({**json.loads(whole().encode()), "parts": [["database/sqlite", 4, "z" * 64]]}).encode(),
        json.dumps({**json.loads(whole().encode()), "counts": {"projects": "many"}}).encode(),
        json.dumps({**json.loads(whole().encode()), "running": [1]}).encode(),
        json.dumps({**json.loads(whole().encode()), "sealed_by": {"worker": [1]}}).encode(),
        json.dumps({**json.loads(whole().encode()), "parts": []}).encode(),
        json.dumps({**json.loads(whole().encode()), "database": "oracle"}).encode(),
        json.dumps({**json.loads(whole().encode()), "database": "postgresql"}).encode(),
        json.dumps({**json.loads(whole().encode()), "columns": {"sqlite": [1]}}).encode(),
    ],
)
def test_a_table_of_contents_that_is_none_is_refused(told: bytes, keys: tuple[Sealer, Opener]) -> None:
    with pytest.raises(Damaged):
        check(io.BytesIO(forged(framed(told), keys[0])), keys[1], {})


def test_a_part_twice_is_refused(keys: tuple[Sealer, Opener]) -> None:
    manifest = whole(parts=(*whole().parts, whole().parts[0]))
    with pytest.raises(Damaged, match="twice"):
        check(io.BytesIO(forged(framed(manifest.encode()), keys[0])), keys[1], {})


def test_content_that_is_not_the_one_of_the_table_is_refused(keys: tuple[Sealer, Opener]) -> None:
    good = b"".join(CONTENT.values())
    check(io.BytesIO(forged(framed(whole().encode(), good), keys[0])), keys[1], {})
    for wrong in (good[:-1], good[:-1] + b"y", good + b"more", b"rowZ" + good[4:]):
        with pytest.raises(Damaged):
            check(io.BytesIO(forged(framed(whole().encode(), wrong), keys[0])), keys[1], {})


def test_a_table_of_contents_of_any_size_is_not_read_into_memory(keys: tuple[Sealer, Opener]) -> None:
    head = (manifests.LIMIT + 1).to_bytes(8, "big")
    with pytest.raises(Damaged, match="too large"):
        check(io.BytesIO(forged(head, keys[0])), keys[1], {})


def test_what_cannot_be_decompressed_is_refused(keys: tuple[Sealer, Opener]) -> None:
    for inside in (b"", b"no zstd at all", zstd.compress(framed(whole().encode()))[:-3]):
        sink = io.BytesIO()
        writer = Encrypting(sink, keys[0])
        writer.write(inside)
        writer.finish()
        with pytest.raises(Damaged):
            check(io.BytesIO(sink.getvalue()), keys[1], {})


def test_keys_that_do_not_open_what_is_sealed_in_it_are_named(keys: tuple[Sealer, Opener]) -> None:
    manifest = whole(sealed_by={"worker": ["aa", "bb"], "web": ["cc"]})
    file = written(manifest, keys[0])
    check(io.BytesIO(file), keys[1], {"worker": {"aa", "bb", "dd"}, "web": {"cc"}})
    with pytest.raises(WrongKey, match="'worker' that are not here: bb"):
        check(io.BytesIO(file), keys[1], {"worker": {"aa"}, "web": {"cc"}})
