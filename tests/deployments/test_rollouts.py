"""Waves: each is proven before the next begins; what fails goes back, everywhere or alone, as the operator chose."""

from __future__ import annotations

import time

import pytest

from deployments.core.rollout import ASK, HOLD, ON, OWE, PAUSE, SKIP, Rollout
from deployments.models import Owed
from deployments.services import catching_up, deploys
from ffsweb.operations import services as operations
from ffsweb.operations.models import Hold, Operation, Question
from ffsweb.operations.stopping import process
from tests.deployments.fleet import log_of, run
from tests.deployments.rolling import Rolling, states


def test_a_wave_begins_when_the_one_before_is_proven(rolling: Rolling) -> None:
    seen: list[list[int | None]] = []
    for number in (2, 3, 4):
        rolling.at_switch_of(number, lambda: seen.append([rolling.node(n).release() for n in (1, 2, 3, 4)]))
    ended = run(rolling.ask(Rollout("1, 1, rest")))
    assert ended.state == "succeeded", log_of(ended)
    assert seen[0] == [2, 1, 1, 1]
    assert min(map(str, seen[1:])) == str([2, 2, 1, 1])
    assert rolling.run_now() == rolling.live() == [2, 2, 2, 2]
    assert "Wave 2 of 3: www@n2." in log_of(ended)


def test_the_canary_goes_first_by_its_tag(rolling: Rolling) -> None:
    rolling.node(3).never_ready.add(2)
    ended = run(rolling.ask(Rollout("tag canary, rest")))
    assert ended.state == "rolled_back"
    assert [rolling.node(n).switches for n in (1, 2, 4)] == [[], [], []]
    assert rolling.run_now() == [1, 1, 1, 1]


def test_a_failure_in_a_late_wave_brings_the_old_release_back_on_all_nodes(rolling: Rolling) -> None:
    rolling.node(3).never_ready.add(2)
    ended = run(rolling.ask(Rollout("1, 1, 1, rest")))
    assert ended.state == "rolled_back", log_of(ended)
    assert "www@n3: The new release did not become ready." in ended.message
    assert rolling.run_now() == rolling.live() == [1, 1, 1, 1]
    assert set(states(ended)) == {"rolled_back"}
    assert rolling.node(4).switches == []
    back = [text for text in log_of(ended).splitlines() if "is back." in text]
    assert len(back) == 3
    assert not Hold.objects.exists()


def test_what_is_tolerated_goes_back_alone_and_the_end_is_no_success(rolling: Rolling) -> None:
    rolling.node(2).never_ready.add(2)
    ended = run(rolling.ask(Rollout("1, 1, rest", tolerated=1)))
    assert ended.state == "failed", log_of(ended)
    assert ended.message.startswith("Release 2 is live on 3 of 4 services. www@n2: Release 1 runs again.")
    assert rolling.run_now() == rolling.live() == [2, 1, 2, 2]
    assert states(ended) == ["succeeded", "rolled_back", "succeeded", "succeeded"]


def test_one_failure_more_than_tolerated_takes_all_back(rolling: Rolling) -> None:
    rolling.node(2).never_ready.add(2)
    rolling.node(4).never_ready.add(2)
    ended = run(rolling.ask(Rollout("1, 1, 1, rest", tolerated=1)))
    assert ended.state == "rolled_back", log_of(ended)
    assert rolling.run_now() == rolling.live() == [1, 1, 1, 1]


def test_going_on_leaves_the_failed_ones_on_the_old_release(rolling: Rolling) -> None:
    for number in (1, 3):
        rolling.node(number).never_ready.add(2)
    ended = run(rolling.ask(Rollout("2, rest", on_failure=ON)))
    assert ended.state == "failed", log_of(ended)
    assert rolling.run_now() == rolling.live() == [1, 2, 1, 2]


@pytest.mark.parametrize(
    ("choice", "state", "release"),
    [
        ("back", "rolled_back", [1, 1, 1, 1]),
        ("stop", "failed", [2, 1, 1, 1]),
        ("on", "failed", [2, 1, 2, 2]),
    ],
)
def test_a_held_rollout_does_what_is_answered(rolling: Rolling, choice: str, state: str, release: list[int]) -> None:
    rolling.node(2).never_ready.add(2)
    operation = run(rolling.ask(Rollout("1, 1, rest", on_failure=HOLD)))
    assert operation.state == "parked"
    assert rolling.run_now() == [2, 1, 1, 1]
    assert "Wave 2 failed on www@n2, which went back." in Question.objects.get().text
    ended = rolling.answer(operation, choice)
    assert ended.state == state, log_of(ended)
    assert rolling.run_now() == rolling.live() == release
    assert Question.objects.count() == 1


def test_a_failure_in_the_last_wave_offers_no_next_one(rolling: Rolling) -> None:
    rolling.node(2).never_ready.add(2)
    operation = run(rolling.ask(Rollout(on_failure=HOLD)))
    assert operation.state == "parked"
    assert set(Question.objects.get().choices) == {"back", "stop"}
    assert rolling.answer(operation, "stop").state == "failed"
    assert rolling.run_now() == [2, 1, 2, 2]


def test_an_approval_is_waited_for_after_each_wave(rolling: Rolling) -> None:
    operation = run(rolling.ask(Rollout("1, 1, rest", between=ASK)))
    assert (operation.state, rolling.run_now(), rolling.live()) == ("parked", [2, 1, 1, 1], [2, 1, 1, 1])
    assert states(operation)[0] == "succeeded"
    operation = rolling.answer(operation, "go")
    assert (operation.state, rolling.run_now()) == ("parked", [2, 2, 1, 1])
    operation = rolling.answer(operation, "go")
    assert (operation.state, rolling.run_now()) == ("succeeded", [2, 2, 2, 2])
    assert [len(rolling.node(number).switches) for number in (1, 2, 3, 4)] == [1, 1, 1, 1]


def test_an_approval_that_is_refused_brings_the_first_waves_back(rolling: Rolling) -> None:
    operation = run(rolling.ask(Rollout("2, rest", between=ASK)))
    ended = rolling.answer(operation, "back")
    assert (ended.state, rolling.run_now(), rolling.live()) == ("rolled_back", [1, 1, 1, 1], [1, 1, 1, 1])
    assert ended.message == "It was decided to go back. Release 1 runs again on every node."


def test_a_cancel_while_it_waits_for_an_approval_goes_back_on_all_nodes(rolling: Rolling) -> None:
    operation = run(rolling.ask(Rollout("1, rest", between=ASK)))
    operations.cancel(operation, actor=rolling.fleet.alice)
    ended = run(operation)
    assert (ended.state, rolling.run_now(), rolling.live()) == ("cancelled", [1, 1, 1, 1], [1, 1, 1, 1])


def test_a_pause_ends_by_itself_or_by_an_answer(rolling: Rolling) -> None:
    operation = run(rolling.ask(Rollout("1, rest", between=PAUSE, pause=600)))
    assert operation.state == "parked"
    assert operation.resume_at is not None
    assert Question.objects.get().default == "go"
    assert rolling.answer(operation, "go").state == "succeeded"


def test_a_worker_that_stops_in_a_wave_goes_on_there(rolling: Rolling) -> None:
    def stop() -> None:
        process.stopping = True
        time.sleep(0.6)  # until the run has seen it

    rolling.at_switch_of(2, stop)
    operation = run(rolling.ask(Rollout("1, 1, rest")))
    assert operation.state == "parked", log_of(operation)
    process.stopping = False
    rolling.node(2).before.clear()
    ended = run(operation)
    assert (ended.state, rolling.run_now()) == ("succeeded", [2, 2, 2, 2])
    assert [len(rolling.node(number).switches) for number in (1, 2, 3, 4)] == [1, 1, 1, 1]


def test_an_old_release_that_does_not_stay_well_needs_hands(rolling: Rolling) -> None:
    rolling.node(2).never_ready.add(2)

    def breaks() -> None:
        rolling.node(2).never_ready.add(1)

    rolling.node(2).before["rollback"] = breaks
    ended = run(rolling.ask(Rollout("1, rest")))
    assert ended.state == "needs_hands", log_of(ended)
    assert "www@n2 has release 1 again, which does not stay well" in ended.message
    assert "on n2: journalctl --unit=ffs-www --lines=100" in ended.message
    assert rolling.run_now() == [1, 1, 1, 1]


# Nodes that are away.


def test_a_node_that_is_away_stops_everything_before_anything_is_touched(rolling: Rolling) -> None:
    operation = rolling.ask(Rollout())
    rolling.node(2).vanish()
    ended = run(operation)
    assert ended.state == "failed"
    assert "Nothing that runs was touched." in ended.message
    assert [rolling.node(number).switches for number in (1, 3, 4)] == [[], [], []]


def test_a_node_that_is_away_is_left_out_where_that_was_chosen(rolling: Rolling) -> None:
    operation = rolling.ask(Rollout("1, 1, rest", offline=SKIP))
    rolling.node(2).vanish()
    ended = run(operation)
    assert ended.state == "succeeded", log_of(ended)
    assert ended.message == (
        "Release 2 is live on www@n1, www@n3, www@n4. Left out, because they could not be reached: www@n2."
    )
    assert states(ended) == ["succeeded", "cancelled", "succeeded", "succeeded"]
    assert not Owed.objects.exists()


def test_what_a_node_is_owed_it_gets_when_it_is_back(rolling: Rolling) -> None:
    operation = rolling.ask(Rollout(offline=OWE))
    rolling.node(2).vanish()
    ended = run(operation)
    assert "They catch up when they are back." in ended.message
    owed = Owed.objects.get()
    assert (owed.service, owed.release, owed.asked_by) == (
        rolling.services[1],
        rolling.releases[1],
        rolling.fleet.alice,
    )
    assert catching_up.catch_up() == 0  # it was not read since
    rolling.fleet.read(rolling.services[1].node)
    assert catching_up.catch_up() == 0  # it is still away
    rolling.node(2).fake.accept()
    rolling.fleet.read(rolling.services[1].node)
    assert catching_up.catch_up() == 1
    assert catching_up.catch_up() == 0
    assert run(Operation.objects.filter(kind="deploy").latest("pk")).state == "succeeded"
    assert rolling.run_now() == rolling.live() == [2, 2, 2, 2]
    assert not Owed.objects.exists()


def test_a_debt_says_why_it_is_not_paid_and_a_newer_deploy_takes_its_place(rolling: Rolling) -> None:
    operation = rolling.ask(Rollout(offline=OWE))
    rolling.node(2).vanish()
    run(operation)
    rolling.node(2).fake.accept()
    held = operations.enqueue(
        kind="control",
        project=rolling.fleet.project,
        actor=rolling.fleet.alice,
        title="Restart www@n2",
        params={"verb": "restart"},
        targets=[operations.Target(rolling.services[1].resource, "www@n2")],
        holds=[rolling.services[1].resource],
    )
    rolling.fleet.read(rolling.services[1].node)
    assert catching_up.catch_up() == 0
    assert "Restart www@n2" in Owed.objects.get().problem
    operations.cancel(held, actor=rolling.fleet.alice)
    ended = rolling.fleet.deploy(rolling.releases[0], rolling.services[1])
    assert ended.state == "succeeded"
    assert not Owed.objects.exists()


def test_a_deploy_that_reaches_no_node_at_all_has_failed(rolling: Rolling) -> None:
    operation = rolling.ask(Rollout(offline=SKIP))
    for node in rolling.nodes.values():
        node.vanish()
    ended = run(operation)
    assert (ended.state, "None of the nodes could be reached" in ended.message) == ("failed", True)


def test_waves_that_do_not_fit_make_no_plan(rolling: Rolling) -> None:
    with pytest.raises(deploys.NotPossible, match="None of the chosen nodes has the tag eu"):
        rolling.plan(Rollout("tag eu, rest"))
    plan = rolling.plan(Rollout("1, rest"))
    assert plan.parsed().shown_waves == (("www@n1",), ("www@n2", "www@n3", "www@n4"))
    assert plan.hash != rolling.plan(Rollout()).hash


def test_a_plan_is_stale_when_a_node_gets_the_tag_of_a_wave(rolling: Rolling) -> None:
    plan = rolling.plan(Rollout("tag canary, rest"))
    assert not deploys.is_stale(plan)
    node = rolling.services[0].node
    node.tags = ["canary"]
    node.save()
    assert deploys.is_stale(plan)
