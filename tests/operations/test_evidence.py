"""A step's evidence, as people read it."""

from __future__ import annotations

from typing import Any

import pytest

from ffsweb.operations.evidence import LONGEST, findings, in_words


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (True, "yes"),
        (False, "no"),
        (None, ""),
        (3, "3"),
        (1.4, "1.4"),
        (2.0, "2"),
        ("podman 5.8.2.", "podman 5.8.2."),
        (["a", "b"], "a, b"),
        (["It was ready.", "It stayed well."], "It was ready. It stayed well."),
        ([], ""),
        ({"free": 1, "full": False}, "free: 1, full: no"),
        ([["a"], {"b": None}], "a"),
        ("<b>", "<b>"),
    ],
)
def test_a_value_is_written_as_a_person_writes_it(value: Any, words: str) -> None:
    assert in_words(value) == words


def test_bytes_are_told_by_the_name() -> None:
    assert findings({"bytes": 12_300_000, "sent_bytes": 950, "count": 950}) == [
        ("bytes", "12.3 MB"),
        ("sent bytes", "950 B"),
        ("count", "950"),
    ]


def test_what_says_nothing_is_left_out_and_what_never_ends_is_cut() -> None:
    assert findings({"why": "", "missing": [], "said": None}) == []
    assert in_words("x" * 10_000) == "x" * (LONGEST - 1) + "…"
