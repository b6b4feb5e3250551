"""What is read from a pair, and what is refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from certificates.core.errors import (
    KeyLocked,
    KeyMismatch,
    MaterialError,
    NoKey,
    NotPem,
    OutOfDate,
    TooLarge,
    WeakKey,
    WeakSignature,
)
from certificates.core.x509 import MAX_PEM, prove_pair, read_pair

from .material import Issued, intermediate, issue, server

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


def test_a_certificate_without_a_key_is_taken_only_if_its_key_waits() -> None:
    with pytest.raises(NoKey, match="private key is missing"):
        read_pair(server().pem, b"", None, now=NOW, waiting={"0" * 64})
    public = read_pair(server().pem, server().key_pem(), None, now=NOW).public_key
    pair = read_pair(intermediate().pem + server().pem, b" \n", None, now=NOW, waiting={"0" * 64, public})
    assert (pair.key_pem, pair.public_key, pair.subject) == (None, public, "www.example.org")


def test_a_pair_is_proven_before_it_leaves() -> None:
    chain = (server().pem + intermediate().pem).decode()
    prove_pair(chain, server().key_pem())
    for key in (intermediate().key_pem(), b"", b"nothing"):
        with pytest.raises(KeyMismatch, match="Nothing of it was sent"):
            prove_pair(chain, key)
    with pytest.raises(KeyMismatch):
        prove_pair("", server().key_pem())


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


@pytest.mark.parametrize("curve", [ec.SECP256K1(), ec.SECP224R1(), ec.BrainpoolP256R1()])
def test_it_refuses_curves_that_clients_do_not_know(curve: ec.EllipticCurve) -> None:
    odd = issue("odd", key=ec.generate_private_key(curve))
    with pytest.raises(WeakKey, match=curve.name):
        read_pair(odd.pem, odd.key_pem(), None, now=NOW)


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
def test_it_takes_the_curves_that_clients_know(curve: ec.EllipticCurve) -> None:
    good = issue("good", key=ec.generate_private_key(curve))
    assert read_pair(good.pem, good.key_pem(), None, now=NOW).key_type == f"ECDSA {curve.name}"


def with_sha1(issued: Issued) -> Issued:
    """The same, signed with SHA-1, as far as it says itself: ``cryptography`` does not sign so any more."""
    der = issued.certificate.public_bytes(serialization.Encoding.DER)
    rsa_with = bytes.fromhex("06092a864886f70d0101")
    assert der.count(rsa_with + b"\x0b") == 2
    return Issued(x509.load_der_x509_certificate(der.replace(rsa_with + b"\x0b", rsa_with + b"\x05")), issued.key)


def test_it_refuses_a_signature_that_can_be_forged() -> None:
    root = issue("Root", ca=True, rsa_bits=2048)
    for old in (with_sha1(issue("old", root)), with_sha1(issue("own", rsa_bits=2048))):
        for more in (b"", root.pem if old.certificate.subject != old.certificate.issuer else b""):
            with pytest.raises(WeakSignature, match="RSA with SHA-1"):
                read_pair(old.pem + more, old.key_pem(), None, now=NOW)


def test_it_refuses_an_issuer_whose_key_or_signature_is_weak() -> None:
    short = issue("Short Root", ca=True, rsa_bits=1024)
    leaf = issue("leaf", short)
    with pytest.raises(WeakKey, match="of Short Root has 1024 bits"):
        read_pair(leaf.pem + short.pem, leaf.key_pem(), None, now=NOW)
    forged = with_sha1(issue("Forged", issue("Root", ca=True, rsa_bits=2048), ca=True))
    leaf = issue("leaf", forged)
    with pytest.raises(WeakSignature, match="Forged is signed with RSA with SHA-1"):
        read_pair(leaf.pem + forged.pem, leaf.key_pem(), None, now=NOW)


def test_the_signature_of_a_root_does_not_matter() -> None:
    root = with_sha1(issue("Old Root", ca=True, rsa_bits=2048))
    leaf = issue("leaf", root)
    assert read_pair(leaf.pem + root.pem, leaf.key_pem(), None, now=NOW).chain_pem.count("BEGIN") == 2


def test_an_extension_that_cannot_be_read_is_a_named_error() -> None:
    twice = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.5.29.17"), b"not ASN.1")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "odd")])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(1).not_valid_before(NOW).not_valid_after(NOW + timedelta(days=1))
    odd = builder.add_extension(twice, critical=False).sign(key, hashes.SHA256())
    pem = odd.public_bytes(serialization.Encoding.PEM)
    with pytest.raises(MaterialError):
        read_pair(pem, Issued(odd, key).key_pem(), None, now=NOW)
