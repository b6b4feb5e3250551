"""The order of files: each that is named is there."""

from __future__ import annotations

from pathlib import Path

from tests.support.order import LONGEST

ROOT = Path(__file__).resolve().parents[2]


def test_each_file_that_goes_first_is_there() -> None:
    assert [name for name in LONGEST if not (ROOT / name).exists()] == []
