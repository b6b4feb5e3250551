"""What a node says of itself that decides how images come to it, the request that it gets, and what follows a no."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from deployments.core.facts import FactsError, facts_from
from deployments.core.transfer_again import again_without
from deployments.core.transfer_request import FetchBlob, image_request
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
    blobs = [FetchBlob(A, 5, "delta", B, 50, A), FetchBlob(B, 7, "zstd", A, 70)]
    secret = image_request(port=4000, token="t" * 32, manifest=A, way="fetch", need=99, blobs=blobs)
    text = secret.reveal()
    assert text.endswith(b"\n")
    assert text.count(b"\n") == 1
    value = json.loads(text)
    assert (value["way"], value["need"], value["manifest"]) == ("fetch", 99, A)
    assert value["blobs"][0] == {"digest": A, "size": 5, "form": "delta", "diff_id": B, "diff_size": 50, "base": A}
    assert "base" not in value["blobs"][1]
    pull = json.loads(image_request(port=4000, token="t" * 32, manifest=A, way="pull", need=0, blobs=blobs).reveal())
    assert "blobs" not in pull
    assert "t" * 32 not in repr(secret)


def test_an_image_of_the_most_layers_fits_the_line() -> None:
    blobs = [FetchBlob(A, 10**12, "delta", B, 10**12, A)] * 127
    line = image_request(port=4000, token="t" * 128, manifest=A, way="fetch", need=2**62, blobs=blobs).reveal()
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
