"""Which files come first where files are dealt out to workers: one that lasts must not be what all wait for at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import pytest

LONGEST: Final = (
    "tests/lab/test_killed.py",  # a quarter of an hour
    "tests/lab/test_composed.py",
    "tests/lab/test_parking.py",
    "tests/lab/test_cut.py",
    "tests/lab/test_modes.py",
    "tests/lab/test_rotation.py",
    "tests/lab/test_rollout.py",
    "tests/lab/test_life.py",
    "tests/demo/test_demo.py",
    "tests/lab/test_files_transfer.py",
)
"""By `pytest --durations`; each takes minutes. They count with `--dist loadfile --no-loadscope-reorder`."""


def longest_first(items: list[pytest.Item]) -> None:
    """Put the tests of these files first, in their order; everything else stays as it is."""
    ranks = {name: rank for rank, name in enumerate(LONGEST)}
    items.sort(key=lambda item: ranks.get(item.nodeid.partition("::")[0], len(ranks)))
