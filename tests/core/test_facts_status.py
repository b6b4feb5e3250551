"""What is made of the supervisor's status file."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.core.facts import ServiceFacts, facts_from
from tests.core.test_facts import FACTS, SERVICE


def supervised(*children: dict[str, Any], **changes: Any) -> ServiceFacts:
    status = SERVICE["heartbeats"] | {"children": list(children)}
    service = SERVICE | {"heartbeats": status | changes.pop("status", {})} | changes
    return facts_from(FACTS | {"services": {"www": service}}).services["www"]


def test_a_program_that_never_gave_a_sign_of_life_has_no_age_of_one() -> None:
    www = supervised({"name": "app", "state": "healthy", "heartbeat_age": None})
    assert www.status_age == pytest.approx(10.25)
    assert www.heartbeat_age is None


def test_a_status_file_that_is_older_than_the_container_is_another_ones() -> None:
    for started in ("2026-11-24T00:29:00.5Z", "2026-11-24 01:29:00.5 +0100 CET"):
        www = supervised(container=SERVICE["container"] | {"started": started})
        assert (www.heartbeats, www.status_age) == (None, None), started
    for container in (None, {"running": False}, {"started": None}, {"started": "-"}):
        kept = supervised(container=SERVICE["container"] | container if container else None)
        assert kept.heartbeats is not None, container


@pytest.mark.parametrize(
    ("children", "changes", "reason"),
    [
        ([{}], {}, ""),
        ([{"reason": "hung"}], {}, "hung"),
        ([{"reason": "hung"}, {"name": "b"}], {}, "app: hung"),
        ([{"reason": "hung"}, {"name": "b", "reason": "exited with 1"}], {}, "app: hung; b: exited with 1"),
        ([{}], {"status": {"before": {"state": "stopped", "reason": None}}}, ""),
        ([{}], {"status": {"before": {"state": "healthy", "reason": "hung"}}}, "hung"),
        ([{}], {"status": {"before": {"state": "gave up: app", "reason": "exited with 7"}}}, "gave up: app"),
        ([{}], {"status": {"before": {"state": "stopped", "reason": "hung"}}, "restarts": 0}, ""),
        ([{"reason": "now"}], {"status": {"before": {"state": "x", "reason": "then"}}}, "now"),
        ([{}], {"result": "watchdog"}, "watchdog"),
        ([{"reason": "hung"}], {"result": "watchdog"}, "hung"),
    ],
)
def test_the_last_reason_is_what_is_nearest_to_the_program(
    children: list[dict[str, Any]], changes: dict[str, Any], reason: str
) -> None:
    found = supervised(*({"name": "app", "state": "healthy"} | child for child in children), **changes)
    assert found.last_reason == reason


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        ("healthy: app", "hung", "healthy: app; hung"),
        (
            "gave up: app ended 3 times; it exited with 7",
            "exited with 7",
            "gave up: app ended 3 times; it exited with 7",
        ),
        ("stopped", None, "stopped"),
        (None, "hung", "hung"),
        (None, None, ""),
    ],
)
def test_the_word_of_the_container_before_says_nothing_twice(
    state: str | None, reason: str | None, words: str
) -> None:
    www = supervised({"name": "app", "state": "healthy"}, status={"before": {"state": state, "reason": reason}})
    assert www.heartbeats is not None
    assert www.heartbeats.before == words
