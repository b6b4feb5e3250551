"""The copy of the keys opens with its passphrase alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from ffsweb.backup import keyfile
from ffsweb.backup.errors import Damaged, NotMade, WrongKey
from ffsweb.sealed import Secret, create_ring

PASSPHRASE = Secret("correct horse battery")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keyfile, "_COST", 2**10)


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    keys = tmp_path / "keys"
    for ring in ("web", "worker"):
        create_ring(keys, ring)
    (keys / "secret_key").write_text("signs")
    (keys / ".ffsweb").touch()
    return keys


def test_all_keys_come_back_and_none_of_them_shows(keys: Path) -> None:
    data = keyfile.encode(keys, PASSPHRASE)
    files = keyfile.decode(data, PASSPHRASE)
    assert files == {
        str(path.relative_to(keys)): path.read_bytes()
        for path in keys.rglob("*")
        if path.is_file() and path.name[0] != "."
    }
    assert len(files) == 5
    assert b"PRIVATE" not in data
    assert b"signs" not in data


def test_another_passphrase_and_a_changed_file_are_refused(keys: Path) -> None:
    data = keyfile.encode(keys, PASSPHRASE)
    with pytest.raises(WrongKey):
        keyfile.decode(data, Secret("correct horse batterz"))
    with pytest.raises(WrongKey):
        keyfile.decode(data[:-1] + bytes([data[-1] ^ 1]), PASSPHRASE)
    for wrong in (b"", data[:40], b"x" + data[1:], data + bytes(keyfile.LIMIT)):
        with pytest.raises(Damaged):
            keyfile.decode(wrong, PASSPHRASE)


def test_a_copy_without_the_private_halves_is_not_made(keys: Path) -> None:
    for private in (keys / "worker").glob("*.private"):
        private.unlink()
    with pytest.raises(NotMade, match="not all"):
        keyfile.encode(keys, PASSPHRASE)
