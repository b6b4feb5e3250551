"""The targets are judged by code: on the page, and by the exit status."""

from __future__ import annotations

import pytest

from benchmarks.push import __main__ as benchmark
from benchmarks.push.competitors import BASELINE
from benchmarks.push.pages import latency_of
from benchmarks.push.recipe import AGAIN
from benchmarks.push.report import report
from benchmarks.push.results import OURS, Imported, Many, Raw, Results, Row
from benchmarks.push.targets import PRODUCT, judged

SLOW = "10 Mbit/s, 80 ms"
OPENSSH = "ssh -c aes128-gcm@openssh.com"


def missed(results: Results) -> list[str]:
    return [each.what for each in judged(results) if not each.met]


def test_without_figures_nothing_is_missed():
    assert judged(Results()) == []


@pytest.mark.parametrize(("seconds", "told"), [(0.4, []), (1.4, [f"{SLOW}, {AGAIN}: seconds of the image step"])])
def test_a_push_of_nothing_takes_less_than_a_second(seconds, told):
    results = Results(rows=[Row(SLOW, OURS, AGAIN, 3.0, 9000, 1000, parts={"image": seconds})])
    assert missed(results) == told


def test_a_push_is_held_to_the_best_of_the_others_and_to_a_delta_on_the_slow_link():
    results = Results(deltas={"one-line change": 25_000})
    results.rows = [
        Row(SLOW, BASELINE, "one-line change", 20.0, 300_000_000),
        Row(SLOW, OURS, "one-line change", 3.0, 30_000),
    ]
    where = f"{SLOW}, one-line change"
    assert missed(results) == [f"{where}: bytes / zstd --patch-from", f"{where}: time / save|load"]


@pytest.mark.parametrize(("link", "rate", "met"), [("loopback", 91.0, True), ("loopback", 89.0, False)])
def test_the_connection_is_judged_by_what_the_product_does_with_it(link, rate, met):
    results = Results(raw=[Raw(link, OPENSSH, 100.0, 1), Raw(link, PRODUCT, rate, 1)])
    results.raw.append(Raw(link, "ffsweb, reverse forward, 6 channels", 500.0, 1))
    assert [each.met for each in judged(results)] == [met]


def test_many_nodes_take_one_read_little_memory_and_leave_the_pages_quick():
    good = Many(30, 300, 9000, 310, 99999, 100, 250, 60.0, 20.0, 0, 0.05, 0.4)
    assert missed(Results(many=[good])) == []
    bad = Many(30, 300, 9000, 9000, 99999, 100, 9100, 60.0, 20.0, 1, 0.5, 4.0)
    assert len(missed(Results(many=[bad]))) == 4


def test_an_intake_stays_below_its_memory():
    assert missed(Results(imports=[Imported("plain", 10**10, 10**10, 30.0, 20.0, 40_000_000, 90_000_000)])) == []
    assert missed(Results(imports=[Imported("plain", 10**10, 10**10, 30.0, 20.0, 40_000_000, 290_000_000)])) != []


def test_what_is_missed_stands_on_the_page():
    results = Results(rows=[Row(SLOW, OURS, AGAIN, 3.0, 9000, 1000, parts={"image": 1.4})])
    page = report(results)
    assert "0 of 1 targets are met." in page
    assert f"- {SLOW}, {AGAIN}: seconds of the image step: 1.4, the target is 1" in page


@pytest.mark.parametrize(
    ("row", "status"),
    [
        (Row(SLOW, OURS, AGAIN, 3.0, 9000, parts={"image": 0.4}), 0),
        (Row(SLOW, OURS, AGAIN, 3.0, 9000, parts={"image": 1.4}), benchmark.MISSED),
        (Row(SLOW, OURS, AGAIN, error="no"), benchmark.NOT_MEASURED),
    ],
)
def test_the_exit_status_tells_a_missed_target_from_a_failed_measurement(row, status, tmp_path):
    kept = tmp_path / "push.json"
    Results(rows=[row]).save(kept)
    asked = ["--report", "--results", str(kept), "--page", str(tmp_path / "page.md")]
    assert benchmark.main(asked) == status


def test_a_latency_is_the_median_and_what_one_of_a_hundred_exceeds():
    found = latency_of([0.1] * 98 + [0.5, 2.0])
    assert (found.asked, found.median, found.slowest) == (100, 0.1, 2.0)
