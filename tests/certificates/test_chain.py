"""Chains are put in order where that is certain, and refused with the reason where a client could not follow."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from certificates.core.chain import MAX_CHAIN
from certificates.core.errors import (
    AmbiguousChain,
    BadChain,
    KeyMismatch,
    MissingIssuer,
    NotAnAuthority,
    PathTooLong,
)
from certificates.core.x509 import Pair, read_pair

from .material import Issued, authority, intermediate, issue, server

NOW = datetime.now(UTC)


def read(leaf: Issued, *certificates: Issued) -> Pair:
    return read_pair(b"".join(each.pem for each in certificates), leaf.key_pem(), None, now=NOW)


def order(pair: Pair, *known: Issued) -> list[int]:
    """Which of ``known`` the chain consists of."""
    blocks = [
        f"{block}-----END CERTIFICATE-----\n" for block in pair.chain_pem.split("-----END CERTIFICATE-----\n")[:-1]
    ]
    return [[each.pem.decode() for each in known].index(block) for block in blocks]


@pytest.mark.parametrize("turned", list(permutations(range(3))))
def test_any_order_of_a_whole_chain_becomes_the_right_one(turned: tuple[int, ...]) -> None:
    whole = (server(), intermediate(), authority())
    pair = read(server(), *(whole[at] for at in turned))
    assert order(pair, *whole) == [0, 1, 2]
    assert bool(pair.notes) == (turned != (0, 1, 2))


def test_a_mended_order_is_told() -> None:
    assert "put in order" in read(server(), intermediate(), server()).notes[0]


@settings(deadline=None)
@given(st.lists(st.sampled_from([0, 1, 2]), min_size=0, max_size=8))
def test_duplicates_are_dropped_and_told(more: list[int]) -> None:
    whole = (server(), intermediate(), authority())
    pair = read(server(), *whole, *(whole[at] for at in more))
    assert order(pair, *whole) == [0, 1, 2]
    assert any("twice" in note for note in pair.notes) == bool(more)


def test_the_key_of_an_issuer_is_not_the_servers() -> None:
    other = issue("other")
    with pytest.raises(KeyMismatch):
        read(other, server(), intermediate())


def test_a_missing_issuer_between_two_is_named() -> None:
    with pytest.raises(MissingIssuer, match=r"was issued by Test Intermediate, which is missing.*Test Root"):
        read(server(), server(), authority())


def test_a_stranger_is_named() -> None:
    with pytest.raises(BadChain, match="stranger"):
        read(server(), server(), intermediate(), authority(), issue("stranger", ca=True))


def test_two_certificates_of_one_key_are_ambiguous() -> None:
    renewed = issue("www.example.org", intermediate(), key=server().key)
    with pytest.raises(AmbiguousChain, match="several certificates for this key"):
        read(server(), intermediate(), server(), renewed)


def test_cross_signed_issuers_are_taken_in_the_order_given_and_never_guessed() -> None:
    other_root = issue("Other Root", ca=True)
    crossed = issue("Test Intermediate", other_root, ca=True, key=intermediate().key)
    with pytest.raises(AmbiguousChain, match="Put the chain in order yourself"):
        read(server(), server(), crossed, intermediate())
    assert not read(server(), server(), crossed, other_root).notes


def test_an_issuer_that_is_no_authority_is_refused() -> None:
    for fake in (issue("Fake", authority()), issue("Old", authority(), constraints=False)):
        leaf = issue("leaf", fake)
        with pytest.raises(NotAnAuthority, match="not an authority"):
            read(leaf, leaf, fake)


def test_the_path_length_counts_the_issuers_below() -> None:
    short_root = issue("Short", ca=True, path_length=0)
    direct = issue("direct", short_root)
    assert read(direct, direct, short_root).subject == "direct"
    below = issue("Below", short_root, ca=True)
    leaf = issue("leaf", below)
    with pytest.raises(PathTooLong, match="Short allows 0 issuers below it, and the chain has 1"):
        read(leaf, leaf, below, short_root)


def test_more_certificates_than_any_chain_are_refused() -> None:
    many = [issue(f"{number}.example") for number in range(MAX_CHAIN + 1)]
    with pytest.raises(BadChain, match="at most 10"):
        read(many[0], *many)
    with pytest.raises(BadChain, match="at most 10"):
        read(many[0], *(many * 3))
