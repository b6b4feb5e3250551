"""When a wrong or unseen certificate is told of, from looks alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from deployments.core.served import MATCH, MISMATCH, UNKNOWN
from deployments.core.served_alarm import (
    NOT_DEPLOYED,
    UNSEEN,
    WRONG,
    Watched,
    after,
    is_unseen,
    is_wrong,
    life_begins,
)

NOW = datetime(2027, 1, 1, tzinfo=UTC)
LOOK = timedelta(minutes=10)
LONG_AGO = NOW - timedelta(days=100)


def looks(*states: str, held: bool = False, before: Watched | None = None) -> Watched:
    watched = before or Watched()
    for at, state in enumerate(states):
        watched = after(watched, state, f"because of {state}", NOW + at * LOOK, held=held)
    return watched


def test_a_mismatch_has_to_last() -> None:
    watched = looks(MATCH, MISMATCH, MISMATCH, UNKNOWN)
    assert watched.wrong_since == NOW + LOOK
    assert is_wrong(watched, NOW + 9 * WRONG, running=LONG_AGO) is None, "it was seen twice, ten minutes apart"
    watched = looks(MATCH, MISMATCH, MISMATCH, UNKNOWN, MISMATCH)
    assert is_wrong(watched, NOW + 4 * LOOK, running=LONG_AGO) is True
    assert is_wrong(looks(MISMATCH, MATCH), NOW + WRONG, running=LONG_AGO) is False


def test_what_was_chosen_and_not_deployed_has_a_day() -> None:
    watched = after(Watched(), MISMATCH, "not deployed", NOW, held=False, pending=True)
    for later, lasted in ((WRONG, None), (NOT_DEPLOYED, True)):
        watched = after(watched, MISMATCH, "not deployed", NOW + later, held=False, pending=True)
        assert is_wrong(watched, NOW + later, running=LONG_AGO) is lasted


def test_an_operation_begins_the_counts_anew_and_ends_nothing() -> None:
    assert looks(MISMATCH, UNKNOWN, held=True) == Watched()
    watched = looks(MISMATCH, before=looks(MISMATCH), held=True)
    assert watched.wrong_since == NOW
    assert looks(MATCH, before=watched, held=True) == Watched()


def test_not_to_see_anything_is_told_later_and_ends_with_any_certificate() -> None:
    watched = looks(UNKNOWN, UNKNOWN)
    assert is_unseen(watched, NOW + UNSEEN - LOOK, running=LONG_AGO) is None
    assert is_unseen(watched, NOW + UNSEEN, running=LONG_AGO) is True
    assert is_unseen(looks(UNKNOWN, MISMATCH), NOW + UNSEEN, running=LONG_AGO) is False


def test_nothing_counts_from_before_the_dashboard_was_away() -> None:
    watched, back = looks(MISMATCH), NOW + timedelta(days=7)
    for later, lasted in ((LOOK, None), (WRONG, True)):
        watched = after(watched, MISMATCH, "", back + later, held=False)
        assert is_wrong(watched, back + later, running=back) is lasted


@pytest.mark.parametrize(("left", "life"), [(5, 7), (40, 47), (89.9, 90), (120, 200), (365, 398), (4000, 4000)])
def test_a_life_that_was_not_read_is_the_shortest_that_it_can_be(left: float, life: float) -> None:
    end = NOW + timedelta(days=left)
    assert end - life_begins(None, end, NOW) == timedelta(days=life)
    assert life_begins(LONG_AGO, end, NOW) == LONG_AGO
