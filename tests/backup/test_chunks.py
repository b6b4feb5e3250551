"""The encryption of a backup: whatever is done to a file, nothing of it is taken for good."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from ffsweb.backup import chunks
from ffsweb.backup.chunks import BOX, MAGIC, TAG, Decrypting, Encrypting
from ffsweb.backup.errors import Damaged, WrongKey
from ffsweb.sealed import Opener, Sealer, rotate_ring
from tests.backup.rings import ring

HEAD = len(MAGIC) + BOX


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Chunks of 16 bytes: every boundary is met."""
    monkeypatch.setattr(chunks, "CHUNK", 16)


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Sealer, Opener]:
    return ring(tmp_path / "keys")


def encrypted(data: bytes, sealer: Sealer) -> bytes:
    sink = io.BytesIO()
    writer = Encrypting(sink, sealer)
    for place in range(0, len(data), 7):
        writer.write(data[place : place + 7])
    writer.finish()
    assert writer.written == len(sink.getvalue())
    return sink.getvalue()


def decrypted(data: bytes, opener: Opener) -> bytes:
    reader, found = Decrypting(io.BytesIO(data), opener), []
    while piece := reader.read(5):
        found.append(piece)
    return b"".join(found)


@pytest.mark.parametrize("size", [0, 1, 15, 16, 17, 31, 32, 33, 100])
def test_what_was_written_is_read_and_nothing_of_it_shows(size: int, keys: tuple[Sealer, Opener]) -> None:
    data = bytes(range(size)) + b"sentinel"
    file = encrypted(data, keys[0])
    assert decrypted(file, keys[1]) == data
    assert b"sentinel" not in file


def test_a_file_that_was_cut_anywhere_is_refused(keys: tuple[Sealer, Opener]) -> None:
    file = encrypted(b"x" * 48, keys[0])
    for size in range(len(file)):
        with pytest.raises(Damaged):
            decrypted(file[:size], keys[1])


def test_a_file_in_which_any_byte_was_changed_is_refused(keys: tuple[Sealer, Opener]) -> None:
    file = encrypted(b"x" * 40, keys[0])
    for place in range(len(file)):
        changed = bytearray(file)
        changed[place] ^= 1
        with pytest.raises((Damaged, WrongKey)):
            decrypted(bytes(changed), keys[1])


def test_chunks_in_another_order_repeated_left_out_or_added_are_refused(keys: tuple[Sealer, Opener]) -> None:
    file = encrypted(b"a" * 16 + b"b" * 16 + b"c" * 16, keys[0])
    head, step = file[:HEAD], 16 + TAG
    one, two, three = (file[HEAD + at * step : HEAD + (at + 1) * step] for at in range(3))
    assert decrypted(head + one + two + three, keys[1])
    for wrong in (
        [two, one, three],
        [one, one, two, three],
        [one, three],
        [one, two, three, three],
        [one, two, three, b"x"],
    ):
        with pytest.raises(Damaged):
            decrypted(head + b"".join(wrong), keys[1])


def test_chunks_of_another_file_are_refused(keys: tuple[Sealer, Opener]) -> None:
    one, other = (encrypted(b"a" * 40, keys[0]) for _ in range(2))
    with pytest.raises(Damaged):
        decrypted(one[:HEAD] + other[HEAD:], keys[1])


def test_another_ring_does_not_open_it_and_the_message_names_the_key(
    keys: tuple[Sealer, Opener], tmp_path: Path
) -> None:
    _, stranger = ring(tmp_path / "others")
    with pytest.raises(WrongKey, match=keys[0].key):
        decrypted(encrypted(b"x", keys[0]), stranger)


def test_a_file_from_before_a_rotation_still_opens(keys: tuple[Sealer, Opener], tmp_path: Path) -> None:
    file = encrypted(b"old", keys[0])
    rotate_ring(tmp_path / "keys", "worker")
    assert decrypted(file, Opener.load(tmp_path / "keys", "worker")) == b"old"


def test_what_is_no_backup_is_called_so(keys: tuple[Sealer, Opener]) -> None:
    with pytest.raises(Damaged, match="no backup of ffsweb"):
        decrypted(b"PGDMP" + bytes(200), keys[1])
