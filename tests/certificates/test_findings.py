"""What a certificate's page warns of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.x509.oid import ExtendedKeyUsageOID

from certificates.core.details import describe, describe_chain
from certificates.core.findings import Level, findings, time_level

from .material import Issued, authority, intermediate, issue, server

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


def found(*chain: Issued, now: datetime = NOW) -> dict[str, Level]:
    return {each.text: each.level for each in findings([describe(link.certificate) for link in chain], now)}


def level_of(words: str, *chain: Issued, now: datetime = NOW) -> Level:
    levels = {level for text, level in found(*chain, now=now).items() if words in text}
    assert len(levels) == 1, found(*chain, now=now)
    return levels.pop()


def test_a_good_chain_gives_nothing_to_say() -> None:
    assert found(server(), intermediate()) == {}


def test_a_root_in_the_chain_is_said_calmly() -> None:
    assert level_of("The root Test Root is in the chain", server(), intermediate(), authority()) is Level.CALM


def test_a_missing_intermediate_is_named() -> None:
    assert level_of("intermediate certificate Test Intermediate is missing", server()) is Level.WARN


def test_a_self_signed_one_is_said_to_be_so() -> None:
    assert level_of("self-signed", issue("own", names=("own",))) is Level.CALM


def test_times_are_judged() -> None:
    assert level_of("not valid before", issue("young", names=("y",), started=-1)) is Level.WARN
    assert level_of("It expired on", server(), intermediate(), now=NOW + 100 * DAY) is Level.BAD
    assert level_of("It expires on", server(), intermediate(), now=NOW + 70 * DAY) is Level.WARN
    assert level_of("It expires on", server(), intermediate(), now=NOW + 87 * DAY) is Level.BAD


def test_an_issuer_that_ends_first_is_named() -> None:
    short = issue("Short", authority(), ca=True, days=40)
    leaf = issue("leaf", short, names=("leaf",))
    assert level_of("Its issuer Short expires before it", leaf, short) is Level.WARN
    assert level_of("Its issuer Short expired", leaf, short, now=NOW + 45 * DAY) is Level.BAD


def test_what_browsers_do_not_take_is_said() -> None:
    odd = issue("odd", intermediate(), key=ed25519.Ed25519PrivateKey.generate())
    assert level_of("Ed25519, which browsers do not take", odd, intermediate()) is Level.WARN
    assert level_of("No DNS name or address", odd, intermediate()) is Level.WARN
    client = issue("client", intermediate(), names=("c",), usages=(ExtendedKeyUsageOID.CLIENT_AUTH,))
    assert level_of("not meant for servers", client, intermediate()) is Level.WARN


def test_the_worst_comes_first() -> None:
    levels = list(found(issue("x", intermediate()), now=NOW + 100 * DAY).values())
    assert levels[0] is Level.BAD
    assert len(levels) > 1


@pytest.mark.parametrize(
    ("lifetime", "left", "level"),
    [
        (200, 31, None),
        (200, 30, Level.WARN),
        (200, 7, Level.BAD),
        (90, 30, Level.WARN),
        (45, 16, None),
        (45, 15, Level.WARN),
        (45, 4, Level.BAD),
        (28, 15, None),
        (28, 14, Level.WARN),  # the first mail
        (6, 3.1, None),
        (6, 2, Level.WARN),
        (6, -1, Level.BAD),
    ],
)
def test_near_its_end_is_a_part_of_its_life(lifetime: int, left: float, level: Level | None) -> None:
    assert time_level(NOW - (lifetime - left) * DAY, NOW + left * DAY, NOW) is level


def test_everything_that_stands_in_it_is_described() -> None:
    leaf, issuer = describe_chain((server().pem + intermediate().pem).decode())
    assert (leaf.subject, leaf.issuer, issuer.issuer) == ("www.example.org", "Test Intermediate", "Test Root")
    assert leaf.subject_in_full == "CN=www.example.org"
    assert leaf.serial == f"{server().certificate.serial_number:x}"
    assert (leaf.key, leaf.signature) == ("ECDSA secp256r1", "ECDSA with SHA-256")
    assert (len(leaf.sha256), len(leaf.sha1), len(leaf.public_key)) == (64, 40, 64)
    assert (leaf.authority, issuer.authority) == (False, True)
