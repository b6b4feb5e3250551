"""What operators choose: PEM with words around it, DER, PKCS#12, and the files of older scripts."""

from __future__ import annotations

import shutil
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from certificates.core import pkcs12
from certificates.core.errors import (
    Damaged,
    KeyLocked,
    KeyMismatch,
    MaterialError,
    NoKey,
    NotPem,
    SeveralKeys,
    TooLarge,
    WeakKey,
)
from certificates.core.keys import MAX_KEY
from certificates.core.opensslenc import encrypt
from certificates.core.x509 import Pair, read_pair
from certificates.services import apart

from .material import authority, intermediate, issue, server

NOW = datetime.now(UTC)
needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="the openssl program is not installed")


def read(chain: bytes, key: bytes = b"", passphrase: bytes | None = None, rounds: int = 10_000) -> Pair:
    return read_pair(chain, key, passphrase, now=NOW, rounds=rounds)


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, capture_output=True, check=True).stdout


def own_key(pair: Pair) -> bool:
    return pair.key_pem == server().key_pem()


def test_words_around_the_blocks_are_left_out_and_told() -> None:
    text = b"Bag Attributes\n    friendlyName: tls\n" + server().pem + b"subject=CN = x\n" + intermediate().pem
    pair = read(text, server().key_pem())
    assert "Bag" not in pair.chain_pem
    assert pair.notes == ("Words outside of the blocks were left out.",)


def test_line_ends_of_windows_and_a_byte_order_mark_do_no_harm() -> None:
    text = b"\xef\xbb\xbf" + server().pem.replace(b"\n", b"\r\n")
    assert read(text, server().key_pem().replace(b"\n", b"\r\n")).notes == ()


def test_the_key_may_be_in_the_same_text() -> None:
    assert own_key(read(server().key_pem() + server().pem))
    assert own_key(read(server().pem + server().key_pem(b"horse"), passphrase=b"horse"))


def test_other_blocks_are_left_out_by_name() -> None:
    parameters = b"-----BEGIN DH PARAMETERS-----\nAAAA\n-----END DH PARAMETERS-----\n"
    assert "dh parameters" in read(parameters + server().pem, server().key_pem()).notes[0]


def test_bytes_that_are_no_text_between_blocks_are_refused() -> None:
    for rubbish in (b"\x00", b"\xff\xfe", b"\x1b[2J"):
        with pytest.raises(Damaged, match="is not text"):
            read(server().pem + rubbish + b"\n" + intermediate().pem, server().key_pem())


def test_a_text_that_was_cut_off_is_told() -> None:
    with pytest.raises(Damaged, match="has no end: the text was cut off"):
        read(server().pem[:300], server().key_pem())
    with pytest.raises(Damaged, match="has no end"):
        read(server().pem[:300] + b"\n" + intermediate().pem, server().key_pem())
    with pytest.raises(Damaged, match="Line 3 ends a block that did not begin"):
        read(b"\n".join([*server().pem.split(b"\n")[-4:], intermediate().pem]), server().key_pem())
    with pytest.raises(Damaged, match="no end"):
        read(server().pem, server().key_pem()[:100])


def test_a_block_that_is_no_certificate_is_damaged() -> None:
    lines = server().pem.split(b"\n")
    lines[3] = b"!" * 64
    with pytest.raises(Damaged, match="A certificate is damaged"):
        read(b"\n".join(lines), server().key_pem())


def test_several_keys_are_refused() -> None:
    both = server().key_pem() + authority().key_pem()
    with pytest.raises(SeveralKeys, match="There are 2 private keys"):
        read(server().pem, both)
    with pytest.raises(SeveralKeys, match="There are 2 private keys"):
        read(server().pem + both)
    with pytest.raises(SeveralKeys, match="another was given"):
        read(server().pem + server().key_pem(), server().key_pem())


def test_der_is_taken() -> None:
    der = server().certificate.public_bytes(serialization.Encoding.DER)
    lock = serialization.BestAvailableEncryption(b"horse")
    form = serialization.Encoding.DER, serialization.PrivateFormat.PKCS8
    assert own_key(read(der, server().key.private_bytes(*form, serialization.NoEncryption())))
    locked = server().key.private_bytes(*form, lock)
    assert own_key(read(der, locked, b"horse"))
    with pytest.raises(KeyLocked, match="give its passphrase"):
        read(der, locked)


@pytest.mark.parametrize("passphrase", [b"", b"horse"])
def test_pkcs12_brings_chain_and_key(passphrase: bytes) -> None:
    pair = read(server().pkcs12(authority(), intermediate(), passphrase=passphrase), passphrase=passphrase)
    assert own_key(pair)
    assert pair.chain_pem.count("BEGIN CERTIFICATE") == 3


def test_pkcs12_says_that_its_passphrase_is_missing_or_wrong() -> None:
    store = server().pkcs12(passphrase=b"horse")
    with pytest.raises(KeyLocked, match="give its passphrase"):
        read(store)
    with pytest.raises(KeyLocked, match="passphrase is wrong"):
        read(store, passphrase=b"cow")
    with pytest.raises(Damaged, match="cut off"):
        read(store[:-40], passphrase=b"horse")


def test_pkcs12_without_a_key_is_told() -> None:
    with pytest.raises(NoKey):
        read(server().pkcs12(key=False, passphrase=b"horse"), passphrase=b"horse")
    pair = read(server().pkcs12(key=False, passphrase=b"horse"), server().key_pem(), b"horse")
    assert own_key(pair)


@needs_openssl
def test_pkcs12_of_the_openssl_program_is_taken(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(server().key_pem())
    (tmp_path / "pass").write_text("horse")
    store = openssl(
        "pkcs12", "-export", "-inkey", str(tmp_path / "key"), "-passout", f"file:{tmp_path / 'pass'}",
        data=server().pem + intermediate().pem,
    )  # fmt: skip
    assert own_key(read(store, passphrase=b"horse"))


def test_the_files_of_older_scripts_are_taken_as_they_are() -> None:
    chain = server().pem + intermediate().pem
    assert own_key(read(chain, encrypt(server().key_pem(), b"horse"), b"horse"))
    assert own_key(read(chain, encrypt(server().key_pem(), b"horse", rounds=77_777), b"horse", rounds=77_777))
    assert own_key(read(chain, encrypt(server().key_pem(old_form=True), b"horse"), b"horse"))
    for passphrase, rounds in ((b"cow", 10_000), (b"horse", 10_001)):
        with pytest.raises(KeyLocked, match="does not open this file"):
            read(chain, encrypt(server().key_pem(), b"horse"), passphrase, rounds)
    with pytest.raises(KeyLocked, match="give its passphrase"):
        read(chain, encrypt(server().key_pem(), b"horse"))


def test_the_encrypted_key_of_another_certificate_does_not_count_as_opened() -> None:
    with pytest.raises(KeyLocked, match="not the key of the certificate"):
        read(server().pem, encrypt(authority().key_pem(), b"horse"), b"horse")


@needs_openssl
@pytest.mark.parametrize(
    "options",
    [
        ("-pbkdf2",),
        ("-pbkdf2", "-a"),
        ("-pbkdf2", "-a", "-A"),
        ("-pbkdf2", "-nosalt"),
        ("-pbkdf2", "-md", "sha256"),
        (),
        ("-a",),
        ("-md", "md5"),
    ],
    ids=" ".join,
)
def test_every_form_that_older_scripts_wrote_is_read(options: tuple[str, ...], tmp_path: Path) -> None:
    secret = tmp_path / "pass"
    secret.write_text("horse")
    sealed = openssl("enc", "-aes-256-cbc", *options, "-pass", f"file:{secret}", data=server().key_pem())
    assert own_key(read(server().pem, sealed, b"horse"))
    with pytest.raises(MaterialError):
        read(server().pem, sealed, b"cow")


@needs_openssl
@pytest.mark.parametrize("options", [("-v2", "aes-256-cbc", "-iter", "600000"), ("-scrypt",)], ids=" ".join)
def test_encrypted_pkcs8_of_the_openssl_program_is_read(options: tuple[str, ...], tmp_path: Path) -> None:
    secret = tmp_path / "pass"
    secret.write_text("horse")
    sealed = openssl("pkcs8", "-topk8", *options, "-passout", f"file:{secret}", data=server().key_pem())
    assert own_key(read(server().pem, sealed, b"horse"))


@needs_openssl
def test_a_key_that_asks_for_too_much_work_is_refused_unopened(tmp_path: Path) -> None:
    secret = tmp_path / "pass"
    secret.write_text("horse")
    form = "-topk8", "-v2", "aes-256-cbc", "-iter", "2000001", "-passout", f"file:{secret}"
    for encoding in ("PEM", "DER"):
        sealed = openssl("pkcs8", *form, "-outform", encoding, data=server().key_pem())
        with pytest.raises(TooLarge, match="more work to open"):
            read(server().pem, sealed, b"horse")


@needs_openssl
def test_a_pkcs12_file_that_asks_for_too_much_work_is_refused_unopened(tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(server().key_pem())
    (tmp_path / "pass").write_text("horse")
    store = openssl(
        "pkcs12", "-export", "-iter", "2000001", "-maciter", "-inkey", str(tmp_path / "key"),
        "-passout", f"file:{tmp_path / 'pass'}", data=server().pem,
    )  # fmt: skip
    with pytest.raises(TooLarge, match="more work to open"):
        read(store, passphrase=b"horse")


def test_a_key_file_of_a_megabyte_is_not_read() -> None:
    with pytest.raises(TooLarge):
        read(server().pem, b"x" * (MAX_KEY + 1))


def test_what_is_nothing_is_told() -> None:
    for data in (b"", b"hello", b"0", b"0\x80", b"0\x84\xff\xff\xff\xff", b"\x00" * 64):
        with pytest.raises((NotPem, Damaged)):
            read(data, server().key_pem())
    with pytest.raises(KeyMismatch):
        read(server().pem, issue("other").key_pem())


@settings(deadline=None)
@given(st.binary(max_size=200), st.integers(0, 3000), st.booleans())
def test_a_damaged_pkcs12_file_is_a_named_error_or_harmless(noise: bytes, at: int, cut: bool) -> None:
    store = server().pkcs12(intermediate(), passphrase=b"horse")
    broken = store[:at] if cut else store[:at] + noise + store[at + len(noise) :]
    try:
        read(broken, passphrase=b"horse")
    except MaterialError:
        pass


@settings(deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300))
def test_rubbish_is_a_named_error(chain: bytes, key: bytes) -> None:
    with pytest.raises(MaterialError):
        read(chain, key, b"horse")
    with pytest.raises(MaterialError):
        read(server().pem, key or b"x", b"horse")


def long_rsa_key() -> rsa.RSAPrivateKey:
    """6456 bits, of two primes that everybody knows."""
    p, q, e = 2**2203 - 1, 2**4253 - 1, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), rsa.RSAPublicNumbers(e, p * q))
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def test_a_long_rsa_key_is_refused_before_seconds_go_into_it() -> None:
    key = long_rsa_key()
    for encoding in (serialization.Encoding.PEM, serialization.Encoding.DER):
        data = key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        started = time.process_time()
        with pytest.raises(WeakKey, match="6456 bits; at most 4096"):
            read(server().pem, data)
        assert time.process_time() - started < 1


def test_a_store_is_opened_apart_and_its_errors_come_back() -> None:
    store = server().pkcs12(intermediate(), passphrase=b"horse")
    assert apart.to_pem(store, b"horse") == pkcs12.to_pem(store, b"horse")
    with pytest.raises(KeyLocked, match="passphrase is wrong"):
        apart.to_pem(store, b"cow")
    with pytest.raises(KeyLocked, match="give its passphrase"):
        apart.to_pem(store, None)
    with pytest.raises(Damaged):
        apart.to_pem(store[:99], b"horse")


def test_a_store_that_takes_too_long_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "_TIMEOUT", 0.01)
    with pytest.raises(TooLarge, match="within its time"):
        apart.to_pem(server().pkcs12(passphrase=b"horse"), b"horse")
