"""What is left of a fetch that was cut: told in the facts, and taken up by the next one, of this image or another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.nodekit.functions import printed

if TYPE_CHECKING:
    from pathlib import Path

    from tests.nodekit.conftest import Program

IMAGE, OTHER, BLOB, LAYER, PACKED = (digit * 64 for digit in "abcde")


def leave(program: Program, image: str, pieces: dict[str, int], made: dict[str, tuple[int, int]]) -> Path:
    """``pieces``: bytes by BLOB.OFFSET; ``made``: by layer the bytes of its blob and its own."""
    place = program.root / "var/lib/ffs-node/fetch" / image
    for directory in ("pieces", "done", "layout/blobs/sha256"):
        (place / directory).mkdir(parents=True)
    for name, size in pieces.items():
        (place / "pieces" / name).write_bytes(bytes(size))
    for name, (packed, size) in made.items():
        (place / "done" / name).write_text(f"{packed}\n")
        (place / "layout/blobs/sha256" / name).write_bytes(bytes(size))
    return place


def test_the_facts_name_each_image_each_blob_and_each_layer_that_was_made(program: Program) -> None:
    leave(program, IMAGE, {f"{BLOB}.{0:015}": 10, f"{BLOB}.{50:015}": 7}, {LAYER: (5, 20)})
    leave(program, OTHER, {}, {})
    assert printed(program, "fetched_facts") == [
        f"fetched\tsha256:{IMAGE}=22",
        f"fetched\tsha256:{OTHER}=0",
        f"fetched\tsha256:{BLOB}=17",
        f"fetched\tsha256:{LAYER}=20",
    ]


def test_a_node_that_never_fetched_tells_nothing(program: Program) -> None:
    assert printed(program, "fetched_facts") == []


def test_what_another_images_fetch_left_of_the_same_blobs_is_taken_up(program: Program) -> None:
    name = f"{PACKED}.{0:015}"
    other = leave(program, OTHER, {name: 10, f"{BLOB}.{0:015}": 3}, {LAYER: (5, 20)})
    mine = leave(program, IMAGE, {}, {})
    request = f"fetch={mine} blob_digest=({PACKED} {'9' * 64}) blob_diff=({'f' * 64} {LAYER})"
    assert printed(program, f"{request}; adopt_pieces") == []
    assert (mine / "pieces" / name).stat().st_size == 10
    assert (mine / "layout/blobs/sha256" / LAYER).stat().st_size == 20
    assert (mine / "done" / LAYER).read_text() == "5\n"
    assert [path.name for path in (other / "pieces").iterdir()] == [f"{BLOB}.{0:015}"]
    assert list((other / "done").iterdir()) == []
