"""The picture of a year: every certificate is in it once, or counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from certificates.core.timeline import MONTHS, Expiry, timeline

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)


def expiry(when: datetime, label: str = "x") -> Expiry:
    return Expiry(label, when, "good")


def test_months_follow_each_other_and_name_their_year() -> None:
    months = timeline([], NOW).months
    assert [month.name for month in months] == [
        "Nov",
        "Dec",
        "Jan",
        "Feb",
        "Mar",
        "Apr",
        "May",
        "Jun",
        "Jul",
        "Aug",
        "Sep",
        "Oct",
        "Nov",
    ]
    assert [month.year for month in months if month.year] == ["2026", "2027"]
    assert (months[0].edge, months[0].left) == ("0.00%", "3.85%")


def test_halves_of_a_month_are_columns_and_marks_are_stacked() -> None:
    day = datetime(2027, 1, 10, tzinfo=UTC)
    drawn = timeline(
        [expiry(day, "a"), expiry(day + timedelta(days=1), "b"), expiry(day + timedelta(days=6), "c")], NOW
    )
    first, second, third = drawn.marks
    assert (first.title, second.title, third.title) == ("a, 2027-01-10", "b, 2027-01-11", "c, 2027-01-16")
    assert first.left == second.left != third.left
    assert (first.top - second.top, first.top) == (14, third.top)
    assert drawn.words == "Jan 2027: 3."


def test_many_of_one_column_are_told_as_a_number() -> None:
    drawn = timeline([expiry(NOW + timedelta(days=40), str(number)) for number in range(20)], NOW)
    assert len(drawn.marks) == 8
    assert drawn.marks[-1].more == 13
    assert drawn.words == "Jan 2027: 20."


def test_what_is_not_in_the_picture_is_counted() -> None:
    drawn = timeline([expiry(NOW - timedelta(days=1)), expiry(NOW), expiry(datetime(2027, 12, 1, tzinfo=UTC))], NOW)
    assert (drawn.expired, drawn.later, drawn.marks) == (2, 1, ())
    assert drawn.words == "none in the next twelve months; already expired: 2; later: 1."


MOMENTS = st.integers(0, 4 * 365 * 24).map(lambda hours: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(hours=hours))


@given(st.lists(MOMENTS, max_size=60), MOMENTS)
def test_nothing_is_lost_and_all_is_inside(moments: list[datetime], now: datetime) -> None:
    drawn = timeline([expiry(moment) for moment in moments], now)
    counted = sum(mark.more or 1 for mark in drawn.marks)
    assert counted + drawn.expired + drawn.later == len(moments)
    for place in (drawn.now, *(mark.left for mark in drawn.marks)):
        assert 0 <= float(place.removesuffix("%")) <= 100
    assert all(0 < mark.top < drawn.baseline for mark in drawn.marks)
    places = [(mark.left, mark.top) for mark in drawn.marks]
    assert len(set(places)) == len(places)
    year_ahead = [moment for moment in moments if now < moment <= now + timedelta(days=365)]
    assert counted >= len(year_ahead)
    assert len(drawn.months) == MONTHS
