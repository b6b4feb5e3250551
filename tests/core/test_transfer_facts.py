"""What a node says of itself that decides how images come to it, the request that it gets, and what follows a no."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from deployments.core.facts import FactsError, facts_from
from deployments.core.transfer_again import again_without
from deployments.core.transfer_request import Door, FetchBlob, fetch_line, pull_line
from deployments.core.transfer_values import LayerTransfer, Transfer, Without
from tests.core.test_facts import FACTS

A, B = "sha256:" + "a" * 64, "sha256:" + "b" * 64


def with_facts(**more: Any) -> dict[str, Any]:
    return copy.deepcopy(FACTS) | more


def test_an_older_node_says_nothing_of_it() -> None:
    facts = facts_from(FACTS)
    assert (facts.tools, facts.chunked, facts.partial_pulls, facts.cpus, facts.fetched) == (
        frozenset(),
        frozenset(),
        False,
        0,
        {},
    )


def test_what_a_node_says_is_read() -> None:
    held = FACTS["images_held"] | {"chunked": [A]}
    facts = facts_from(
        with_facts(images_held=held, tools=["curl", "zstd"], partial_pulls=True, cpus=2, fetched={B: 17})
    )
    assert facts.tools == frozenset({"curl", "zstd"})
    assert facts.chunked == frozenset({A})
    assert (facts.partial_pulls, facts.cpus, facts.fetched) == (True, 2, {B: 17})


@pytest.mark.parametrize(
    "odd",
    [
        {"tools": "curl"},
        {"tools": ["../../bin"]},
        {"partial_pulls": "yes"},
        {"cpus": -1},
        {"fetched": {"x": 1}},
        {"fetched": {B: -1}},
        {"fetched": [B]},
        {"images_held": {"ids": [], "diff_ids": [], "chunked": ["x"]}},
    ],
)
def test_what_is_odd_is_refused(odd: dict[str, Any]) -> None:
    with pytest.raises(FactsError):
        facts_from(with_facts(**odd))


def test_the_request_names_every_blob_and_a_base_for_differences_alone() -> None:
    blobs = [FetchBlob(A, 5, "delta", B, 50, A), FetchBlob(B, 7, "zstd", A, 70, rides=True)]
    text = fetch_line(Door(4000, "t" * 32), need=99, config=300, sizes=[50, 70], docker=False, blobs=blobs)
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    value = json.loads(text)
    assert (value["way"], value["need"], value["port"], value["token"]) == ("fetch", 99, 4000, "t" * 32)
    assert (value["config"], value["sizes"], value["docker"]) == (300, [50, 70], False)
    assert value["blobs"][0] == {"digest": A, "size": 5, "form": "delta", "diff_id": B, "diff_size": 50, "base": A}
    assert value["blobs"][1] == {"digest": B, "size": 7, "form": "zstd", "diff_id": A, "diff_size": 70, "rides": True}


def test_a_request_whose_blobs_all_ride_along_names_no_port() -> None:
    value = json.loads(fetch_line(None, need=0, config=1, sizes=[1], docker=True, blobs=[]))
    assert not {"port", "token"} & value.keys()


def test_a_pull_names_its_manifest_and_no_blobs() -> None:
    value = json.loads(pull_line(Door(4000, "t" * 32), manifest=A, need=5))
    assert value == {"port": 4000, "token": "t" * 32, "manifest": A, "way": "pull", "need": 5}


def test_an_image_of_the_most_layers_fits_the_line() -> None:
    blobs = [FetchBlob(A, 10**12, "delta", B, 10**12, A)] * 127
    sizes = [10**12] * 127
    line = fetch_line(Door(4000, "t" * 128), need=2**62, config=2**22, sizes=sizes, docker=False, blobs=blobs)
    assert len(line) < 64 * 1024


def transfer(way: str, form: str) -> Transfer:
    return Transfer(way, 100, (LayerTransfer(A, 100, form, 10, True),))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "way", "form", "then"),
    [
        ("delta", "fetch", "delta", Without(delta=True)),
        ("delta", "fetch", "zstd", Without(fetch=True)),
        ("verify", "fetch", "delta", Without(delta=True)),
        ("podman", "pull", "chunked", Without(chunked=True)),
        ("podman", "fetch", "zstd", Without(fetch=True)),
        ("podman", "pull", "zstd", Without(packed=True)),
        ("podman", "pull", "raw", None),
        ("disk-full", "fetch", "delta", Without(fetch=True)),
        ("disk-full", "pull", "zstd", None),
        ("stale", "fetch", "delta", None),
        ("not-root", "pull", "zstd", None),
    ],
)
def test_each_no_is_followed_by_something_plainer_until_nothing_is(
    code: str, way: str, form: str, then: Without | None
) -> None:
    assert again_without(code, transfer(way, form), Without()) == then
