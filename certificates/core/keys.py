"""Public and private keys: which are good enough, and what names them. Pure."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Callable, Collection

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes, PublicKeyTypes

from . import opensslenc
from .errors import Damaged, KeyLocked, NotPem, SeveralKeys, TooLarge, WeakKey
from .pem import Block, looks_like_pem, split
from .workfactor import refuse_endless_work

MAX_KEY = 32 * 1024
"""Bytes of a key's file; an RSA key of 16,384 bits takes 13 kB."""
MIN_RSA_BITS = 2048
MAX_RSA_BITS = 16_384
MAX_OWN_RSA_BITS = 4096
"""Bits of a server's own RSA key: no public authority signs more, and the check of one takes seconds."""
CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})
"""P-256, P-384 and P-521: what browsers and TLS libraries take."""
_DER = b"\x30"
_LOCKED = "The private key is encrypted: give its passphrase too."
_WRONG = "The passphrase does not open the private key."


def public_der(key: PublicKeyTypes) -> bytes:
    """SubjectPublicKeyInfo, DER."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def public_digest(key: PublicKeyTypes) -> str:
    """What names a key pair: the SHA-256 of its SubjectPublicKeyInfo, 64 hex digits."""
    return hashlib.sha256(public_der(key)).hexdigest()


def key_name(key: PublicKeyTypes) -> str:
    """Kind and size, such as ``RSA 2048``; good or not."""
    match key:
        case rsa.RSAPublicKey():
            return f"RSA {key.key_size}"
        case ec.EllipticCurvePublicKey():
            return f"ECDSA {key.curve.name}"
        case ed25519.Ed25519PublicKey():
            return "Ed25519"
        case ed448.Ed448PublicKey():
            return "Ed448"
        case _:
            return "another kind"


def refuse_weak(key: PublicKeyTypes, whose: str = "") -> None:
    """Raise WeakKey for a key that is not to be used for TLS. ``whose``: as `` of Some Issuer``."""
    match key:
        case rsa.RSAPublicKey():
            if key.key_size < MIN_RSA_BITS:
                raise WeakKey(f"The RSA key{whose} has {key.key_size} bits; at least {MIN_RSA_BITS} are needed.")
            if key.key_size > MAX_RSA_BITS:
                raise WeakKey(f"The RSA key{whose} has {key.key_size} bits; TLS takes at most {MAX_RSA_BITS}.")
        case ec.EllipticCurvePublicKey():
            if key.curve.name not in CURVES:
                raise WeakKey(f"The key{whose} is on the curve {key.curve.name}; use P-256, P-384 or P-521.")
        case ed25519.Ed25519PublicKey() | ed448.Ed448PublicKey():
            pass
        case _:
            raise WeakKey(f"The key{whose} is of a kind that TLS servers do not take.")


def to_pkcs8(key: PrivateKeyTypes) -> bytes:
    """Unencrypted PKCS#8, PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def read_private_key(
    data: bytes, passphrase: bytes | None, *, publics: Collection[bytes], rounds: int = opensslenc.ROUNDS
) -> PrivateKeyTypes:
    """The private key in ``data``; raises MaterialError.

    Taken are PEM (PKCS#8, PKCS#1, SEC1, encrypted or not), the same as DER, and what ``openssl enc`` made of any of
    these, as bytes or base64 (``rounds`` is its ``-iter``). ``publics`` are the public keys (DER) that it may belong
    to: what ``openssl enc`` made has no integrity, so nothing else counts as opened.
    """
    if len(data) > MAX_KEY:
        raise TooLarge(f"The private key is over {MAX_KEY // 1024} kB, which no key needs.")
    if looks_like_pem(data):
        return _from_pem(data, passphrase)
    if data[:1] == _DER and (key := _from_der(data, passphrase)) is not None:
        return key
    if (sealed := opensslenc.sealed_bytes(data)) is not None:
        return _from_enc(sealed, passphrase, publics, rounds)
    raise NotPem("No private key was found: the text must have a block that begins with -----BEGIN PRIVATE KEY-----.")


def _from_enc(sealed: bytes, passphrase: bytes | None, publics: Collection[bytes], rounds: int) -> PrivateKeyTypes:
    if not passphrase:
        raise KeyLocked(_LOCKED)
    for plain in opensslenc.candidates(sealed, passphrase, rounds=rounds):
        try:
            key = _from_pem(plain, passphrase) if looks_like_pem(plain) else _from_der(plain, passphrase)
        except (KeyLocked, NotPem, Damaged, TooLarge, WeakKey, SeveralKeys):
            continue
        if key is not None and public_der(key.public_key()) in publics:
            return key
    raise KeyLocked(
        "The passphrase does not open this file, or what is in it is not the key of the certificate. If it was made "
        "with -iter, give that number too."
    )


def _from_pem(data: bytes, passphrase: bytes | None) -> PrivateKeyTypes:
    keys = split(data).keys
    if not keys:
        raise NotPem(
            "No private key was found: the text must have a block that begins with -----BEGIN PRIVATE KEY-----."
        )
    if len(keys) > 1:
        raise SeveralKeys(f"There are {len(keys)} private keys. Leave only the one that belongs to the certificate.")
    return read_key_block(keys[0], passphrase)


def read_key_block(block: Block, passphrase: bytes | None) -> PrivateKeyTypes:
    """The private key of one PEM block; raises MaterialError."""
    if block.kind == "ENCRYPTED PRIVATE KEY":
        refuse_endless_work(_body(block))
    try:
        return _loaded(serialization.load_pem_private_key, block.text, passphrase or None)
    except TypeError as error:
        if passphrase:
            # A passphrase was given for a key that has none: harmless, so the key is simply read.
            return read_key_block(block, None)
        raise KeyLocked(_LOCKED) from error
    except UnsupportedAlgorithm as error:
        raise WeakKey("The private key is of a kind that is not supported.") from error
    except WeakKey:
        raise
    except ValueError as error:
        if b"ENCRYPTED" in block.text and passphrase:
            raise KeyLocked(_WRONG) from error
        raise Damaged("The private key is damaged. Choose its file again.") from error


def _from_der(data: bytes, passphrase: bytes | None) -> PrivateKeyTypes | None:
    """None if it is no key."""
    try:
        refuse_endless_work(data)
        return _loaded(serialization.load_der_private_key, data, passphrase or None)
    except TypeError as error:
        if passphrase:
            return _from_der(data, None)
        raise KeyLocked(_LOCKED) from error
    except UnsupportedAlgorithm as error:
        raise WeakKey("The private key is of a kind that is not supported.") from error
    except (TooLarge, WeakKey):
        raise
    except ValueError:
        return None


def _loaded(load: Callable[..., PrivateKeyTypes], data: bytes, passphrase: bytes | None) -> PrivateKeyTypes:
    """The key, proven to be sound; raises what ``load`` raises, and WeakKey.

    That an RSA key is sound is computed with the interpreter's lock held, for minutes if the key is long enough: its
    length is read first.
    """
    key = load(data, passphrase, unsafe_skip_rsa_key_validation=True)
    if not isinstance(key, rsa.RSAPrivateKey):
        return key
    if key.key_size > MAX_OWN_RSA_BITS:
        raise WeakKey(
            f"The RSA key has {key.key_size} bits; at most {MAX_OWN_RSA_BITS} are taken, as by public authorities. "
            "ECDSA P-256 is stronger than RSA 2048, and faster than any RSA."
        )
    return load(data, passphrase)


def _body(block: Block) -> bytes:
    try:
        return b64decode(b"".join(block.text.split(b"\n")[1:-2]))
    except Base64Error as error:
        raise Damaged("The private key is damaged. Choose its file again.") from error
