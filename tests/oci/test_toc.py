"""The table of contents of a chunked layer: which bytes a node fetches of it, from what it holds."""

from __future__ import annotations

import io
import json
import tracemalloc
from typing import Any

import pytest

from deployments.oci.toc import GAP, PART, POSITION, RANGES, TAR_SPLIT, NoToc, Toc, bytes_needed, read_toc
from deployments.oci.zstd import zstd


def blob(entries: list[dict[str, Any]], *, before: int = 1000) -> tuple[io.BytesIO, tuple[tuple[str, str], ...]]:
    """A blob whose table stands after ``before`` bytes, and its annotations."""
    text = json.dumps({"version": 1, "entries": entries}).encode()
    packed = zstd.compress(text)
    notes = ((POSITION, f"{before}:{len(packed)}:{len(text)}:1"), (TAR_SPLIT, f"{before + len(packed)}:77:99"))
    return io.BytesIO(bytes(before) + packed + bytes(77)), notes


def file(name: str, start: int, end: int, **more: Any) -> dict[str, Any]:
    digest = f"sha256:{name}"
    return {
        "type": "reg",
        "name": name,
        "size": end - start,
        "digest": digest,
        "offset": start,
        "endOffset": end,
    } | more


def toc_of(*entries: dict[str, Any]) -> Toc:
    return read_toc(*blob(list(entries)))


def test_only_the_files_that_are_not_held_count_with_the_table_and_the_headers() -> None:
    toc = toc_of(file("a", 0, 10_000), file("b", 20_000, 25_000), file("c", 40_000, 40_100))
    assert toc.contents == {"sha256:a", "sha256:b", "sha256:c"}
    assert toc.overhead > 77
    assert bytes_needed(toc, toc.contents) == toc.overhead
    assert bytes_needed(toc, {"sha256:a"}) == toc.overhead + 5_100 + 2 * PART
    assert bytes_needed(toc, ()) == toc.overhead + 15_100 + 3 * PART


def test_ranges_that_are_near_to_each_other_are_one() -> None:
    toc = toc_of(file("a", 0, 100), file("b", 100 + GAP, 2000), file("c", 2001 + GAP, 5000))
    assert bytes_needed(toc, ()) == toc.overhead + 2000 + (5000 - 2001 - GAP) + 2 * PART


def test_of_a_file_in_parts_those_that_are_held_elsewhere_stay_home_and_holes_have_no_bytes() -> None:
    toc = toc_of(
        {"type": "dir", "name": "d"},
        file("a", 0, 9500, chunkDigest="sha256:a1"),
        {"type": "chunk", "name": "a", "offset": 5000, "chunkDigest": "sha256:a2"},
        {"type": "chunk", "name": "a", "offset": 9000, "chunkDigest": "sha256:a3", "chunkType": "zeros"},
        file("empty", 0, 0),
        {"type": "hardlink", "name": "l", "linkName": "a"},
    )
    assert bytes_needed(toc, ()) == toc.overhead + 9000 + PART
    assert bytes_needed(toc, {"sha256:a"}) == toc.overhead
    assert bytes_needed(toc, {"sha256:a1"}) == toc.overhead + 4000 + PART
    assert bytes_needed(toc, {"sha256:a2"}) == toc.overhead + 5000 + PART
    assert toc.contents == {"sha256:a", "sha256:a1", "sha256:a2"}


def test_with_more_ranges_than_one_request_takes_the_smallest_gaps_are_fetched_too() -> None:
    step = 10 * GAP
    toc = toc_of(*(file(str(at), at * step, at * step + 100) for at in range(RANGES + 3)))
    assert bytes_needed(toc, ()) == toc.overhead + (RANGES + 3) * 100 + 3 * (step - 100) + RANGES * PART


@pytest.mark.parametrize(
    "notes",
    [
        (),
        ((POSITION, ""),),
        ((POSITION, "1:2"),),
        ((POSITION, "-1:2:3:1"),),
        ((POSITION, f"0:{2**60}:5:1"),),
        ((POSITION, "99999999:10:10:1"),),
        ((POSITION, "0:10:10:1"),),
    ],
)
def test_a_table_that_is_not_where_it_should_be_is_none(notes: tuple[tuple[str, str], ...]) -> None:
    data, _ = blob([file("a", 0, 10)])
    with pytest.raises(NoToc):
        read_toc(data, notes)


def test_odd_entries_are_no_table() -> None:
    for odd in ({"type": 1}, {"type": "reg", "digest": 5}, {"type": "reg", "digest": "x", "offset": -1}):
        with pytest.raises(NoToc):
            toc_of(odd)


def test_a_table_of_many_files_is_read_in_bounded_memory() -> None:
    names = [
        file(f"usr/lib/python3/site-packages/package/module_{at:06}.py", at * 100, at * 100 + 100)
        for at in range(60_000)
    ]
    for each in names:
        each |= {"mode": 33188, "modtime": "2024-01-01T00:00:00Z", "chunkDigest": each["digest"]}
    data, notes = blob(names)
    assert int(dict(notes)[POSITION].split(":")[2]) > 3 * 4 * 1024 * 1024
    del names
    tracemalloc.start()
    toc = read_toc(data, notes)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(toc.pieces) == 60_000
    assert peak < 100_000_000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{}",
        '{"version":2,"entries":[]}',
        '{"version":1,"entries":[{}',
        '{"version":1,"entries":[{} {}]}',
        "[" * 9999,
    ],
)
def test_text_that_is_no_table_is_none(text: str) -> None:
    packed = zstd.compress(text.encode())
    with pytest.raises(NoToc):
        read_toc(io.BytesIO(packed), ((POSITION, f"0:{len(packed)}:{len(text)}:1"),))
