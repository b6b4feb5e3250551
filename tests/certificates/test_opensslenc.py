"""Byte-compatible with the openssl program, both ways."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from certificates.core.opensslenc import CannotDecrypt, decrypt, decrypt_key, encrypt

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
