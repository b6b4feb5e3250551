"""What is sealed opens with the same ring and context, and with nothing else."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from ffsweb.sealed import CannotOpen, Opener, Sealer, Secret, create_ring, key_of, rotate_ring
from ffsweb.sealed.boxes import OVERHEAD

CONTEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1)


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    directory = tmp_path_factory.mktemp("keys")
    create_ring(directory, "web")
    create_ring(directory, "worker")
    return directory


@pytest.fixture(scope="module")
def sealer(keys):
    return Sealer.load(keys, "worker")


@pytest.fixture(scope="module")
def opener(keys):
    return Opener.load(keys, "worker")


@given(st.binary(), CONTEXTS)
def test_a_round_trip_gives_the_same_bytes(sealer, opener, value, context):
    box = sealer.seal(Secret(value), context)
    assert len(box) == len(value) + OVERHEAD
    assert opener.open(box, context) == Secret(value)
    assert opener.open(memoryview(box), context) == Secret(value)


@given(st.binary(min_size=1, max_size=40), st.data())
def test_any_flipped_bit_fails(sealer, opener, value, data):
    box = bytearray(sealer.seal(Secret(value), "a"))
    bit = data.draw(st.integers(0, len(box) * 8 - 1))
    box[bit // 8] ^= 1 << (bit % 8)
    with pytest.raises(CannotOpen):
        opener.open(bytes(box), "a")


def test_every_single_flipped_bit_of_one_box_fails(sealer, opener):
    box = sealer.seal(Secret("v"), "a")
    for bit in range(len(box) * 8):
        damaged = bytearray(box)
        damaged[bit // 8] ^= 1 << (bit % 8)
        with pytest.raises(CannotOpen):
            opener.open(bytes(damaged), "a")


@given(CONTEXTS, CONTEXTS)
def test_another_context_fails(sealer, opener, one, other):
    box = sealer.seal(Secret("value"), one)
    if one == other:
        assert opener.open(box, other).reveal() == b"value"
    else:
        with pytest.raises(CannotOpen, match="did not open"):
            opener.open(box, other)


@given(st.binary(max_size=200))
@settings(max_examples=300)
def test_bytes_that_are_no_box_fail(opener, junk):
    with pytest.raises(CannotOpen):
        opener.open(junk, "a")


def test_a_truncated_or_lengthened_box_fails(sealer, opener):
    box = sealer.seal(Secret("value"), "a")
    for changed in [box[:length] for length in range(len(box))] + [box + b"\0", b"\1" + box]:
        with pytest.raises(CannotOpen):
            opener.open(changed, "a")


def test_another_ring_fails_and_the_message_names_the_key(keys, sealer):
    box = sealer.seal(Secret("value"), "a")
    with pytest.raises(CannotOpen, match=key_of(box)):
        Opener.load(keys, "web").open(box, "a")


def test_a_box_relabelled_for_another_key_of_the_ring_fails(tmp_path):
    create_ring(tmp_path, "worker")
    old = Sealer.load(tmp_path, "worker")
    rotate_ring(tmp_path, "worker")
    new = Sealer.load(tmp_path, "worker")
    box = old.seal(Secret("value"), "a")
    relabelled = box[:1] + bytes.fromhex(new.key) + box[9:]
    with pytest.raises(CannotOpen):
        Opener.load(tmp_path, "worker").open(relabelled, "a")


def test_another_version_is_named_in_the_message(sealer, opener):
    box = b"\x02" + sealer.seal(Secret("value"), "a")[1:]
    with pytest.raises(CannotOpen, match="format 2"):
        opener.open(box, "a")


def test_the_error_shows_neither_the_value_nor_the_box(sealer, opener):
    with pytest.raises(CannotOpen) as caught:
        opener.open(sealer.seal(Secret("sentinel"), "a"), "b")
    assert "sentinel" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_the_same_secret_never_gives_the_same_box(sealer):
    assert len({sealer.seal(Secret("value"), "a") for _ in range(50)}) == 50


def test_a_context_is_required(sealer, opener):
    with pytest.raises(ValueError, match="context"):
        sealer.seal(Secret("value"), "")
    with pytest.raises(CannotOpen):
        opener.open(sealer.seal(Secret("value"), "a"), "")


def test_the_box_is_plain_rfc_9180_behind_its_header(keys, sealer):
    box = sealer.seal(Secret("value"), "setting:serbest:NAME")
    private = load_pem_private_key(next((keys / "worker").glob("*.private")).read_bytes(), None)
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    info = b"ffsweb sealed box\0" + box[:9] + b"setting:serbest:NAME"
    assert suite.decrypt(box[9:], private, info=info) == b"value"


def test_the_newest_key_seals_and_all_open(tmp_path):
    create_ring(tmp_path, "worker")
    boxes = []
    for _ in range(3):
        sealer = Sealer.load(tmp_path, "worker")
        boxes.append(sealer.seal(Secret("value"), "a"))
        assert key_of(boxes[-1]) == sealer.key
        rotate_ring(tmp_path, "worker")
    assert len({key_of(box) for box in boxes}) == 3
    opener = Opener.load(tmp_path, "worker")
    assert all(opener.open(box, "a") == Secret("value") for box in boxes)
    assert Sealer.load(tmp_path, "worker").key not in {key_of(box) for box in boxes}


def test_neither_side_shows_its_keys(keys, sealer, opener):
    private = next((keys / "worker").glob("*.private")).read_text().splitlines()[1]
    assert private not in repr(opener) + repr(sealer) + repr(vars(type(opener)))
    assert "1 keys" in repr(opener)
