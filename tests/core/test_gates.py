"""The gate, from samples: what opens it, what closes it, and what it waits for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.facts_values import Child, Container, Heartbeats, ServiceFacts
from deployments.core.gates import FAILED, PASSED, WAITING, GateSpec, Sample, Verdict, judge
from deployments.core.quadlet import Mode

IMAGE, OTHER = "sha256:" + "a" * 64, "sha256:" + "b" * 64
SPEC = GateSpec(Mode.SUPERVISOR, IMAGE, began=1000.0, start_timeout=120.0, settle=20.0)
GOOD = Sample(1001.0, "active", "running", "success", 0, "c1", IMAGE, "t1")
STARTING = Sample(1001.0, "activating", "start")


def at(seconds: float, sample: Sample = GOOD, **changes: object) -> Sample:
    """``sample`` so many seconds after the switch."""
    return replace(sample, at=SPEC.began + seconds, **changes)


def failed_with(verdict: Verdict, words: str) -> bool:
    return verdict.state == FAILED and words in " ".join(verdict.reasons)


@pytest.mark.parametrize("mode", list(Mode))
def test_a_service_that_stays_the_same_for_the_settle_window_passes(mode: Mode) -> None:
    spec, health = replace(SPEC, mode=mode), "healthy" if mode is Mode.HEALTH else ""
    samples = [at(1, STARTING), *(at(second, health=health) for second in (5, 10, 15, 20))]
    assert judge(spec, samples).state == WAITING
    verdict = judge(spec, [*samples, at(25, health=health)])
    assert (verdict.state, verdict.ready_at) == (PASSED, 1005.0)


def test_the_settle_window_counts_from_the_first_ready_sample() -> None:
    assert judge(SPEC, [at(30), at(49.9)]).state == WAITING
    assert judge(SPEC, [at(30), at(50)]).state == PASSED


def test_without_a_settle_window_ready_is_enough() -> None:
    assert judge(replace(SPEC, settle=0.0), [at(1)]).state == PASSED


def test_the_order_of_the_samples_does_not_matter() -> None:
    samples = [at(second) for second in (1, 8, 15, 21)]
    assert judge(SPEC, reversed(samples)) == judge(SPEC, samples)


def test_samples_from_before_the_switch_do_not_count() -> None:
    assert judge(SPEC, [at(-40, image_id=OTHER), at(-20)]).state == WAITING
    assert judge(SPEC, [at(-40), at(0)]).state == WAITING


@pytest.mark.parametrize(
    ("later", "words"),
    [
        ({"active": "activating", "sub": "auto-restart", "result": "exit-code"}, "ended after it had been ready"),
        ({"active": "deactivating", "sub": "stop-sigterm"}, "ended after it had been ready"),
        ({"active": "failed", "result": "exit-code"}, "The unit failed (exit-code)"),
        ({"active": "failed", "sub": "failed-before-auto-restart"}, "ended after it had been ready"),
        ({"active": "inactive", "result": "success"}, "not running"),
        ({"restarts": 1}, "restarted after it had been ready (+1"),
        ({"restarts": 1, "container": "c2", "started": "t2"}, "restarted after it had been ready"),
        ({"container": "c2"}, "Another container"),
        ({"started": "t2"}, "Another container"),
        ({"container": "", "image_id": "", "started": ""}, "container is gone"),
        ({"image_id": OTHER}, "It runs the image"),
        ({"heartbeat_age": 41.0}, "heard nothing for 41 s"),
    ],
)
def test_any_change_after_ready_fails_it(later: dict[str, object], words: str) -> None:
    verdict = judge(SPEC, [at(1), at(5, **later)])
    assert failed_with(verdict, words)
    assert verdict.ready_at == 1001.0
    assert judge(SPEC, [at(1), at(5, **later), at(10), at(40)]) == verdict


def test_a_crash_that_was_missed_between_two_samples_is_seen_by_the_count() -> None:
    assert failed_with(judge(SPEC, [at(1), at(30, restarts=1)]), "restarted")


def test_restarts_before_ready_are_forgiven_but_not_for_ever() -> None:
    crashes = [at(second, STARTING, restarts=second) for second in (1, 2)]
    assert judge(SPEC, [*crashes, at(10, restarts=2), at(30, restarts=2)]).state == PASSED
    verdict = judge(SPEC, [*crashes, at(3, STARTING, restarts=3, result="exit-code")])
    assert failed_with(verdict, "crashed 3 times before it was ready (exit-code)")


@pytest.mark.parametrize(
    "sample",
    [
        {"active": "activating", "sub": "auto-restart", "result": "exit-code"},
        {"active": "deactivating", "sub": "final-sigterm"},
        {"active": "failed", "sub": "failed-before-auto-restart"},
        {"active": "active", "sub": "running"},
    ],
)
def test_before_ready_a_start_under_way_is_waited_for(sample: dict[str, str]) -> None:
    assert judge(SPEC, [Sample(1001.0, **sample)]).state == WAITING


@pytest.mark.parametrize("active", ["failed", "inactive", "maintenance", ""])
def test_a_unit_that_gave_up_is_not_waited_for(active: str) -> None:
    assert judge(SPEC, [Sample(1001.0, active)]).state == FAILED


def test_the_wrong_image_fails_at_once() -> None:
    assert failed_with(judge(SPEC, [at(1, image_id=OTHER)]), "not sha256:aaaaaaaaaaaa")


def test_what_is_not_ready_in_time_fails() -> None:
    assert judge(SPEC, [at(119, STARTING)]).state == WAITING
    assert failed_with(judge(SPEC, [at(121, STARTING)]), "Not ready within 120 s")
    assert failed_with(judge(SPEC, [at(119, STARTING), at(121)]), "became ready after that")


def test_a_node_that_cannot_be_read_runs_into_the_deadlines() -> None:
    assert judge(SPEC, []).state == WAITING
    assert judge(SPEC, [], now=1119.0).state == WAITING
    assert failed_with(judge(SPEC, [], now=1121.0), "not read since the switch")
    assert judge(SPEC, [at(1)], now=1165.0).state == WAITING
    assert failed_with(judge(SPEC, [at(1)], now=1171.0), "not seen to stay well")


def test_a_gap_in_the_samples_does_not_fail_a_service_that_stayed_the_same() -> None:
    assert judge(SPEC, [at(1), at(100)], now=1200.0).state == PASSED


def test_a_late_ready_has_its_whole_settle_window() -> None:
    assert judge(SPEC, [at(119)], now=1139.0).state == WAITING
    assert judge(SPEC, [at(119), at(139)]).state == PASSED


def test_health_has_to_be_healthy_to_be_ready_and_to_pass() -> None:
    spec = replace(SPEC, mode=Mode.HEALTH)
    assert judge(spec, [at(1), at(30)]).state == WAITING
    assert judge(spec, [at(1, health="starting"), at(30, health="starting")]).state == WAITING
    assert failed_with(judge(spec, [at(1, health="unhealthy")]), "unhealthy")
    assert failed_with(judge(spec, [at(1, health="healthy"), at(5, health="unhealthy")]), "unhealthy")
    assert judge(spec, [at(1, health="healthy"), at(30, health="starting")]).state == WAITING
    assert judge(spec, [at(1, health="healthy"), at(30, health="healthy")]).state == PASSED


@pytest.mark.parametrize("mode", [Mode.SUPERVISOR, Mode.OWN, Mode.NONE])
def test_elsewhere_health_counts_only_once_it_was_good(mode: Mode) -> None:
    spec = replace(SPEC, mode=mode)
    assert judge(spec, [at(1, health="starting"), at(21, health="unhealthy")]).state == PASSED
    assert failed_with(judge(spec, [at(1, health="healthy"), at(21, health="unhealthy")]), "unhealthy")


def test_a_silent_supervisor_is_not_ready_and_elsewhere_nobody_asks() -> None:
    assert judge(SPEC, [at(1, heartbeat_age=90.0)]).state == WAITING
    assert (
        judge(replace(SPEC, mode=Mode.OWN), [at(1, heartbeat_age=90.0), at(21, heartbeat_age=90.0)]).state == PASSED
    )


def test_a_service_that_wavers_to_the_end_has_failed() -> None:
    spec = replace(SPEC, mode=Mode.HEALTH)
    wavering = [at(1, health="healthy"), at(169, health="starting")]
    assert judge(spec, wavering).state == WAITING
    verdict = judge(spec, [*wavering, at(171, health="starting")])
    assert failed_with(verdict, "not seen to stay well")
    assert judge(spec, [*wavering, at(171, health="starting"), at(172, health="healthy")]) == verdict


def test_reloading_is_running() -> None:
    assert judge(SPEC, [at(1), at(5, active="reloading"), at(21)]).state == PASSED


FACTS = ServiceFacts(
    name="www",
    installed=True,
    deployed=True,
    unit_sha256=None,
    project="serbest",
    release=3,
    image_id=IMAGE,
    certificate=None,
    credentials=None,
    operation="1",
    loaded=True,
    active="active",
    sub="running",
    result="success",
    status_text="",
    restarts=1,
    since=500,
    main_pid=1,
    container=Container("c1", IMAGE, running=True, started="t1", health=None),
    heartbeats=None,
    heartbeat_age=2.0,
    releases=(3,),
    certs=(),
    credentials_held=(),
    supervisors=(),
    pending=None,
    disk_used=None,
)


def test_a_sample_is_taken_from_facts() -> None:
    wanted = Sample(1005.0, "active", "running", "success", 1, "c1", IMAGE, "t1", "", 2.0)
    assert Sample.of(FACTS, 1005.0) == wanted


def test_of_a_program_that_sends_no_signs_of_life_the_supervisors_own_word_counts() -> None:
    assert Sample.of(replace(FACTS, heartbeat_age=None, status_age=3.0), 1005.0).heartbeat_age == 3.0
    assert Sample.of(replace(FACTS, heartbeat_age=9.0, status_age=3.0), 1005.0).heartbeat_age == 9.0


def test_a_container_that_does_not_run_counts_as_none() -> None:
    stopped = replace(FACTS, container=Container("c1", IMAGE, running=False, started="t1", health="healthy"))
    for facts in (stopped, replace(FACTS, container=None)):
        sample = Sample.of(facts, 1005.0)
        assert (sample.container, sample.image_id, sample.started, sample.health) == ("", "", "", "")


def test_restarts_inside_the_container_count_while_their_word_is_of_this_run() -> None:
    children = (Child("app", "running", 1.0, 2), Child("other", "running", None, 1))
    fresh = replace(FACTS, heartbeats=Heartbeats(501.0, "ready", children))
    assert Sample.of(fresh, 1005.0).restarts == 4
    assert Sample.of(replace(fresh, since=600), 1005.0).restarts == 1
    assert Sample.of(replace(fresh, since=None), 1005.0).restarts == 1


SAMPLES = st.lists(
    st.builds(
        Sample,
        at=st.floats(990, 1200),
        active=st.sampled_from(["active", "activating", "failed", "deactivating", "inactive"]),
        restarts=st.integers(0, 4),
        container=st.sampled_from(["", "c1", "c2"]),
        image_id=st.sampled_from(["", IMAGE, OTHER]),
        started=st.sampled_from(["", "t1", "t2"]),
        health=st.sampled_from(["", "healthy", "unhealthy", "starting"]),
    ),
    max_size=8,
)


@given(st.sampled_from(list(Mode)), SAMPLES)
def test_a_verdict_is_final(mode: Mode, samples: list[Sample]) -> None:
    spec = replace(SPEC, mode=mode)
    ordered = sorted(samples, key=lambda sample: sample.at)
    final: Verdict | None = None
    for count in range(len(ordered) + 1):
        verdict = judge(spec, ordered[:count])
        if final is not None:
            assert verdict == final
        elif verdict.state != WAITING:
            assert verdict.reasons
            final = verdict


@given(SAMPLES)
def test_nothing_passes_that_was_not_seen_well_twice(samples: list[Sample]) -> None:
    if judge(SPEC, samples).state == PASSED:
        well = [each for each in samples if each.active == "active" and each.image_id == IMAGE and each.container]
        assert max(each.at for each in well) - min(each.at for each in well) >= SPEC.settle
