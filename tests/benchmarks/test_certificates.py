"""The certificates' benchmark: its table, what counts as missed, and a small run of both ways."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.certificates.report import Row, lines, missed, page
from benchmarks.certificates.simulated import measured

MINE, OTHER = Row("ffsweb", (2.0, 1.0, 3.0), 10), Row("openssl", (5.0, 4.0, 6.0), 10)
MACHINE = {
    "cpu": "a processor",
    "cores": 2,
    "kernel": "Linux 6",
    "python": "3.11",
    "date": "2026-01-01",
    "load": 0.1,
    "endpoints": 10,
    "rounds": 3,
    "at_once": 32,
    "lab_nodes": 3,
    "lab_load": 0.2,
}


def test_the_page_has_both_ways_and_their_ratio() -> None:
    text = page([MINE, OTHER], MACHINE, [Row("ffsweb, from both sides", (3.0,), 3), Row("openssl", (1.0,), 3)])
    assert "| ffsweb | 2.00 s | 1.00–3.00 s | 10 | 1.00 |\n" in text
    assert "| openssl | 5.00 s | 4.00–6.00 s | 10 | 2.50 |\n" in text
    assert "Met." in text
    assert "## 3 real nodes" in text
    assert lines([MINE, OTHER]) in text


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([Row("ffsweb", (1.0,), 9), OTHER], "ffsweb saw 9 of 10 certificates."),
        ([Row("ffsweb", (6.0,), 10), OTHER], "ffsweb takes 6.00 s, the other way 5.00 s."),
    ],
)
def test_being_slower_or_seeing_less_is_named(rows: list[Row], words: str) -> None:
    assert missed(rows, 10) == [words]
    assert words in page(rows, MACHINE)


def test_who_did_not_see_all_is_not_compared() -> None:
    assert missed([MINE, Row("openssl", (0.1,), 9)], 10) == []


def test_both_ways_see_every_endpoint(tmp_path: Path) -> None:
    mine, other = measured(6, 1, tmp_path, at_once=4)
    assert (mine.seen, other.seen) == (6, 6)
