"""Keys, requests and self-signed certificates that are made here."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from certificates.core.details import describe
from certificates.core.errors import BadName
from certificates.core.keys import public_digest, to_pkcs8
from certificates.core.making import MAX_DAYS, KeyKind, make_key, make_request, make_self_signed, parse_names
from certificates.core.x509 import read_pair

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


def test_names_are_taken_apart_and_each_is_kept_once() -> None:
    text = "WWW.example.org, *.example.org\nexample.org; 192.0.2.1 2001:DB8::1 www.example.org. _acme.example.org"
    assert parse_names(text) == (
        "www.example.org",
        "*.example.org",
        "example.org",
        "192.0.2.1",
        "2001:db8::1",
        "_acme.example.org",
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (" , ", "at least one name"),
        ("größe.example", "xn--"),
        ("-a.example", "neither a DNS name"),
        ("a..example", "neither"),
        ("*.*.example", "neither"),
        ("*.org", "too wide"),
        ("a" * 64 + ".example", "neither"),
        (".".join(["a" * 60] * 5), "neither"),
        ("https://example.org/", "neither"),
        (" ".join(f"{number}.example" for number in range(101)), "101 names"),
    ],
)
def test_what_is_no_name_is_refused(text: str, said: str) -> None:
    with pytest.raises(BadName, match=said):
        parse_names(text)


@given(st.text(max_size=80))
def test_any_text_is_names_or_a_named_error(text: str) -> None:
    try:
        names = parse_names(text)
    except BadName:
        return
    make_request(make_key(KeyKind.P256), names)


@pytest.mark.parametrize(
    ("kind", "name"),
    [(KeyKind.P256, "ECDSA secp256r1"), (KeyKind.P384, "ECDSA secp384r1"), (KeyKind.RSA2048, "RSA 2048")],
)
def test_a_self_signed_certificate_is_a_pair_that_is_taken(kind: KeyKind, name: str) -> None:
    key = make_key(kind)
    pem = make_self_signed(key, ("www.example.org", "192.0.2.1"), days=30, now=NOW)
    pair = read_pair(pem.encode(), to_pkcs8(key), None, now=NOW)
    assert (pair.names, pair.key_type) == (("www.example.org", "192.0.2.1"), name)
    assert pair.not_after - NOW == timedelta(days=30)
    described = describe(x509.load_pem_x509_certificate(pem.encode()))
    assert described.own_issuer
    assert described.for_servers
    assert not described.authority


@pytest.mark.parametrize("days", [0, MAX_DAYS + 1])
def test_its_days_are_bounded(days: int) -> None:
    with pytest.raises(ValueError, match="days"):
        make_self_signed(make_key(KeyKind.P256), ("a.example",), days=days, now=NOW)


def test_a_request_holds_the_names_and_fits_its_key() -> None:
    key = make_key(KeyKind.P256)
    long = ".".join(["a" * 60, "b" * 10, "example"])
    csr = x509.load_pem_x509_csr(make_request(key, (long, "*.example.org", "::1"), organisation="Serbest").encode())
    assert csr.is_signature_valid
    assert public_digest(csr.public_key()) == public_digest(key.public_key())
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [long, "*.example.org"]
    assert [str(each) for each in names.get_values_for_type(x509.IPAddress)] == ["::1"]
    assert csr.subject.rfc4514_string() == "O=Serbest,CN=*.example.org"
