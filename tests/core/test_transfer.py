"""The planner: which way, which form, how many bytes, and why, over tables of nodes and links."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.core.transfer import plan_transfer
from deployments.core.transfer_bases import bases_for
from deployments.core.transfer_cost import guessed_strength, strength_of
from deployments.core.transfer_values import ASSUMED, Base, Link, Receiver, Sendable, Task, Without

MB = 10**6
TOOLS = frozenset({"curl", "zstd", "skopeo", "rsync"})
ABLE = Receiver(TOOLS, partial_pulls=True, podman=(5, 8))
CHUNKS = Receiver(frozenset({"curl"}), partial_pulls=True, podman=(5, 8))
BARE = Receiver(frozenset({"curl"}), podman=(4, 9))

LOCAL = Link(400e6, 0.0002)
FAST = Link(12.5e6, 0.02)
SLOW = Link(1.25e6, 0.08)

# The image of the measurements: a base, its dependencies, the application; see the sizes of each form there.
BASE, DEPS, APP = ("base", 147 * MB), ("deps", 153 * MB), ("app", 29 * MB)
COLD = (
    Sendable("base", 147 * MB, zstd=49 * MB, chunked=61 * MB),
    Sendable("deps", 153 * MB, zstd=37 * MB, chunked=45 * MB),
    Sendable("app", 29 * MB, zstd=8 * MB + 650_000, chunked=9_970_000),
)
ONE_LINE = (
    Sendable("app", 29 * MB, zstd=8_650_000, chunked=323_000, bases=(Base("old app", 29 * MB, delta=25_200),)),
)
DEPENDENCY = (
    Sendable(
        "deps", 153 * MB, zstd=37_400_000, chunked=1_364_000, bases=(Base("old deps", 153 * MB, delta=435_000),)
    ),
)
SECURITY = (
    Sendable("base", 147 * MB, zstd=48_500_000, chunked=12_200_000, bases=(Base("old base", 147 * MB, 5_990_000),)),
)


def task(missing: tuple[Sendable, ...], link: Link, receiver: Receiver = ABLE, **more: object) -> Task:
    return Task((BASE, DEPS, APP), missing, receiver, link, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "missing", "link", "receiver", "way", "forms", "most"),
    [
        ("first push, fast", COLD, FAST, ABLE, "pull", "zstd zstd zstd", 95 * MB),
        ("first push, slow", COLD, SLOW, ABLE, "fetch", "zstd zstd zstd", 95 * MB),
        ("first push, old node", COLD, SLOW, BARE, "pull", "zstd zstd zstd", 95 * MB),
        ("one line, slow", ONE_LINE, SLOW, ABLE, "fetch", "delta", 25_200),
        ("one line, old node", ONE_LINE, SLOW, BARE, "pull", "zstd", 8_650_000),
        ("dependency, slow", DEPENDENCY, SLOW, ABLE, "fetch", "delta", 435_000),
        ("dependency, local", DEPENDENCY, LOCAL, ABLE, "pull", "zstd", 37_400_000),
        ("security update, slow", SECURITY, SLOW, ABLE, "fetch", "delta", 5_990_000),
        ("security update, fast", SECURITY, FAST, ABLE, "fetch", "delta", 5_990_000),
        ("security update, fast, no skopeo", SECURITY, FAST, CHUNKS, "pull", "chunked", 12_200_000),
        ("nothing", (), SLOW, BARE, "none", "", 0),
    ],
)
def test_the_way_for_every_change_link_and_node(
    name: str, missing: tuple[Sendable, ...], link: Link, receiver: Receiver, way: str, forms: str, most: int
) -> None:
    found = plan_transfer(task(missing, link, receiver))
    assert (found.way, " ".join(layer.form for layer in found.layers)) == (way, forms), f"{name}: {found.why}"
    assert found.bytes <= most
    assert found.exact


def test_no_way_is_slower_than_what_it_was_chosen_over_by_its_own_measure() -> None:
    for missing in (COLD, ONE_LINE, DEPENDENCY, SECURITY):
        for link in (LOCAL, FAST, SLOW):
            best = plan_transfer(task(missing, link))
            for without in (Without(delta=True), Without(chunked=True), Without(fetch=True)):
                other = plan_transfer(task(missing, link, without=without))
                slack = other.seconds if link is SLOW else 0.1 * other.seconds + 0.6
                assert best.seconds <= other.seconds + slack, (best.why, other.why)


def test_it_never_sends_a_tenth_more_than_compressed_layers_to_be_a_little_faster() -> None:
    lean = sum(layer.zstd or 0 for layer in COLD)
    for rate in (1e5, 1e6, 1e7, 1e8, 1e9):
        assert plan_transfer(task(COLD, Link(rate, 0.02))).bytes <= 1.1 * lean or rate >= 2e8


def test_what_failed_is_not_planned_again() -> None:
    assert plan_transfer(task(SECURITY, SLOW, without=Without(delta=True))).layers[0].form == "chunked"
    plain = plan_transfer(task(SECURITY, SLOW, without=Without(delta=True, chunked=True)))
    assert (plain.way, plain.layers[0].form) == ("fetch", "zstd")
    last = plan_transfer(task(SECURITY, SLOW, without=Without(delta=True, chunked=True, fetch=True, packed=True)))
    assert (last.way, last.layers[0].form, last.bytes) == ("pull", "raw", 147 * MB)
    after_a_cut = plan_transfer(task(SECURITY, LOCAL, without=Without(pull=True)))
    assert after_a_cut.way == "fetch"
    assert plan_transfer(task(SECURITY, LOCAL, BARE, without=Without(pull=True))).way == "pull"


def test_forms_that_nobody_made_are_estimated_and_said_so() -> None:
    unknown = (Sendable("deps", 153 * MB, bases=(Base("old deps", 150 * MB),)),)
    found = plan_transfer(task(unknown, SLOW))
    assert (found.layers[0].form, found.layers[0].exact, found.exact) == ("delta", False, False)
    assert 1 * MB < found.bytes < 15 * MB
    bad = (Sendable("deps", 153 * MB, zstd=30 * MB, bases=(Base("tiny", 1000),)),)
    assert plan_transfer(task(bad, FAST)).layers[0].form == "zstd"


def test_a_delta_that_is_no_smaller_than_the_layer_is_not_used() -> None:
    poor = (Sendable("deps", 153 * MB, zstd=37 * MB, bases=(Base("old", 153 * MB, delta=36 * MB),)),)
    assert plan_transfer(task(poor, FAST)).layers[0].form == "zstd"


def test_a_health_check_needs_dockers_manifest_which_has_no_place_for_chunks() -> None:
    assert plan_transfer(task(SECURITY, FAST, docker=True)).layers[0].form != "chunked"


def test_a_limit_counts_as_the_speed_of_the_link() -> None:
    capped = plan_transfer(task(SECURITY, replace(LOCAL, cap=1_000_000)))
    assert capped.layers[0].form == "delta"
    assert "1.0 MB/s" in capped.why
    assert "limit" in capped.why


def test_a_way_that_the_disk_has_no_room_for_is_not_taken() -> None:
    need = plan_transfer(task(SECURITY, SLOW)).need
    tight = plan_transfer(task(SECURITY, SLOW, replace(ABLE, free_images=need)))
    assert tight.way == "pull"
    assert tight.need < need
    none_fits = plan_transfer(task(SECURITY, SLOW, replace(ABLE, free_images=1000)))
    assert none_fits.need <= tight.need
    assert "least room" in none_fits.why
    two_disks = replace(ABLE, free_images=147 * MB + 200_000_000, free_var=10**12)
    assert plan_transfer(task(SECURITY, SLOW, two_disks)).way == "fetch"


def test_the_reason_names_bytes_time_link_and_what_it_was_chosen_over() -> None:
    why = plan_transfer(task(SECURITY, SLOW)).why
    for word in ("difference", "6.0 MB", "1.2 MB/s", "80 ms", "measured", "A plain pull would send 48 MB"):
        assert word in why, why
    assert "assumed" in plan_transfer(task(SECURITY, ASSUMED)).why
    assert "lacks skopeo, zstd" in plan_transfer(task(SECURITY, SLOW, BARE)).why


def test_what_a_node_has_of_a_cut_push_does_not_count_again() -> None:
    cold = tuple(replace(layer, zstd_kept=(layer.zstd or 0) * 9 // 10) for layer in COLD)
    again, first = plan_transfer(task(cold, SLOW)), plan_transfer(task(COLD, SLOW))
    assert (again.way, first.way) == ("fetch", "fetch")
    assert again.bytes + again.kept == first.bytes
    assert again.kept == sum(layer.zstd_kept for layer in cold)
    assert again.seconds < first.seconds / 2
    assert again.need == first.need, "the node itself takes off what is there"
    assert "are on the node from a push that was cut" in again.why
    pulled = plan_transfer(task(cold, SLOW, BARE))
    assert (pulled.way, pulled.kept, pulled.bytes) == ("pull", 0, first.bytes), "podman's pull takes none of it"


def test_a_layer_that_a_node_has_made_already_costs_nothing_whatever_form_it_came_in() -> None:
    made = replace(COLD[2], zstd=None, kept=29 * MB, bases=(Base("old app", 29 * MB, delta=25_200),))
    found = plan_transfer(task((COLD[0], made), SLOW, without=Without(pull=True)))
    assert [layer.bytes for layer in found.layers] == [49 * MB, 0]


def test_a_layer_goes_in_chunks_only_where_that_is_less_than_compressed() -> None:
    mixed = (Sendable("deps", 153 * MB, zstd=37 * MB, chunked=45 * MB), replace(SECURITY[0], bases=()))
    for link in (FAST, SLOW):
        for receiver in (ABLE, CHUNKS):
            found = plan_transfer(task(mixed, link, receiver, without=Without(delta=True, fetch=True)))
            assert found.layers[1].form == "chunked"
            assert found.layers[0].form == ("zstd" if receiver is ABLE else "chunked"), found.why


def test_where_no_differences_can_be_had_an_image_comes_in_chunks_once_if_that_costs_little() -> None:
    quick = Link(60e6, 0.005)
    seeded = plan_transfer(task(COLD, quick, CHUNKS))
    assert {layer.form for layer in seeded.layers} == {"chunked"}
    assert "next one sends changed files alone" in seeded.why
    assert {layer.form for layer in plan_transfer(task(COLD, quick)).layers} == {"zstd"}, "it takes differences"
    assert {layer.form for layer in plan_transfer(task(COLD, SLOW, CHUNKS)).layers} == {"zstd"}, "it would cost much"
    poor = tuple(replace(layer, chunked=layer.size) for layer in COLD)
    assert {layer.form for layer in plan_transfer(task(poor, quick, CHUNKS)).layers} == {"zstd"}, "it is much larger"
    large = (Sendable("deps", 1600 * MB, zstd=400 * MB, chunked=450 * MB, too_large=True), *COLD[2:])
    forms = [layer.form for layer in plan_transfer(task(large, Link(90e6, 0.001))).layers]
    assert forms == ["chunked", "zstd"]


def test_a_node_with_more_cores_needs_less_time_and_one_with_a_single_core_more() -> None:
    strengths = [guessed_strength(cpus) for cpus in (1, 2, 0, 4, 64)]
    seconds = [plan_transfer(task(COLD, LOCAL, replace(ABLE, strength=each))).seconds for each in strengths]
    assert seconds[0] > seconds[1] == seconds[2] > seconds[3] == seconds[4]


def test_what_a_node_took_tells_how_strong_it_is() -> None:
    assert strength_of(6.0, 12.0, None) == 0.5
    assert strength_of(6.0, 3.0, 1.0) == 1.5, "half of it is what was known"
    assert (strength_of(6.0, 0.01, None), strength_of(6.0, 900.0, None)) == (4.0, 0.1)
    assert strength_of(1.0, 9.0, None) is None, "so little says nothing"
    assert strength_of(6.0, 0.0, None) is None


def test_a_plan_tells_what_of_it_is_the_work_of_a_usual_node() -> None:
    usual, weak = (plan_transfer(task(COLD, LOCAL, replace(ABLE, strength=each))) for each in (1.0, 0.5))
    assert usual.work == weak.work > 1
    assert weak.seconds - usual.seconds == pytest.approx(usual.work, abs=0.2)


def test_small_layers_travel_as_they_are() -> None:
    assert plan_transfer(task((Sendable("app", 2000),), SLOW, BARE)).layers[0].form == "raw"
    assert plan_transfer(task((Sendable("app", 100_000),), SLOW, BARE)).layers[0].form == "zstd"


A, B, C, D = ("a", 100), ("b", 200), ("c", 300), ("d", 40)
B2, C2 = ("b2", 210), ("c2", 290)


def found_bases(new: list[tuple[str, int]], *old: list[tuple[str, int]], limit: int = 10**9) -> dict[str, list[str]]:
    usable = {layer[0] for each in old for layer in each}
    return {key: [base[0] for base in bases] for key, bases in bases_for(new, old, usable, limit=limit).items()}


def test_layers_in_the_same_place_are_compared() -> None:
    assert found_bases([A, B2, C], [A, B, C]) == {"b2": ["b"]}
    assert found_bases([A, B2, C2], [A, B, C]) == {"b2": ["b"], "c2": ["c"]}


def test_where_numbers_differ_the_most_similar_size_is_compared() -> None:
    assert found_bases([A, C2], [A, B, C]) == {"c2": ["c"]}
    assert found_bases([A, D, B2, C2], [A, B, C]) == {"d": ["b"], "b2": ["b"], "c2": ["c"]}


def test_what_the_service_runs_comes_first_and_two_are_tried_at_most() -> None:
    assert found_bases([A, B2], [A, B], [A, ("b1", 199)], [A, ("b0", 198)]) == {"b2": ["b", "b1"]}


def test_layers_that_are_held_too_large_or_not_usable_have_no_base() -> None:
    assert found_bases([A, B], [A, B]) == {}
    assert found_bases([A, B2], [A, B], limit=205) == {}
    assert bases_for([A, B2], [[A, B]], {"a"}, limit=10**9) == {}
    assert bases_for([A, B2], [[A, B]], {"a", "b", "b2"}, limit=10**9) == {}
    assert found_bases([A, B], []) == {}
