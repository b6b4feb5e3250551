"""The gate with health checks: ready only when all sides are answered well, and no bad answer in the settle window."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.core.gates import FAILED, PASSED, WAITING, Sample, Verdict, judge, to_be_probed
from deployments.core.health_values import BOTH, DASHBOARD, NODE, SIDES, HealthCheck, Probed, probes_of
from tests.core.test_gates import GOOD, OTHER, SPEC, STARTING, at, failed_with

CHECK = HealthCheck("https", 443, "/healthz")
PROBING = {side: replace(SPEC, probes=probes_of(CHECK, side, "192.0.2.1")) for side in SIDES}
WHERE = {DASHBOARD: "https://192.0.2.1:443/healthz", NODE: "https://127.0.0.1:443/healthz"}


def seen(*sides: str, bad: str = "", hopeless: bool = False) -> tuple[Probed, ...]:
    """What those sides saw; the side ``bad`` saw a 503."""
    return tuple(
        Probed(side, WHERE[side], side != bad, "answered 503" if side == bad else "answered 200", hopeless)
        for side in sides
    )


@pytest.mark.parametrize("choice", list(SIDES))
def test_a_service_that_every_side_finds_well_passes_and_the_reasons_say_so(choice: str) -> None:
    good = seen(*SIDES[choice])
    assert judge(PROBING[choice], [at(1, probes=good)]).state == WAITING
    verdict = judge(PROBING[choice], [at(1, probes=good), at(21, probes=good)])
    assert (verdict.state, verdict.ready_at) == (PASSED, 1001.0)
    for side in SIDES[choice]:
        assert f"The health check from the {side}: {WHERE[side]} answered 200." in verdict.reasons


@pytest.mark.parametrize("bad", [DASHBOARD, NODE])
def test_a_bad_answer_before_ready_is_waited_for_and_named(bad: str) -> None:
    samples = [at(second, probes=seen(*SIDES[BOTH], bad=bad)) for second in (1, 60, 119)]
    words = f"The health check from the {bad}: {WHERE[bad]} answered 503."
    waiting = judge(PROBING[BOTH], samples)
    assert waiting.state == WAITING
    assert words in " ".join(waiting.reasons)
    well = seen(*SIDES[BOTH])
    assert judge(PROBING[BOTH], [*samples, at(120, probes=well), at(140, probes=well)]).state == PASSED
    late = judge(PROBING[BOTH], [*samples, at(121, probes=seen(*SIDES[BOTH], bad=bad))])
    assert failed_with(late, "Not ready within 120 s")
    assert failed_with(late, words)
    assert failed_with(judge(PROBING[BOTH], samples, now=1121.0), words)


@pytest.mark.parametrize("bad", [DASHBOARD, NODE])
def test_a_bad_answer_in_the_settle_window_fails_it_for_good(bad: str) -> None:
    samples = [at(1, probes=seen(*SIDES[BOTH])), at(5, probes=seen(*SIDES[BOTH], bad=bad))]
    verdict = judge(PROBING[BOTH], samples)
    assert verdict == Verdict(FAILED, (f"The health check from the {bad}: {WHERE[bad]} answered 503.",), 1001.0)
    assert judge(PROBING[BOTH], [*samples, at(40, probes=seen(*SIDES[BOTH]))]) == verdict


def test_a_side_that_was_not_asked_is_not_good() -> None:
    half = seen(DASHBOARD)
    assert judge(PROBING[BOTH], [at(1, probes=half), at(30, probes=half)]).state == WAITING
    assert failed_with(judge(PROBING[BOTH], [at(121, probes=half)]), "was not asked from the node")
    whole = seen(*SIDES[BOTH])
    assert judge(PROBING[BOTH], [at(1, probes=whole), at(30, probes=half)]).state == WAITING
    assert judge(PROBING[BOTH], [at(1, probes=whole), at(30, probes=half), at(31, probes=whole)]).state == PASSED


def test_what_cannot_be_asked_at_all_is_not_waited_for() -> None:
    samples = [at(1, probes=seen(NODE, bad=NODE, hopeless=True))]
    assert failed_with(judge(PROBING[NODE], samples), "The health check from the node")


def test_probes_do_not_make_up_for_anything_else() -> None:
    good = seen(*SIDES[BOTH])
    assert judge(PROBING[BOTH], [at(1, STARTING, probes=good), at(30, STARTING, probes=good)]).state == WAITING
    assert failed_with(judge(PROBING[BOTH], [at(1, probes=good), at(5, restarts=1, probes=good)]), "restarted")


@pytest.mark.parametrize(
    ("sample", "asked"),
    [
        (GOOD, True),
        (STARTING, False),
        (replace(GOOD, container=""), False),
        (replace(GOOD, image_id=OTHER), False),
        (replace(GOOD, active="failed"), False),
        (replace(GOOD, heartbeat_age=90.0), False),
    ],
)
def test_probes_are_asked_when_nothing_else_is_missing(sample: Sample, asked: bool) -> None:
    assert to_be_probed(PROBING[BOTH], sample) == asked
    assert not to_be_probed(SPEC, sample)


@given(
    st.sampled_from(list(SIDES)),
    st.lists(st.tuples(st.floats(0, 200), st.sampled_from(["", DASHBOARD, NODE]), st.sampled_from(list(SIDES)))),
)
def test_nothing_passes_that_a_wanted_side_did_not_find_well_twice(
    choice: str, told: list[tuple[float, str, str]]
) -> None:
    samples = [at(second, probes=seen(*SIDES[asked], bad=bad)) for second, bad, asked in told]
    if judge(PROBING[choice], samples).state == PASSED:
        for side in SIDES[choice]:
            well = [each.at for each in samples if any(one.side == side and one.good for one in each.probes)]
            assert max(well) - min(well) >= SPEC.settle
