"""Key rings on disk: made whole, durable, and refused when anybody else could have touched them."""

from __future__ import annotations

import os
import stat
import threading

import pytest

from ffsweb.sealed import (
    Opener,
    RingExists,
    RingMissing,
    RingUnsafe,
    Sealer,
    Secret,
    create_ring,
    keyfiles,
    ring_exists,
    rotate_ring,
)


@pytest.fixture
def keys(tmp_path):
    keys = tmp_path / "keys"
    create_ring(keys, "worker")
    return keys


def only(keys, half):
    (file,) = (keys / "worker").glob(f"*.{half}")
    return file


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_directories_are_0700_and_files_0600_whatever_the_umask(tmp_path, umask):
    keys = tmp_path / "keys"
    keys.mkdir()
    before = os.umask(umask)
    try:
        create_ring(keys, "worker")
    finally:
        os.umask(before)
    assert mode(keys / "worker") == 0o700
    assert {mode(file) for file in (keys / "worker").iterdir()} == {0o600}
    assert sorted(file.suffix for file in (keys / "worker").iterdir()) == [".private", ".public"]


def test_it_leaves_nothing_else_behind(keys):
    assert [entry.name for entry in keys.iterdir()] == ["worker"]


def test_it_refuses_to_create_a_ring_twice_and_leaves_the_first(keys):
    before = {file.name: file.read_bytes() for file in (keys / "worker").iterdir()}
    with pytest.raises(RingExists, match="left as it was"):
        create_ring(keys, "worker")
    assert {file.name: file.read_bytes() for file in (keys / "worker").iterdir()} == before
    assert [entry.name for entry in keys.iterdir()] == ["worker"]


def test_of_many_that_create_it_at_once_exactly_one_succeeds(tmp_path):
    start, results = threading.Barrier(8), []

    def create():
        start.wait()
        try:
            results.append(create_ring(tmp_path, "worker"))
        except RingExists:
            results.append(None)

    threads = [threading.Thread(target=create) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([result for result in results if result]) == 1
    box = Sealer.load(tmp_path, "worker").seal(Secret("v"), "a")
    assert Opener.load(tmp_path, "worker").open(box, "a") == Secret("v")


def test_rotations_at_once_each_add_their_own_key(keys):
    threads = [threading.Thread(target=rotate_ring, args=(keys, "worker")) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    numbers = sorted(file.name[:4] for file in (keys / "worker").glob("*.private"))
    assert numbers == [f"{number:04d}" for number in range(1, 8)]


@pytest.mark.parametrize("loose", [0o640, 0o604, 0o660, 0o606, 0o700, 0o644, 0o601])
def test_a_private_file_looser_than_0600_is_refused_by_name(keys, loose):
    file = only(keys, "private")
    file.chmod(loose)
    with pytest.raises(RingUnsafe, match=str(file)) as caught:
        Opener.load(keys, "worker")
    assert f"{loose:04o}" in str(caught.value)
    assert "chmod 0600" in str(caught.value)


@pytest.mark.parametrize("tight", [0o600, 0o400])
def test_a_private_file_that_only_its_owner_reads_is_accepted(keys, tight):
    only(keys, "private").chmod(tight)
    Opener.load(keys, "worker")


@pytest.mark.parametrize("loose", [0o750, 0o705, 0o777])
def test_a_loose_directory_is_refused_by_name(keys, loose):
    (keys / "worker").chmod(loose)
    with pytest.raises(RingUnsafe, match="chmod 0700"):
        Opener.load(keys, "worker")
    with pytest.raises(RingUnsafe, match="chmod 0700"):
        rotate_ring(keys, "worker")


def test_a_public_file_that_others_may_write_is_refused(keys):
    only(keys, "public").chmod(0o620)
    with pytest.raises(RingUnsafe, match="public"):
        Sealer.load(keys, "worker")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused_by_name(keys):
    for half, load in (("private", Opener.load), ("public", Sealer.load)):
        file = only(keys, half)
        os.chown(file, 12345, -1)
        with pytest.raises(RingUnsafe, match="belongs to user 12345") as caught:
            load(keys, "worker")
        assert str(file) in str(caught.value)


def test_a_link_or_a_pipe_in_place_of_a_key_is_refused(keys, tmp_path):
    file = only(keys, "private")
    elsewhere = tmp_path / "elsewhere"
    file.rename(elsewhere)
    file.symlink_to(elsewhere)
    with pytest.raises(RingUnsafe, match=str(file)):
        Opener.load(keys, "worker")
    file.unlink()
    os.mkfifo(file, 0o600)
    with pytest.raises(RingUnsafe, match="no regular file"):
        Opener.load(keys, "worker")


@pytest.mark.parametrize("content", [b"", b"junk", b"\xff" * 100, b"x" * 5000])
@pytest.mark.parametrize("half", ["private", "public"])
def test_a_damaged_key_is_refused_by_name(keys, half, content):
    file = only(keys, half)
    file.write_bytes(content)
    with pytest.raises(RingUnsafe, match=str(file)):
        (Opener if half == "private" else Sealer).load(keys, "worker")


@pytest.mark.parametrize("half", ["private", "public"])
def test_a_key_swapped_for_another_is_refused(keys, half):
    create_ring(keys, "other")
    (other,) = (keys / "other").glob(f"*.{half}")
    file = only(keys, half)
    file.write_bytes(other.read_bytes())
    with pytest.raises(RingUnsafe, match="does not hold the key that its name says"):
        (Opener if half == "private" else Sealer).load(keys, "worker")


def test_a_missing_ring_is_named(tmp_path):
    for load in (Opener.load, Sealer.load, rotate_ring):
        with pytest.raises(RingMissing, match="no key ring 'worker'"):
            load(tmp_path, "worker")
    assert not ring_exists(tmp_path, "worker")


def test_a_sealer_needs_no_private_half_and_an_opener_no_public_one(keys, tmp_path):
    box = Sealer.load(keys, "worker").seal(Secret("v"), "a")
    only(keys, "public").unlink()
    with pytest.raises(RingMissing, match="no public key"):
        Sealer.load(keys, "worker")
    assert Opener.load(keys, "worker").open(box, "a") == Secret("v")
    rotate_ring(keys, "worker")
    assert ring_exists(keys, "worker")
    for private in (keys / "worker").glob("*.private"):
        private.unlink()
    assert Sealer.load(keys, "worker").seal(Secret("v"), "a")
    assert not ring_exists(keys, "worker")


def test_an_interrupted_write_is_ignored_and_the_next_one_succeeds(keys):
    leftover = keys / "worker" / (only(keys, "private").name + ".new")
    leftover.write_bytes(b"half a k")
    leftover.chmod(0o600)
    Opener.load(keys, "worker")
    rotate_ring(keys, "worker")
    assert len(list((keys / "worker").glob("*.private"))) == 2


def test_a_key_file_is_never_replaced(tmp_path):
    file = tmp_path / "a"
    keyfiles.write(file, b"one")
    with pytest.raises(FileExistsError):
        keyfiles.write(file, b"two")
    assert file.read_bytes() == b"one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("name", ["", "..", "a/b", "A", "../worker", "-a", "a" * 33, "a\n"])
def test_a_ring_name_that_is_a_path_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match="no name for a key ring"):
        create_ring(tmp_path, name)
    assert list(tmp_path.iterdir()) == []
