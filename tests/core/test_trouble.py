"""When a service counts as degraded, and when as well again: from readings alone."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.episodes import GAP, Episode
from deployments.core.facts_values import Child, Container, Heartbeats, PendingSwitch, ServiceFacts
from deployments.core.trouble import LOOP_RESTARTS, NODE, SERVICE, Watch, is_quiet, judge, problem_of
from tests.core.example_facts import SERVICE as EXAMPLE

LIVE = 3


def service(**changes: Any) -> ServiceFacts:
    """One that runs release 3 well."""
    container = Container("a" * 64, "sha256:" + "b" * 64, running=True, started=None, health=None)
    good = {"active": "active", "sub": "running", "result": "success", "release": LIVE, "container": container}
    more = {"restarts": 0, "heartbeats": None, "heartbeat_age": None, "status_age": None, "pending": None}
    return replace(EXAMPLE, **{**good, **more, **changes})


GOOD = service()
FAILED = service(active="failed", sub="failed", result="watchdog")


def after(readings: Iterable[tuple[float, ServiceFacts]], watch: Watch | None = None) -> Watch:
    """What is remembered after readings at these moments."""
    found, last = watch or Watch(), None
    for at, facts in readings:
        found = judge(found, facts, live=LIVE, at=at, last=last)
        last = at
    return found


def told(readings: Iterable[tuple[float, ServiceFacts]]) -> list[tuple[float, str]]:
    """The moments at which trouble was told of, and its end ("")."""
    found, last, events = Watch(), None, []
    for at, facts in readings:
        before, found = found, judge(found, facts, live=LIVE, at=at, last=last)
        last = at
        if (before.episode.since is None) != (found.episode.since is None):
            events.append((at, found.episode.reason))
    return events


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"active": "failed", "sub": "failed", "result": "watchdog"}, "failed (watchdog)"),
        ({"active": "activating", "sub": "auto-restart", "result": "exit-code"}, "started again (exit-code)"),
        ({"active": "activating", "sub": "start"}, "does not become ready"),
        ({"active": "inactive", "sub": "dead"}, "nobody stopped it"),
        ({"release": 2}, "Release 2 runs, and release 3 was proven."),
        ({"container": None}, "container does not run"),
        ({"container": replace(GOOD.container, running=False)}, "container does not run"),  # type: ignore[type-var]
        ({"container": replace(GOOD.container, health="unhealthy")}, "unhealthy"),  # type: ignore[type-var]
        ({"heartbeat_age": 41.0}, "silent"),
        ({"status_age": 41.0}, "silent"),
    ],
)
def test_what_is_bad_for_a_minute_is_told_once(changes: dict[str, Any], said: str) -> None:
    bad = service(**changes)
    events = told([(0, GOOD), (60, bad), *((60.0 * at, bad) for at in range(2, 30))])
    assert [at for at, _ in events] == [120]
    assert said in events[0][1]


@pytest.mark.parametrize(
    "changes",
    [{}, {"status_age": 39.0}, {"heartbeat_age": 5.0, "status_age": 400.0}, {"active": "reloading", "sub": "reload"}],
)
def test_what_is_well_is_told_to_nobody(changes: dict[str, Any]) -> None:
    assert problem_of(service(**changes), live=LIVE) == ""


def test_one_bad_reading_is_told_to_nobody() -> None:
    restarting = service(active="activating", sub="auto-restart", restarts=1)
    back = service(restarts=1)
    assert told([(0, GOOD), (60, restarting), (120, back), (180, back), (240, FAILED), (300, back)]) == []


def test_restarts_that_go_up_by_several_between_two_readings_are_a_crash_loop() -> None:
    ((at, reason),) = told([(0, service(restarts=1)), (60, service(restarts=1 + LOOP_RESTARTS))])
    assert (at, reason) == (60, "It was restarted 3 times between two readings.")


def test_a_slow_crash_loop_is_seen_though_every_reading_finds_it_active() -> None:
    events = told((60.0 * at, service(restarts=at // 3, result="exit-code")) for at in range(12))
    assert events == [(540, "It was restarted 3 times within 6 min, the last time because of exit-code.")]


def test_a_restart_now_and_then_is_no_loop() -> None:
    assert told((60.0 * at, service(restarts=at // 6)) for at in range(200)) == []


def test_trouble_ends_after_five_minutes_without_a_restart() -> None:
    readings = [(0, GOOD), (60, FAILED), (120, FAILED), *((180 + 60.0 * at, GOOD) for at in range(10))]
    assert told(readings) == [(120, problem_of(FAILED, live=LIVE)), (480, "")]


def test_a_restart_on_the_way_to_well_begins_the_five_minutes_anew() -> None:
    again = service(restarts=1)
    readings = [(0.0, FAILED), (60.0, FAILED), (120.0, GOOD), (240.0, GOOD), (300.0, again)]
    events = told([*readings, *((360 + 60.0 * at, again) for at in range(10))])
    assert [at for at, _ in events] == [60, 660]


def test_a_count_that_begins_anew_is_no_crash() -> None:
    assert told([(0, service(restarts=40)), (60, GOOD), (120, GOOD)]) == []
    assert [at for at, _ in told([(0, service(restarts=40)), (60, service(restarts=5))])] == [60]


def test_restarts_that_systemd_forgot_are_no_new_ones() -> None:
    """The supervisor's count goes on."""
    inside = Heartbeats(at=500.0, state="healthy", children=(Child("app", "healthy", 1.0, restarts=7),))
    before, then = (service(restarts=count, since=400, heartbeats=inside) for count in (4, 0))
    assert before.restarts_inside == 7
    assert told([(0, before), (60, then), (120, then)]) == []


def test_what_nobody_saw_is_not_called_bad() -> None:
    assert told([(0, FAILED), (GAP + 1, FAILED)]) == []
    assert told([(0, FAILED), (60, FAILED), (120, GOOD), (120 + 3600, GOOD)]) == [(60, problem_of(FAILED, live=LIVE))]


def test_an_operation_in_between_leaves_the_trouble_and_forgets_the_counts() -> None:
    troubled = after([(0, service(restarts=0)), (60, service(restarts=9))])
    assert troubled.unseen().episode.since == 60
    assert after([(120, service(restarts=30))], troubled.unseen()).rises == ()


@given(st.lists(st.tuples(st.integers(1, 400), st.sampled_from([GOOD, FAILED, service(restarts=2)])), max_size=40))
def test_trouble_has_a_reason_and_survives_storage(steps: list[tuple[int, ServiceFacts]]) -> None:
    at, last, watch = 0.0, None, Watch()
    for pause, facts in steps:
        at += pause
        watch = judge(watch, facts, live=LIVE, at=at, last=last)
        last = at
        assert (watch.episode.since is None) == (watch.episode.reason == "")
        assert Watch.from_json(watch.as_json()) == watch
        assert watch.episode.since is None or watch.episode.since <= at


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"episode": 1, "rises": [], "restarts": 0},
        {"episode": {"x": 1}, "rises": 3},
        {"episode": {}, "rises": [], "restarts": 4},
    ],
)
def test_what_another_version_stored_is_as_good_as_nothing(value: dict[str, Any]) -> None:
    assert Watch.from_json(value) == Watch()


def test_a_node_is_given_ten_minutes() -> None:
    episode, last = Episode(), None
    for at in range(0, 1200, 60):
        episode = episode.next("Nothing listens there.", float(at), last=last, patience=NODE)
        last = float(at)
        assert (episode.since is None) == (at < 600)
    assert episode.since == 0
    assert SERVICE.bad < 60, "two readings may be a little less than a minute apart"


@pytest.mark.parametrize(
    ("changes", "quiet"),
    [
        ({}, True),
        ({"restarts": 0}, False),
        ({"since": 401}, False),
        ({"since": None}, False),
        ({"active": "activating"}, False),
        ({"release": None}, False),
        ({"status_age": 50.0}, False),
        ({"pending": PendingSwitch("1-1", 5)}, False),
    ],
)
def test_restarts_are_forgotten_after_ten_quiet_minutes(changes: dict[str, Any], *, quiet: bool) -> None:
    facts = service(**{"restarts": 4, "since": 400, **changes})
    assert is_quiet(facts, time=1000.0) is quiet
