"""Bounds the work that an encrypted key asks for before anybody tries to open it. Pure.

An encrypted key names how many rounds its passphrase is to be put through, up to some thousand million: hours of a
processor. The numbers stand where PBKDF2, PBES1, scrypt and the MAC of PKCS#12 have them: right after the salt, an
OCTET STRING, in the same SEQUENCE.
"""

from __future__ import annotations

from collections.abc import Iterator

from .errors import Damaged, TooLarge

MAX_ROUNDS = 2_000_000
"""Rounds of PBKDF2; openssl writes 2,048 by default, cautious people 600,000."""
MAX_SCRYPT = 1 << 20
"""N × r × p of scrypt, in blocks of 128 bytes: 128 MiB. openssl writes 2^17."""
_SCRYPT = bytes.fromhex("06092b06010401da47040b")
_SEQUENCE, _SET, _INTEGER, _OCTETS, _CONSTRUCTED = 0x30, 0x31, 0x02, 0x04, 0x20
_MAX_DEPTH = 24


def refuse_endless_work(der: bytes) -> None:
    """Raise TooLarge if opening ``der`` (PKCS#8 or PKCS#12) takes more rounds than anybody needs.

    Raises Damaged for what is not DER.
    """
    scrypt = _SCRYPT in der
    for numbers in _after_salts(der, 0):
        product = 1
        for number in numbers:
            product *= number
        if numbers[0] > MAX_ROUNDS or (scrypt and product > MAX_SCRYPT):
            raise TooLarge(
                "The key asks for more work to open it than is done here "
                f"(at most {MAX_ROUNDS:,} rounds of PBKDF2, or 128 MiB of scrypt). Encrypt it with less."
            )


def _after_salts(der: bytes, depth: int) -> Iterator[list[int]]:
    """The integers that follow an OCTET STRING, for each SEQUENCE that has such."""
    if depth > _MAX_DEPTH:
        raise Damaged("The file is nested more deeply than any key.")
    numbers: list[int] = []
    salted = False
    for tag, content in _elements(der):
        if tag == _INTEGER and salted:
            numbers.append(int.from_bytes(content, "big"))
        elif tag == _OCTETS:
            salted = True
            yield from _inside_octets(content, depth)
        elif tag & _CONSTRUCTED:
            yield from _after_salts(content, depth + 1)
    if numbers:
        yield numbers


def _inside_octets(content: bytes, depth: int) -> Iterator[list[int]]:
    # PKCS#12 wraps DER into OCTET STRINGs; other strings that begin like a SEQUENCE are salts and cipher texts.
    if content[:1] != bytes([_SEQUENCE]):
        return
    try:
        yield from _after_salts(content, depth + 1)
    except Damaged:
        return


def _elements(der: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(der):
        start, length = _head(der, at)
        end = start + length
        if end > len(der):
            raise Damaged("The file is cut off.")
        yield der[at], der[start:end]
        at = end


def _head(der: bytes, at: int) -> tuple[int, int]:
    """Where the content of the element at ``at`` starts, and its length in bytes."""
    if at + 2 > len(der) or der[at] & 0x1F == 0x1F:
        raise Damaged("The file is cut off, or it is no certificate file.")
    first = der[at + 1]
    if first < 0x80:
        return at + 2, first
    size = first & 0x7F
    if size == 0:
        raise Damaged("The file is in an old encoding (BER). Convert it first: openssl pkcs12 -in FILE -out FILE.pem")
    if size > 4 or at + 2 + size > len(der):
        raise Damaged("The file is cut off, or it is no certificate file.")
    return at + 2 + size, int.from_bytes(der[at + 2 : at + 2 + size], "big")
