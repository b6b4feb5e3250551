"""Plans: what they say, that they are the same for the same facts, and that their JSON is theirs alone."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from deployments.core.filetree import FileEntry, tree_of
from deployments.core.plan import (
    Change,
    Desired,
    FileChange,
    FileMove,
    Held,
    Layer,
    Plan,
    PlanError,
    TargetPlan,
    effect_hash,
    from_json,
    make_plan,
    plan_hash,
    to_json,
)
from deployments.core.quadlet import Mode, Port, UnitSpec, render
from deployments.core.rollout import Rollout
from tests.core.example_facts import LAYERS, NEW_IMAGE, NODE, NOW, OLD_IMAGE, SERVICE


def unit(release: int, image_id: str, operation: str = "") -> str:
    return render(
        UnitSpec("serbest", "www", "node-a", Mode.OWN, release, image_id, (Port(443, 8443),), operation=operation)
    )


def entry(path: str, content: str, size: int, mode: int = 0o644) -> FileEntry:
    return FileEntry(path, mode, size, content * 64)


OLD_FILES = tree_of([entry("a", "1", 10), entry("b", "2", 20), entry("c", "3", 30), entry("run", "4", 40)])
NEW_FILES = tree_of([entry("a", "1", 10), entry("b", "5", 25), entry("d", "6", 60), entry("run", "4", 40, 0o755)])

DESIRED = Desired(
    key="service:12",
    project="serbest",
    service="www",
    node="node-a",
    release=4,
    image_id=NEW_IMAGE,
    architecture="amd64",
    layers=tuple(Layer(diff_id, 1000 * number) for number, diff_id in enumerate(LAYERS, 1)),
    unit=unit(4, NEW_IMAGE),
    mode=Mode.OWN,
    files=NEW_FILES,
    credentials="v2",
    credential_names=("env.B", "env.A"),
)
HELD = Held(facts=NODE, read_at=NOW, now=NOW, unit=unit(3, OLD_IMAGE, "9"), files=OLD_FILES)


def with_service(**changes: Any) -> Held:
    return replace(HELD, facts=replace(NODE, services={"www": replace(SERVICE, **changes)}))


def target(desired: Desired = DESIRED, held: Held = HELD) -> TargetPlan:
    return make_plan([(desired, held)]).targets[0]


def test_a_plan_says_what_is_there_and_what_will_be() -> None:
    found = target()
    assert (found.release, found.image) == (Change("3", "4"), Change(OLD_IMAGE, NEW_IMAGE))
    assert found.unit_sha256 == SERVICE.unit_sha256
    assert (found.credentials.old, found.credentials.new) == ("v1", "v2")
    assert found.credentials.names == ("env.A", "env.B")
    assert found.changes
    assert found.refusals == ()


def test_only_missing_layers_are_sent_and_a_layer_that_occurs_twice_is_sent_once() -> None:
    twice = replace(DESIRED, layers=(*DESIRED.layers, DESIRED.layers[2]))
    layers = target(twice).layers
    assert [layer.diff_id for layer in layers.missing] == list(LAYERS[1:])
    assert (layers.held, layers.bytes_to_send) == (1, 5000)


def test_an_image_that_the_node_holds_is_not_sent() -> None:
    layers = target(replace(DESIRED, image_id=OLD_IMAGE)).layers
    assert (layers.missing, layers.bytes_to_send) == ((), 0)


def test_files_are_compared_with_the_running_release() -> None:
    files = target().files
    assert files.base == 3
    assert files.added == (FileChange("d", 60),)
    assert files.changed == (FileChange("b", 25), FileChange("run", 40))
    assert files.removed == (FileChange("c", 30),)
    assert files.bytes_to_send == 85
    assert not files.staged


def test_a_file_that_moved_is_neither_new_nor_gone_and_does_not_travel() -> None:
    moved = tree_of([entry("a", "1", 10), entry("b", "2", 20), entry("new/c", "3", 30), entry("run", "4", 40)])
    files = target(replace(DESIRED, files=moved)).files
    assert files.moved == (FileMove("new/c", "c", 30),)
    assert (files.added, files.changed, files.removed) == ((), (), ())
    assert (files.bytes_to_send, files.expected, files.size) == (0, 0, 100)
    assert files


def test_what_files_will_probably_take_is_told_and_promised_by_nobody() -> None:
    plan = make_plan([(DESIRED, HELD)])
    looked = make_plan([(DESIRED, replace(HELD, files_bytes=7))])
    assert (plan.targets[0].files.expected, looked.targets[0].files.expected) == (85, 7)
    assert looked.targets[0].files.bytes_to_send == 85
    assert plan.bytes_to_send - looked.bytes_to_send == 78
    assert plan_hash(plan) == plan_hash(looked)
    assert from_json(to_json(looked)) == looked


@pytest.mark.parametrize(
    "held",
    [replace(HELD, files=None), with_service(releases=(2,)), with_service(release=None), replace(HELD, facts=None)],
)
def test_without_a_base_on_the_node_every_file_is_sent(held: Held) -> None:
    files = target(held=held).files
    assert (files.base, files.bytes_to_send, len(files.added)) == (0, 135, 4)


def test_files_and_credentials_that_are_staged_are_not_sent_again() -> None:
    found = target(held=with_service(releases=(3, 4), credentials_held=("v1", "v2")))
    assert (found.files.staged, found.files.bytes_to_send) == (True, 0)
    assert found.files.added == (FileChange("d", 60),)
    assert found.credentials.names == ()


def test_a_first_deploy_shows_the_whole_unit() -> None:
    found = target(held=Held(facts=replace(NODE, services={}), read_at=NOW, now=NOW))
    assert (found.release.old, found.image.old, found.unit_sha256) == ("", "", "")
    assert len([line for line in found.unit_diff if line.startswith("+")]) == len(DESIRED.unit.splitlines())
    assert found.refusals == ()


def test_the_number_of_the_operation_is_no_change() -> None:
    again = replace(DESIRED, release=3, image_id=OLD_IMAGE, unit=unit(3, OLD_IMAGE, "77"), credentials="v1")
    found = target(again)
    assert found.unit_diff == ()
    assert not found.changes
    assert any("only be restarted" in warning for warning in found.warnings)


def test_another_projects_service_is_refused() -> None:
    assert any("belongs to the project other" in text for text in target(held=with_service(project="other")).refusals)


def test_a_node_without_a_reading_refuses() -> None:
    plan = make_plan([(DESIRED, Held(facts=None, error="No route to host."))])
    assert plan.refused
    assert "No route to host." in plan.targets[0].refusals[0]


def test_a_plan_adds_up_its_targets() -> None:
    plan = make_plan([(DESIRED, HELD), (replace(DESIRED, key="service:13"), HELD)])
    assert (plan.kind, plan.project, plan.release, plan.refused) == ("deploy", "serbest", 4, False)
    assert plan.bytes_to_send == 2 * (85 + 5000)


@pytest.mark.parametrize(
    "targets",
    [
        [],
        [(DESIRED, HELD), (DESIRED, HELD)],
        [(DESIRED, HELD), (replace(DESIRED, key="service:13", release=5), HELD)],
        [(DESIRED, HELD), (replace(DESIRED, key="service:13", project="other"), HELD)],
    ],
)
def test_targets_that_make_no_plan_are_refused(targets: list[tuple[Desired, Held]]) -> None:
    with pytest.raises(ValueError, match="service"):
        make_plan(targets)


PLAN = make_plan([(DESIRED, HELD), (replace(DESIRED, key="service:13"), Held(facts=None))], kind="deploy")


def test_a_plan_is_read_back_from_its_json() -> None:
    assert from_json(to_json(PLAN)) == PLAN
    assert from_json(json.dumps(json.loads(to_json(PLAN)), indent=4)) == PLAN


def test_the_json_is_canonical_and_the_hash_is_of_all_of_it() -> None:
    text = to_json(PLAN)
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert plan_hash(PLAN) == plan_hash(from_json(text))
    assert len(plan_hash(PLAN)) == 64
    assert plan_hash(replace(PLAN, release=5)) != plan_hash(PLAN)


def effect(desired: Desired = DESIRED, held: Held = HELD) -> str:
    return effect_hash(make_plan([(desired, held)]))


def test_a_newer_reading_that_says_the_same_has_the_same_effect() -> None:
    later = replace(HELD, read_at=NOW + 900, now=NOW + 5000, facts=replace(NODE, time=NOW + 990, uptime=1000))
    assert effect(held=later) == effect()
    assert plan_hash(make_plan([(DESIRED, later)])) != plan_hash(make_plan([(DESIRED, HELD)]))


def test_what_was_staged_in_between_has_the_same_effect() -> None:
    staged = with_service(releases=(2, 3, 4), credentials_held=("v1", "v2"))
    assert staged.facts is not None
    brought = replace(staged, facts=replace(staged.facts, diff_ids=frozenset(LAYERS)))
    assert effect(held=brought) == effect()


@pytest.mark.parametrize(
    "changes",
    [
        {"release": 2},
        {"image_id": NEW_IMAGE},
        {"certificate": "c" * 64},
        {"credentials": "v0"},
        {"unit_sha256": "0" * 64},
    ],
)
def test_a_node_that_changed_has_another_effect(changes: dict[str, Any]) -> None:
    assert effect(held=with_service(**changes)) != effect()


def broken(change: Any) -> str:
    value = json.loads(to_json(PLAN))
    change(value)
    return json.dumps(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        "[" * 100_000,
        broken(lambda value: value.pop("kind")),
        broken(lambda value: value.update(extra=1)),
        broken(lambda value: value.update(release="4")),
        broken(lambda value: value.update(release=True)),
        broken(lambda value: value.update(targets={})),
        broken(lambda value: value["targets"][0].update(unit_diff=[1])),
        broken(lambda value: value["targets"][0].update(image=None)),
        broken(lambda value: value["targets"][0]["files"]["added"][0].update(size=1.5)),
        broken(lambda value: value["targets"][0]["files"].update(staged=0)),
    ],
)
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(PlanError):
        from_json(text)


def test_an_empty_plan_refuses_nothing_and_sends_nothing() -> None:
    empty = Plan("deploy", "serbest", 1, (), Rollout(), ())
    assert (empty.refused, empty.bytes_to_send) == (False, 0)
