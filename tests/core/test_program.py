"""Which of two ffs-node is the older one, and what a node says of its own."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.core.program import Program, Standing, program_from, standing

OURS = Program(2, "0.10.0", "a" * 64)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (OURS, Standing.SAME),
        (Program(2, "0.10.0", "b" * 64), Standing.CHANGED),
        (Program(2, "0.9.9", "a" * 64), Standing.OLDER),
        (Program(1, "0.10.0", "a" * 64), Standing.OLDER),
        (Program(3, "0.9", "b" * 64), Standing.OLDER),  # a node compares versions first
        (Program(2, "0.10.0.1", "b" * 64), Standing.NEWER),
        (Program(3, "0.10.0", "b" * 64), Standing.NEWER),
        (Program(1, "1", "b" * 64), Standing.NEWER),
    ],
)
def test_a_program_is_older_by_its_version_then_by_its_protocol(found: Program, expected: Standing) -> None:
    assert standing(found, OURS) is expected
    assert standing(found, OURS).upgradable == (expected in {"older", "changed"})


def test_the_program_is_read_from_facts_of_any_protocol() -> None:
    facts = {"protocol": 1, "version": "0.1", "program_sha256": "c" * 64, "of": ["another", "form"]}
    assert program_from(facts) == Program(1, "0.1", "c" * 64)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("protocol", "1"), ("protocol", True), ("protocol", -1), ("protocol", 10**6), ("version", "1.x"), ("version", 1),
        ("version", "1" * 30), ("program_sha256", "c" * 63), ("program_sha256", None),
    ],
)  # fmt: skip
def test_what_is_not_of_the_form_says_nothing(name: str, value: Any) -> None:
    assert program_from({"protocol": 1, "version": "0.1", "program_sha256": "c" * 64} | {name: value}) is None
