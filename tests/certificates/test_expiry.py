"""Who is told what, and when: never twice, never too late, and only the worst after a time of silence."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from certificates.core.expiry import DAYS, Facts, Rung, Told, Word, decide, decide_flag, reached, rungs

NOW = datetime(2027, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def facts(lifetime: float, left: float, **more: object) -> Facts:
    end = NOW + left * DAY
    return Facts(end - lifetime * DAY, end, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("lifetime", "days"),
    [(398, [30, 14, 7, 3, 1]), (60, [30, 14, 7, 3, 1]), (59, [14, 7, 3, 1]), (20, [7, 3, 1]), (6.6, [3, 1]), (1, [])],
)
def test_rungs_beyond_half_of_the_life_are_left_out(lifetime: float, days: list[int]) -> None:
    found = rungs(lifetime * DAY)
    assert [DAYS[rung] for rung in found[:-1]] == days
    assert found[-1] is Rung.EXPIRED


@pytest.mark.parametrize(
    ("left", "rung"),
    [
        (30.1, Rung.NONE),
        (30, Rung.DAYS_30),
        (14, Rung.DAYS_14),
        (7.5, Rung.DAYS_14),
        (3, Rung.DAYS_3),
        (0.5, Rung.DAYS_1),
        (0, Rung.EXPIRED),
        (-9, Rung.EXPIRED),
    ],
)
def test_the_worst_rung_counts(left: float, rung: Rung) -> None:
    assert reached(facts(200, left), NOW) is rung


def test_a_renewal_that_works_is_silent_to_the_end() -> None:
    for left in (29, 6, 0.1):
        assert decide(facts(45, left, automatic=True, renewal_due=NOW), Told(), NOW) is None
        assert decide(facts(45, left, automatic=True, failures=1), Told(), NOW) is None
    assert decide(facts(45, 0, automatic=True), Told(), NOW) == Word(Rung.EXPIRED)


@pytest.mark.parametrize("trouble", [{"failures": 2}, {"renewal_due": NOW - 2 * DAY}])
def test_a_renewal_that_does_not_work_is_told_and_then_the_last_days(trouble: dict[str, object]) -> None:
    for left, rung in ((20, Rung.RENEWAL), (7, Rung.DAYS_7), (2, Rung.DAYS_3), (1, Rung.DAYS_1), (-1, Rung.EXPIRED)):
        assert decide(facts(90, left, automatic=True, **trouble), Told(), NOW) == Word(rung)
    told = Told(Rung.RENEWAL, is_open=True)
    assert decide(facts(90, 20, automatic=True, **trouble), told, NOW) is None
    assert decide(facts(90, 20, automatic=True), told, NOW) == Word(Rung.RENEWAL, over=True)


def test_a_short_grace_goes_before_overdue() -> None:
    assert decide(facts(90, 20, automatic=True, renewal_due=NOW - DAY / 2), Told(), NOW) is None
    assert decide(facts(6, 2, automatic=True, renewal_due=NOW - DAY / 2), Told(), NOW) == Word(Rung.DAYS_3)


def test_that_it_is_over_is_told_once_and_only_to_whom_it_was_told() -> None:
    gone = facts(90, 5, gone=True)
    assert decide(gone, Told(), NOW) is None
    assert decide(gone, Told(Rung.DAYS_7, is_open=True, acknowledged=True), NOW) == Word(Rung.DAYS_7, over=True)
    assert decide(gone, Told(Rung.DAYS_7), NOW) is None


def test_a_clock_that_goes_back_ends_nothing() -> None:
    assert decide(facts(90, 60), Told(Rung.DAYS_30, is_open=True), NOW) is None


def test_acknowledged_leaves_the_last_day_and_the_end() -> None:
    told = Told(Rung.DAYS_30, is_open=True, acknowledged=True)
    for left in (14, 7, 2):
        assert decide(facts(90, left), told, NOW) is None
    assert decide(facts(90, 1), told, NOW) == Word(Rung.DAYS_1)
    assert decide(facts(90, -1), told, NOW) == Word(Rung.EXPIRED)


def test_snoozed_leaves_only_the_end_and_tells_the_worst_afterwards() -> None:
    told = Told(Rung.DAYS_30, is_open=True, snoozed_until=NOW + DAY)
    assert decide(facts(90, 1), told, NOW) is None
    assert decide(facts(90, -1), told, NOW) == Word(Rung.EXPIRED)
    assert decide(facts(90, 1), told, NOW + DAY / 2) is None
    assert decide(facts(90, 1), replace(told, snoozed_until=NOW), NOW) == Word(Rung.DAYS_1)


def test_a_flag_is_told_when_it_begins_and_when_it_ends() -> None:
    assert decide_flag(holds=False, told=Told(), now=NOW) is None
    assert decide_flag(holds=True, told=Told(), now=NOW) == Word(Rung.RENEWAL)
    told = Told(Rung.RENEWAL, is_open=True)
    assert decide_flag(holds=True, told=told, now=NOW) is None
    assert decide_flag(holds=False, told=told, now=NOW) == Word(Rung.RENEWAL, over=True)
    assert decide_flag(holds=True, told=Told(Rung.RENEWAL), now=NOW) == Word(Rung.RENEWAL)
    assert decide_flag(holds=True, told=Told(snoozed_until=NOW + DAY), now=NOW) is None


def after(told: Told, word: Word) -> Told:
    """What the rows hold once ``word`` was told."""
    return replace(told, worst=max(told.worst, word.rung), is_open=not word.over)


@given(
    st.floats(0.2, 800),
    st.lists(st.floats(0.001, 40), min_size=1, max_size=60),
    st.booleans(),
    st.booleans(),
    st.integers(0, 3),
)
def test_whenever_somebody_looks_the_words_only_get_worse_and_end_with_the_end(
    lifetime: float, pauses: list[float], acknowledged: bool, automatic: bool, failures: int
) -> None:
    subject = facts(lifetime, lifetime, automatic=automatic, failures=failures)
    told, now, words = Told(acknowledged=acknowledged), NOW, []
    for pause in [*pauses, lifetime + 1]:  # the last look is after the end
        now += pause * DAY
        word = decide(subject, told, now)
        if word is not None:
            words.append(word.rung)
            told = after(told, word)
            assert decide(subject, told, now) is None  # one look, one word
    assert words == sorted(set(words))
    assert words[-1] is Rung.EXPIRED


@dataclass
class Simulated:
    """One certificate of the simulated year, and what its people were told."""

    facts: Facts
    told: Told = field(default_factory=Told)
    words: list[tuple[datetime, Word]] = field(default_factory=list)

    def people_act(self, chance: random.Random, now: datetime) -> None:
        if not self.told.is_open:
            return
        if chance.random() < 0.02:
            self.told = replace(self.told, acknowledged=True)
        if chance.random() < 0.02:
            self.told = replace(self.told, snoozed_until=now + chance.uniform(1, 30) * DAY)
        if chance.random() < 0.03:
            self.facts = replace(self.facts, gone=True)

    def look(self, now: datetime) -> None:
        word = decide(self.facts, self.told, now)
        if word is not None:
            self.words.append((now, word))
            self.told = after(self.told, word)

    def assert_well_told(self, *, last_look: datetime) -> None:
        began = [(moment, word.rung) for moment, word in self.words if not word.over]
        told = [rung for _, rung in began]
        assert told == sorted(set(told))
        assert all(rung is reached(self.facts, moment) for moment, rung in began)  # the worst that was true
        assert len(self.words) - len(began) == (1 if self.facts.gone and began else 0)
        if last_look > self.facts.not_after and not self.facts.gone:
            assert told[-1] is Rung.EXPIRED


@pytest.mark.parametrize("seed", range(5))
def test_a_year_with_downtimes_replacements_and_people(seed: int) -> None:
    chance, now, last_look = random.Random(seed), NOW, NOW
    everything: list[Simulated] = []
    while now < NOW + 365 * DAY:
        last_look = now
        if len(everything) < 60:
            started = now - chance.uniform(0, 60) * DAY
            everything.append(Simulated(Facts(started, started + chance.choice([6, 45, 90, 200, 398]) * DAY)))
        for each in everything:
            each.people_act(chance, now)
            each.look(now)
        now += (chance.choice([1 / 24, 0.5, 1, 1, 2]) if chance.random() < 0.97 else 20) * DAY
    assert sum(len(each.words) for each in everything) > 60
    for each in everything:
        each.assert_well_told(last_look=last_look)
