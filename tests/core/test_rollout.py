"""Waves: every service is in exactly one of them, a node is never torn apart, and what cannot be read is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.rollout import (
    ASK,
    BACK,
    HOLD,
    ON,
    OWE,
    PAUSE,
    Member,
    Rollout,
    RolloutError,
    after_failure,
    check,
    in_words,
    split,
)

TEN = tuple(Member(f"service:{n}", f"node-{n}", ("canary",) if n == 7 else ()) for n in range(10))


def sizes(waves: str, members: tuple[Member, ...] = TEN) -> list[int]:
    return [len(wave) for wave in split(Rollout(waves), members)]


@pytest.mark.parametrize(
    ("waves", "found"),
    [
        ("", [10]),
        ("rest", [10]),
        ("1, rest", [1, 9]),
        ("1,25%,rest", [1, 3, 6]),
        ("1, 25 %", [1, 3, 6]),
        ("50%, 50%", [5, 5]),
        ("3, 3, 3", [3, 3, 3, 1]),
        ("100, rest", [10]),
        ("tag canary, 50%, rest", [1, 5, 4]),
        ("tag  canary , tag canary", [1, 9]),
    ],
)
def test_the_nodes_are_taken_in_order_and_none_is_left_over(waves: str, found: list[int]) -> None:
    assert sizes(waves) == found


def test_the_canary_is_the_node_with_the_tag() -> None:
    assert split(Rollout("tag canary, rest"), TEN)[0] == ("service:7",)


def test_all_services_of_a_node_are_in_one_wave() -> None:
    members = [Member(f"service:{n}", f"node-{n % 3}") for n in range(9)]
    for wave in split(Rollout("1, 1, rest"), members):
        assert len(wave) == 3
        assert len({int(key[8:]) % 3 for key in wave}) == 1


@pytest.mark.parametrize(
    ("waves", "why"),
    [
        ("0, rest", "Wave 1 reads “0”"),
        ("1, rest, 2", "Wave 2 reads “rest”"),
        ("1,, 2", "Wave 2 reads “”"),
        ("101%", "Wave 1 reads “101%”"),
        ("-1", "Wave 1"),
        ("tag Canary", "Wave 1"),
        ("one", "Wave 1"),
        ("١", "Wave 1"),
        (", ".join(["1"] * 51), "more than 50 waves"),
    ],
)
def test_what_is_no_wave_is_refused_by_its_number(waves: str, why: str) -> None:
    with pytest.raises(RolloutError, match=why):
        check(Rollout(waves))


def test_a_tag_that_no_chosen_node_has_is_refused() -> None:
    with pytest.raises(RolloutError, match="None of the chosen nodes has the tag eu"):
        split(Rollout("tag eu, rest"), TEN)


@pytest.mark.parametrize(
    "odd",
    [
        Rollout(between="never"),
        Rollout(on_failure="panic"),
        Rollout(offline="wait"),
        Rollout(between=PAUSE),
        Rollout(between=PAUSE, pause=8 * 24 * 3600),
        Rollout(tolerated=-1),
    ],
)
def test_what_is_no_choice_is_refused(odd: Rollout) -> None:
    with pytest.raises(RolloutError):
        check(odd)


def test_failures_beyond_what_is_tolerated_are_decided_by_the_policy() -> None:
    for policy in (BACK, HOLD, ON):
        rollout = Rollout(tolerated=2, on_failure=policy)
        assert after_failure(rollout, before=0, now=0) == ON
        assert after_failure(rollout, before=1, now=1) == ON
        assert after_failure(rollout, before=1, now=2) == policy
        assert after_failure(rollout, before=9, now=0) == ON
    assert after_failure(Rollout(), before=0, now=1) == BACK


def test_the_plan_says_what_was_chosen() -> None:
    chosen = Rollout("1, rest", between=PAUSE, pause=600, tolerated=1, on_failure=HOLD, offline=OWE)
    assert in_words(check(chosen), split(chosen, TEN)) == (
        "In 2 waves; after each but the last: pause for 10 min.",
        "Up to 1 service may fail and go back alone.",
        "When more fail: hold, and ask.",
        "If nodes cannot be reached: they are left out, and catch up when they are back.",
    )
    assert in_words(Rollout(), [["a"]])[0] == "All nodes together."
    assert "approves" in in_words(Rollout("1", between=ASK), [["a"], ["b"]])[0]


PARTS = st.one_of(st.integers(1, 40).map(str), st.integers(1, 100).map(lambda n: f"{n}%"))


@given(st.lists(PARTS, max_size=8), st.integers(1, 60), st.integers(1, 4))
def test_whatever_is_chosen_each_service_is_in_exactly_one_wave(parts: list[str], nodes: int, each: int) -> None:
    members = [Member(f"service:{n}.{s}", f"node-{n}") for n in range(nodes) for s in range(each)]
    waves = split(check(Rollout(", ".join(parts))), members)
    assert [key for wave in waves for key in wave] == [member.key for member in members]
    assert all(waves)


@given(st.text(max_size=60))
def test_no_text_breaks_the_reader(text: str) -> None:
    try:
        waves = split(check(Rollout(text)), TEN)
    except RolloutError:
        return
    assert sum(map(len, waves)) == 10
