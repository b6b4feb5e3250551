"""What the supervisor's benchmark says of its figures, and that it fails beyond the limits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.supervisor_report import Figures, line, page, too_much, worst

OURS = Figures("ours, heartbeats", 4, 1, 15_000_000, 9_000_000, 0.02)
MACHINE = {
    "cpu": "a processor",
    "cores": 2,
    "kernel": "Linux 6",
    "python": "3.11",
    "supervisord": "4",
    "s6": "2",
    "date": "2026-01-01",
    "children": 4,
    "seconds": 60.0,
}


def test_what_is_within_the_limits_is_no_complaint() -> None:
    assert too_much([OURS, Figures("supervisord", 4, 1, 30_000_000, 30_000_000, 5.0)]) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rss": 20_100_000}, "20.1 MB of memory, the limit is 20 MB"),
        ({"cpu": 0.101}, "0.101 % of a processor, the limit is 0.1 %"),
        ({"missing": "it did not start"}, "not measured: it did not start"),
    ],
)
def test_what_is_beyond_a_limit_is_named(change: dict[str, object], words: str) -> None:
    [complaint] = too_much([replace(OURS, **change)])
    assert complaint == f"ours, heartbeats: {words}"


def test_the_worst_round_counts() -> None:
    found = worst([OURS, replace(OURS, cpu=0.05, rss=1), replace(OURS, cpu=0.01, pss=10_000_000)])
    assert (found.cpu, found.rss, found.pss) == (0.05, 15_000_000, 10_000_000)


def test_the_page_has_a_line_for_each_and_says_what_could_not_be_had() -> None:
    rows = [OURS, Figures("s6", 4, missing="s6-svscan is not on PATH")]
    text = page(rows, {**MACHINE, "rounds": 2})
    assert "| ours, heartbeats | 4 | 1 | 15.0 MB | 9.0 MB | 0.020 % |\n" in text
    assert line(rows[1]) in text
    assert "2 times; the worst counts" in text
    assert "a processor, 2 cores" in text
