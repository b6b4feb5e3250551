"""What is read from a pair, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.core.errors import (
    BadChain,
    KeyLocked,
    KeyMismatch,
    MaterialError,
    NotPem,
    OutOfDate,
    TooLarge,
    WeakKey,
)
from certificates.core.x509 import MAX_PEM, read_pair

from .material import authority, intermediate, issue, server

NOW = datetime.now(UTC)


def test_it_reads_names_dates_and_the_fingerprint() -> None:
    pair = read_pair(server().pem + intermediate().pem, server().key_pem(), None, now=NOW)
    assert pair.names == ("www.example.org", "example.org")
    assert pair.subject == "www.example.org"
    assert pair.issuer == "Test Intermediate"
    assert pair.key_type == "ECDSA secp256r1"
    assert len(pair.fingerprint) == 64
    assert pair.not_before < NOW < pair.not_after
    assert pair.chain_pem.count("BEGIN CERTIFICATE") == 2


def test_its_repr_does_not_show_the_key() -> None:
    pair = read_pair(server().pem, server().key_pem(), None, now=NOW)
    assert "PRIVATE" not in repr(pair)


@pytest.mark.parametrize("old_form", [False, True])
def test_it_opens_an_encrypted_key_and_returns_it_plain(old_form: bool) -> None:
    pair = read_pair(server().pem, server().key_pem(b"horse", old_form=old_form), b"horse", now=NOW)
    assert pair.key_pem.startswith(b"-----BEGIN PRIVATE KEY-----")


def test_a_needless_passphrase_does_no_harm() -> None:
    assert read_pair(server().pem, server().key_pem(), b"horse", now=NOW).fingerprint


def test_it_asks_for_the_passphrase_of_an_encrypted_key() -> None:
    with pytest.raises(KeyLocked, match="give its passphrase"):
        read_pair(server().pem, server().key_pem(b"horse"), None, now=NOW)


def test_it_says_that_the_passphrase_is_wrong() -> None:
    with pytest.raises(KeyLocked, match="does not open"):
        read_pair(server().pem, server().key_pem(b"horse"), b"cow", now=NOW)


def test_it_refuses_the_key_of_another_certificate() -> None:
    with pytest.raises(KeyMismatch, match="does not belong"):
        read_pair(server().pem, issue("other").key_pem(), None, now=NOW)


def test_it_says_when_the_chain_is_upside_down() -> None:
    with pytest.raises(KeyMismatch, match="put the server's own certificate first"):
        read_pair(intermediate().pem + server().pem, server().key_pem(), None, now=NOW)


def test_it_refuses_a_chain_with_a_stranger() -> None:
    stranger = issue("stranger", ca=True)
    with pytest.raises(BadChain, match="did not sign certificate 1"):
        read_pair(server().pem + stranger.pem, server().key_pem(), None, now=NOW)


def test_it_refuses_a_chain_out_of_order() -> None:
    with pytest.raises(BadChain, match="Certificate 2"):
        read_pair(server().pem + authority().pem + intermediate().pem, server().key_pem(), None, now=NOW)


def test_it_refuses_an_expired_certificate() -> None:
    old = issue("old", days=10, started=20)
    with pytest.raises(OutOfDate, match="expired on"):
        read_pair(old.pem, old.key_pem(), None, now=NOW)


def test_it_takes_a_certificate_that_starts_tomorrow() -> None:
    young = issue("young", started=-1)
    assert read_pair(young.pem, young.key_pem(), None, now=NOW).not_before > NOW + timedelta(hours=1)


def test_it_refuses_a_weak_key() -> None:
    weak = issue("weak", rsa_bits=1024)
    with pytest.raises(WeakKey, match="1024 bits"):
        read_pair(weak.pem, weak.key_pem(), None, now=NOW)


def test_it_refuses_text_without_a_certificate() -> None:
    with pytest.raises(NotPem, match="No certificate"):
        read_pair(b"hello", server().key_pem(), None, now=NOW)


def test_it_refuses_text_without_a_key() -> None:
    with pytest.raises(NotPem, match="No private key"):
        read_pair(server().pem, b"hello", None, now=NOW)


def test_it_refuses_too_much_text() -> None:
    with pytest.raises(TooLarge):
        read_pair(b"x" * (MAX_PEM + 1), b"", None, now=NOW)


@given(st.binary(max_size=300), st.integers(0, 400))
def test_damage_is_always_a_named_error_or_harmless(noise: bytes, at: int) -> None:
    pem = server().pem
    broken = pem[:at] + noise + pem[at + len(noise) :]
    try:
        read_pair(broken, server().key_pem(), None, now=NOW)
    except MaterialError:
        pass
