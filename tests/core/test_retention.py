"""What a node keeps when it is pruned: what runs, what is gone back to, what is coming; and when that is looked at."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from deployments.core.facts_values import Disk, NodeFacts, PendingSwitch
from deployments.core.presence import lacking
from deployments.core.retention import Needed, counted, daily_slot, freed, gone, pruning
from tests.core.example_facts import NODE, SERVICE

IMAGES = {number: f"sha256:{number:064x}" for number in range(1, 9)}


def node(images: Iterable[int] = range(1, 7), **services: dict[str, Any]) -> NodeFacts:
    """A node whose service www runs release 5; others are as they are given."""
    www = {"release": 5, "image_id": IMAGES[5], "releases": (1, 2, 3, 4, 5, 6), "certs": ("a", "b"), "certificate": "b",
           "credentials": "v5", "credentials_held": ("v1", "v4", "v5")}  # fmt: skip
    rows = {"www": www, **services}
    return replace(
        NODE,
        services={name: replace(SERVICE, name=name, **changes) for name, changes in rows.items()},
        staged_images=frozenset(f"serbest:{IMAGES[number]}" for number in images),
    )


def need(*numbers: int) -> list[Needed]:
    return [Needed(number, IMAGES[number], "b", f"v{number}") for number in numbers]


def test_what_runs_and_what_is_needed_stays_and_the_rest_is_counted() -> None:
    found = pruning(node(), "serbest", {"www": need(4, 3)})
    (kept,) = found.kept
    assert (kept.service, kept.releases, kept.certificates) == ("www", (3, 4, 5), ("b",))
    assert kept.credentials == ("v3", "v4", "v5")
    assert kept.images == (IMAGES[3], IMAGES[4], IMAGES[5])
    assert found.surplus == {"release": 3, "image": 3, "certificate": 1, "set of credentials": 1}
    assert found.words == "1 certificate, 3 images, 3 releases, 1 set of credentials"


def test_an_image_that_another_service_needs_stays_for_all() -> None:
    api = {"release": 1, "image_id": IMAGES[1], "releases": (1,), "certificate": None, "credentials": None}
    found = pruning(node(api=api), "serbest", {"www": need(4), "api": need(2)})
    assert {each.images for each in found.kept} == {(IMAGES[1], IMAGES[2], IMAGES[4], IMAGES[5])}
    assert found.surplus["image"] == 2
    api_kept = next(each for each in found.kept if each.service == "api")
    assert (api_kept.releases, api_kept.credentials) == ((1, 2), ("v2",))


def test_a_service_of_another_project_or_unknown_here_or_with_a_pending_switch_is_left_alone() -> None:
    other = {"project": "other", "releases": (1, 2)}
    pending = {"pending": PendingSwitch("9", 1), "release": 2, "image_id": IMAGES[2], "releases": (1, 2)}
    unknown = {"release": 3, "image_id": IMAGES[3], "releases": (1, 2, 3)}
    found = pruning(node(other=other, api=pending, old=unknown), "serbest", {"www": [], "api": [], "other": need(1)})
    (kept,) = found.kept
    assert (kept.service, kept.releases) == ("www", (5,))
    # Their images stay nevertheless.
    assert kept.images == (IMAGES[2], IMAGES[3], IMAGES[5])


def test_a_service_that_waits_for_its_first_deploy_is_left_alone() -> None:
    new = {"project": None, "release": None, "image_id": None, "releases": (1,), "deployed": False}
    found = pruning(node(new=new), "serbest", {"www": [], "new": []})
    assert [kept.service for kept in found.kept] == ["www"]


def test_where_no_release_has_a_kind_of_thing_everything_of_the_kind_stays() -> None:
    found = pruning(node(www={"release": 5, "image_id": IMAGES[5], "releases": (5,), "certificate": None,
                              "certs": ("a",), "credentials": None, "credentials_held": ("v1",)}), "serbest", {"www": []})  # fmt: skip
    assert (found.kept[0].certificates, found.kept[0].credentials) == ((), ())
    assert set(found.surplus) == {"image"}


def test_what_went_is_told_from_two_readings() -> None:
    before = replace(node(), disk_images=Disk(10, 100), disk_var=Disk(10, 100))
    after = replace(node(images=(4, 5)), disk_images=Disk(60, 100), disk_var=Disk(60, 100))
    www = replace(after.services["www"], releases=(4, 5), credentials_held=("v4", "v5"))
    after = replace(after, services={"www": www})
    assert gone(before, after, "serbest") == {"image": 4, "release": 4, "set of credentials": 1}
    assert freed(before, after) == 50  # one disk counts once
    assert freed(after, before) == 0
    apart = replace(after, disk_var=Disk(15, 100))
    assert freed(replace(before, disk_var=Disk(10, 90)), apart) == 55
    assert gone(before, replace(after, services={}), "serbest") == {"image": 4}
    assert counted({"image": 1, "set of credentials": 2}) == "1 image, 2 sets of credentials"


def test_each_node_has_a_time_of_day_of_its_own_and_it_comes_once_a_day() -> None:
    now = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
    slots = {daily_slot(now, key) for key in range(1, 200)}
    assert len(slots) > 190
    assert all(now - timedelta(days=1) < slot <= now for slot in slots)
    for key in range(1, 50):
        slot = daily_slot(now, key)
        assert daily_slot(slot, key) == slot
        assert daily_slot(slot + timedelta(hours=23, minutes=59), key) == slot
        assert daily_slot(slot - timedelta(seconds=1), key) == slot - timedelta(days=1)


def test_what_would_have_to_be_sent_is_what_the_node_does_not_show() -> None:
    facts = node()
    assert lacking(facts, "serbest", "www", Needed(4, IMAGES[4], "b", "v4")) == ()
    assert lacking(facts, "serbest", "www", Needed(4, IMAGES[4])) == ()
    gone = Needed(8, IMAGES[8], "c", "v8")
    assert lacking(facts, "serbest", "www", gone) == ("files", "image", "certificate", "credentials")
    assert lacking(facts, "other", "www", Needed(4, IMAGES[4])) == ("image",)
    assert lacking(facts, "serbest", "api", Needed(4, IMAGES[4], "b", "v4")) == (
        "files",
        "certificate",
        "credentials",
    )
