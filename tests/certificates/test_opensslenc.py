"""Byte-compatible with the openssl program, both ways."""

from __future__ import annotations

import os
import shutil
import subprocess
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given, settings
from hypothesis import strategies as st

from certificates.core.opensslenc import CannotDecrypt, decrypt, decrypt_key, encrypt, sealed_bytes

from .material import issue, server

needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl program is not installed")


def _openssl(*options: str, data: bytes, passphrase: str, directory: Path) -> bytes:
    secret = directory / "pass"
    secret.write_text(passphrase)
    command = ["openssl", "enc", "-aes-256-cbc", "-pbkdf2", *options, "-pass", f"file:{secret}"]
    return subprocess.run(command, input=data, capture_output=True, check=True).stdout


def _public(key: object) -> bytes:
    return key.public_key().public_bytes(  # type: ignore[attr-defined]
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )


@needs_openssl
def test_openssl_reads_what_we_write(tmp_path: Path) -> None:
    data = encrypt(b"the key", b"horse staple")
    assert _openssl("-d", data=data, passphrase="horse staple", directory=tmp_path) == b"the key"


@needs_openssl
def test_we_read_what_openssl_writes(tmp_path: Path) -> None:
    data = _openssl("-e", data=b"the key" * 1000, passphrase="ümlaut", directory=tmp_path)
    assert decrypt(data, "ümlaut".encode()) == b"the key" * 1000


EDGES = st.sampled_from([0, 1, 15, 16, 17, 31, 32, 33, 47, 48, 4095, 4096, 4097]) | st.integers(0, 9000)
PASSPHRASES = st.text(st.characters(exclude_characters="\n\r\0", exclude_categories=("Cs",)), min_size=1, max_size=60)


@needs_openssl
@settings(max_examples=40, deadline=None)
@given(EDGES, PASSPHRASES, st.sampled_from([1, 2_048, 10_000, 20_001]))
def test_any_size_goes_both_ways_with_any_count(
    tmp_path_factory: pytest.TempPathFactory, size: int, passphrase: str, rounds: int
) -> None:
    plain, count = os.urandom(size), ("-iter", str(rounds))
    directory = tmp_path_factory.mktemp("enc")
    ours = encrypt(plain, passphrase.encode(), rounds=rounds)
    assert len(ours) == 16 + 16 * (size // 16 + 1)
    assert _openssl("-d", *count, data=ours, passphrase=passphrase, directory=directory) == plain
    theirs = _openssl("-e", *count, data=plain, passphrase=passphrase, directory=directory)
    assert len(theirs) == len(ours)
    assert decrypt(theirs, passphrase.encode(), rounds=rounds) == plain
    packed = _openssl("-e", "-a", *count, data=plain, passphrase=passphrase, directory=directory)
    unpacked = sealed_bytes(packed)
    assert unpacked is not None
    assert decrypt(unpacked, passphrase.encode(), rounds=rounds) == plain


def test_a_wrong_passphrase_passes_the_padding_now_and_then() -> None:
    """Why nothing that was decrypted counts before it is proven to be the right key."""
    data = encrypt(server().key_pem(), b"right", salt=b"12345678", rounds=1)
    passed = 0
    for number in range(4000):
        try:
            decrypt(data, b"wrong %d" % number, rounds=1)
        except CannotDecrypt:
            continue
        passed += 1
    assert 1 <= passed <= 60  # 16 are to be expected


def test_what_cannot_be_of_openssl_enc_is_told_apart() -> None:
    assert sealed_bytes(b"Salted__12345678" + b"x" * 16)
    assert sealed_bytes(b64encode(b"Salted__12345678" + b"x" * 16)) == b"Salted__12345678" + b"x" * 16
    for data in (b"", b"hello world", b"x" * 33, b"AAAA", b"\xff" * 17):
        assert sealed_bytes(data) is None


@given(st.binary(max_size=2000), st.binary(min_size=1, max_size=50))
def test_round_trip(plain: bytes, passphrase: bytes) -> None:
    assert decrypt(encrypt(plain, passphrase), passphrase) == plain


def test_a_key_is_proven_to_be_the_right_one() -> None:
    pem = server().key_pem()
    data = encrypt(pem, b"p")
    assert decrypt_key(data, b"p", public_key_der=_public(server().key)) == pem
    with pytest.raises(CannotDecrypt):
        decrypt_key(data, b"p", public_key_der=_public(issue("other").key))


def test_a_wrong_passphrase_never_passes_for_a_key() -> None:
    data = encrypt(server().key_pem(), b"right", salt=b"12345678")
    for number in range(400):  # about one in 256 passes the padding: the key check has to catch it
        with pytest.raises(CannotDecrypt):
            decrypt_key(data, b"wrong %d" % number, public_key_der=_public(server().key))


@pytest.mark.parametrize("data", [b"", b"Salted__", b"Salted__12345678", b"Salted__12345678short", b"x" * 64])
def test_what_is_no_such_file_is_refused(data: bytes) -> None:
    with pytest.raises(CannotDecrypt):
        decrypt(data, b"p")
