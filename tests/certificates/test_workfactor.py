"""How much work a key asks for is read before it is done."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.core.errors import Damaged, TooLarge
from certificates.core.workfactor import MAX_ROUNDS, refuse_endless_work

SCRYPT = bytes.fromhex("06092b06010401da47040b")
PBKDF2 = bytes.fromhex("06092a864886f70d01050c")


def element(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = bytes([size]) if size < 0x80 else bytes([0x82, size >> 8, size & 0xFF])
    return bytes([tag]) + length + content


def number(value: int) -> bytes:
    return element(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def derivation(kind: bytes, *numbers: int) -> bytes:
    parameters = element(0x30, element(0x04, b"saltsalt") + b"".join(map(number, numbers)))
    return element(0x30, element(0x30, kind + parameters))


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [(PBKDF2, (2048,)), (PBKDF2, (MAX_ROUNDS, 32)), (SCRYPT, (16_384, 8, 1)), (SCRYPT, (131_072, 8, 1))],
)
def test_what_is_in_use_is_taken(kind: bytes, numbers: tuple[int, ...]) -> None:
    refuse_endless_work(derivation(kind, *numbers))


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [(PBKDF2, (MAX_ROUNDS + 1,)), (PBKDF2, (2**31 - 1, 32)), (SCRYPT, (262_144, 8, 1)), (SCRYPT, (16_384, 8, 16))],
)
def test_what_takes_too_long_is_refused(kind: bytes, numbers: tuple[int, ...]) -> None:
    with pytest.raises(TooLarge):
        refuse_endless_work(derivation(kind, *numbers))


def test_it_looks_into_strings_that_hold_der() -> None:
    with pytest.raises(TooLarge):
        refuse_endless_work(element(0x30, element(0x04, derivation(PBKDF2, MAX_ROUNDS + 1))))


def test_deep_nesting_is_damage() -> None:
    der = b""
    for _ in range(60):
        der = element(0x30, der)
    with pytest.raises(Damaged, match="nested"):
        refuse_endless_work(der)


def test_the_old_encoding_says_how_to_convert() -> None:
    with pytest.raises(Damaged, match="openssl pkcs12"):
        refuse_endless_work(b"\x30\x80\x02\x01\x03\x00\x00")


@given(st.binary(max_size=400))
def test_any_bytes_are_judged(data: bytes) -> None:
    try:
        refuse_endless_work(b"\x30" + data)
    except (Damaged, TooLarge):
        pass
