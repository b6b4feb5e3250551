"""What the viewers' benchmark makes of the bytes that came, and that it fails beyond the targets."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.viewers.figures import Commits, Figures, Judged, Late, judge
from benchmarks.viewers.report import line, missed, page
from benchmarks.viewers.wire import arrivals

HEAD = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
GOOD = Figures(
    "ffsweb", "sqlite", 1000, 1000, 5.0, Judged(1000, 0, 0, Late(9, 0.03, 0.09, 0.2), None), 5, 10**8, 10**8
)
MACHINE = {
    "cpu": "a processor",
    "cores": 2,
    "kernel": "Linux 6",
    "python": "3.11",
    "date": "2026-01-01",
    "seconds": 30.0,
    "bursts": 10,
    "size": 200,
    "django": "5.2",
    "nice": 0,
}


def chunk(*numbers: int) -> bytes:
    lines = ",".join(f'{{"n":{number},"at":"2026","h":"x"}}' for number in numbers)
    event = f"id: {numbers[-1]}\ndata: [{lines}]\n\n".encode()
    return b"%x\r\n%b\r\n" % (len(event), event)


def test_a_line_has_come_when_its_last_byte_has():
    one, two = chunk(1, 2), chunk(3)
    came = [(1.0, HEAD), (2.0, one[:10]), (3.0, one[10:] + two[:-1]), (4.0, two[-1:])]
    assert list(arrivals(came)) == [(1, 3.0), (2, 3.0), (3, 4.0)]
    assert list(arrivals(came[:3])) == [(1, 3.0), (2, 3.0)]
    assert list(arrivals([])) == []


def test_lines_are_held_against_their_commits():
    commits = Commits([(1.0, 2), (2.0, 3)], bursts=3)
    found = judge([[(1.5, HEAD + chunk(1, 2)), (2.25, chunk(3))]], commits)
    assert found == Judged(1, 0, 0, Late(2, 0.5, 0.5, 0.5), Late(1, 0.25, 0.25, 0.25))


@pytest.mark.parametrize(
    ("numbers", "lost", "doubled"),
    [((1, 2, 3), 0, 0), ((1, 3), 1, 0), ((1, 2), 1, 0), ((1, 2, 2, 3), 0, 1), ((), 3, 0), ((1, 3, 2), 1, 1)],
)
def test_a_line_that_was_lost_or_came_twice_is_counted(numbers, lost, doubled):
    came = [(1.0, HEAD + b"".join(chunk(number) for number in numbers))]
    found = judge([came], Commits([(0.0, 3)], bursts=4))
    assert (found.lost, found.doubled) == (lost, doubled)


def test_what_is_within_the_targets_is_no_complaint():
    assert missed([GOOD]) == []
    assert "They are met." in page([GOOD], MACHINE)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"judged": replace(GOOD.judged, steady=Late(9, 0.1, 0.2, 0.3))}, "p99 200 ms, the target is 100 ms"),
        ({"judged": replace(GOOD.judged, steady=None)}, "p99 nothing came, the target is 100 ms"),
        ({"judged": replace(GOOD.judged, lost=3)}, "3 lines were lost, 0 came twice"),
        ({"served": 999}, "only 999 were served"),
        ({"judged": None, "error": "it did not start"}, "not measured: it did not start"),
    ],
)
def test_what_is_beyond_a_target_is_named(change, words):
    row = replace(GOOD, **change)
    assert missed([row]) == [f"sqlite, 1000 viewers: {words}"]
    assert words in page([row], MACHINE)
    assert missed([replace(row, way="naive")]) == []


def test_every_row_has_as_many_cells_as_the_head():
    head = next(each for each in page([GOOD], MACHINE).splitlines() if each.startswith("| Way"))
    for row in (GOOD, replace(GOOD, judged=None, error="no"), replace(GOOD, served=3)):
        assert line(row).count("|") == head.count("|")
