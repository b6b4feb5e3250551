"""A wave that was confirmed has to be proven by a reading before the next begins: what is not proven has failed."""

from __future__ import annotations

import time

import pytest

from deployments.core.rollout import HOLD, ON, Rollout
from ffsweb.operations.models import Question
from ffsweb.operations.stopping import process
from tests.deployments.fleet import log_of, run
from tests.deployments.rolling import Rolling, states


def breaks_when_confirmed(rolling: Rolling, number: int) -> None:
    """The gate was passed and the switch confirmed; then release 2 runs no more on that node."""
    node = rolling.node(number)
    node.after["confirm"] = lambda: node.never_ready.add(2)


def goes_away_when_confirmed(rolling: Rolling, number: int) -> None:
    node = rolling.node(number)
    node.before["facts"] = lambda: node.vanish() if "confirmed" in node.operations.values() else None


def test_a_wave_that_is_confirmed_but_not_proven_brings_all_back(rolling: Rolling) -> None:
    breaks_when_confirmed(rolling, 2)
    ended = run(rolling.ask(Rollout("1, 1, rest")))
    assert ended.state == "rolled_back", log_of(ended)
    assert ended.message.startswith("www@n2: The reading after its confirmation does not show release 2.")
    assert rolling.run_now() == rolling.live() == [1, 1, 1, 1]
    assert [rolling.node(number).switches for number in (3, 4)] == [[], []]
    assert set(states(ended)) == {"rolled_back"}


def test_a_wave_that_cannot_be_read_after_its_confirmation_stops_the_next_one(rolling: Rolling) -> None:
    goes_away_when_confirmed(rolling, 2)
    ended = run(rolling.ask(Rollout("1, 1, rest")))
    assert ended.state == "needs_hands", log_of(ended)
    assert "www@n2 could not be read at the end" in ended.message
    assert "--confirmed" in ended.message
    assert rolling.run_now() == [1, 2, 1, 1]
    assert rolling.live()[0] == 1
    assert [rolling.node(number).switches for number in (3, 4)] == [[], []]


def test_what_is_not_proven_goes_back_alone_where_that_was_chosen(rolling: Rolling) -> None:
    breaks_when_confirmed(rolling, 2)
    ended = run(rolling.ask(Rollout("2, rest", on_failure=ON)))
    assert ended.state == "failed", log_of(ended)
    assert ended.message.startswith("Release 2 is live on 3 of 4 services. www@n2: Release 1 runs again.")
    assert rolling.run_now() == rolling.live() == [2, 1, 2, 2]
    assert states(ended) == ["succeeded", "rolled_back", "succeeded", "succeeded"]


def test_what_is_not_proven_counts_beside_what_failed_its_gate(rolling: Rolling) -> None:
    breaks_when_confirmed(rolling, 2)
    rolling.node(1).never_ready.add(2)
    ended = run(rolling.ask(Rollout("2, rest", tolerated=1)))
    assert ended.state == "rolled_back", log_of(ended)
    assert rolling.run_now() == rolling.live() == [1, 1, 1, 1]


def test_somebody_is_asked_about_what_is_not_proven_if_the_policy_is_to_hold(rolling: Rolling) -> None:
    breaks_when_confirmed(rolling, 2)
    operation = run(rolling.ask(Rollout("1, 1, rest", on_failure=HOLD)))
    assert operation.state == "parked", log_of(operation)
    assert rolling.run_now() == [2, 1, 1, 1]
    assert "Wave 2 failed on www@n2, which went back." in Question.objects.get().text
    assert rolling.answer(operation, "on").state == "failed"
    assert rolling.run_now() == rolling.live() == [2, 1, 2, 2]


def test_a_worker_that_stops_between_confirmation_and_proof_proves_before_it_goes_on(rolling: Rolling) -> None:
    node = rolling.node(1)

    def stop() -> None:
        process.stopping = True
        time.sleep(0.6)  # until the run has seen it

    node.after["confirm"] = stop
    operation = run(rolling.ask(Rollout("1, rest")))
    assert operation.state == "parked", log_of(operation)
    process.stopping = False
    node.after.clear()
    node.never_ready.add(2)
    ended = run(operation)
    assert ended.state == "rolled_back", log_of(ended)
    assert rolling.run_now() == rolling.live() == [1, 1, 1, 1]
    assert [rolling.node(number).switches for number in (2, 3, 4)] == [[], [], []]


@pytest.mark.parametrize("waves", ["", "2, rest"])
def test_the_last_wave_has_to_be_proven_too(rolling: Rolling, waves: str) -> None:
    breaks_when_confirmed(rolling, 4)
    ended = run(rolling.ask(Rollout(waves)))
    assert ended.state == "rolled_back", log_of(ended)
    assert rolling.run_now() == rolling.live() == [1, 1, 1, 1]


def test_nothing_is_said_of_a_last_wave_that_cannot_be_read(rolling: Rolling) -> None:
    goes_away_when_confirmed(rolling, 4)
    ended = run(rolling.ask(Rollout("2, rest")))
    assert ended.state == "unknown", log_of(ended)
    assert rolling.run_now() == [2, 2, 2, 2]
