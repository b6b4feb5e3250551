"""The benchmark's page: written from the figures, and honest about what is missing or missed."""

from __future__ import annotations

import pytest

from benchmarks.push.competitors import BASELINE
from benchmarks.push.report import report
from benchmarks.push.results import OURS, Imported, Many, Raw, Results, Row

SLOW = "10 Mbit/s, 80 ms"
REGISTRY = "registry through ssh -R (zstd)"


@pytest.fixture
def results() -> Results:
    found = Results(deltas={"one-line change": 3_000})
    found.rows = [
        Row(SLOW, BASELINE, "one-line change", 200.0, 330_000_000, 1000, shaped="tbf"),
        Row(SLOW, REGISTRY, "one-line change", 10.0, 10_000_000, 1000, shaped="tbf"),
        Row(SLOW, OURS, "one-line change", 2.0, 30_000, 1000, parts={"image": 1.5}, shaped="tbf"),
        Row(SLOW, BASELINE, "first push", error="status 1: no"),
    ]
    return found


def line_with(text: str, *words: str) -> str:
    return next(line for line in text.splitlines() if all(word in line for word in words))


def test_figures_survive_being_kept(results, tmp_path):
    results.raw = [Raw("loopback", "ssh -c aes128-gcm@openssh.com", 5e8, 4 << 20)]
    results.many = [Many(30, 3, 90, 3, 90, 50, 60, 12.5, 8.0)]
    results.imports = [Imported("plain", 10, 10, 2.0, 1.0, 3, 5)]
    results.save(tmp_path / "some/where.json")
    assert Results.load(tmp_path / "some/where.json") == results


def test_every_way_has_its_bytes_and_seconds(results):
    page = report(results)
    assert "30.0 kB, 2.00 s" in line_with(page, "**ffsweb**")
    assert "330 MB, 200.00 s" in line_with(page, "`podman save \\| ssh podman load`")


def test_what_was_not_measured_is_said(results):
    page = report(results)
    assert "No figure for podman save | ssh podman load, first push: status 1: no" in page
    assert "–" in line_with(page, "**ffsweb**")


def test_ratios_are_to_the_best_of_each_and_what_misses_its_target_stands_out(results):
    row = line_with(report(results), f"| {SLOW} | one-line change")
    # Ten times the delta is over 1.1; the rest is met.
    assert row == f"| {SLOW} | one-line change | 0.003 | **10.00** | 0.20 | 0.010 |"


def test_a_later_figure_replaces_an_earlier_one_and_a_failure_replaces_none(results):
    results.rows.append(Row(SLOW, OURS, "one-line change", 1.0, 20_000, 1000))
    results.rows.append(Row(SLOW, OURS, "one-line change", error="cut"))
    assert "20.0 kB, 1.00 s" in line_with(report(results), "**ffsweb**")


def test_throughput_is_told_against_openssh(results):
    results.raw = [
        Raw("loopback", "ssh -c aes128-gcm@openssh.com", 5e8, 1),
        Raw("loopback", "ffsweb, reverse forward, 6 channels", 6e8, 1),
    ]
    assert line_with(report(results), "6 channels").endswith("| 600 MB/s | 1.20 |")


def test_many_nodes_are_told_with_disk_and_memory(results):
    results.many = [Many(30, 337_000_000, 2_800_000_000, 95_000_000, 0, 90_000_000, 130_000_000, 60.0, 20.0)]
    assert "95.00 MB | 0.0 kB | 90.00 MB → 130 MB" in line_with(report(results), "| 30 nodes")


def test_without_figures_there_is_still_a_page():
    assert report(Results()).startswith("# Benchmarks")
