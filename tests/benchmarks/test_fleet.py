"""What the fleet's benchmark says of its figures, and that its nodes answer what the product takes for facts."""

from __future__ import annotations

import json

import pytest

from benchmarks.fleet.recorded import facts
from benchmarks.fleet.report import Row, line, missed, page
from deployments.core.facts import parse_facts

OURS = Row("ffsweb", (4.0, 3.0, 3.5, 3.2), 100)
MACHINE = {
    "cpu": "a processor",
    "cores": 2,
    "kernel": "Linux 6",
    "python": "3.11",
    "date": "2026-01-01",
    "load": 0.1,
    "nodes": 100,
    "rounds": 4,
    "work": 0.5,
    "size": 5000,
    "forks": 50,
}


def test_the_recorded_answer_is_one_that_the_product_takes():
    assert set(parse_facts(json.dumps(facts()) + "\n").services) == {"www", "api", "jobs"}


def test_the_fastest_is_no_complaint():
    assert missed([OURS, Row("pyinfra", (6.0, 5.0), 100), Row("ansible-core", (9.0, 3.2), 100)], 100) == []


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([OURS, Row("pyinfra", (3.9, 3.5), 100)], "first rounds: 4.00 s, pyinfra takes 3.90 s"),
        ([OURS, Row("ansible-core", (9.0, 3.1), 100)], "later rounds: 3.20 s, ansible-core takes 3.10 s"),
        ([Row("ffsweb", (4.0,), 99)], "ffsweb read 99 of 100 nodes."),
        ([Row("ffsweb", error="it did not start")], "ffsweb read 0 of 100 nodes. it did not start"),
        ([], "ffsweb read 0 of 100 nodes."),
    ],
)
def test_being_slower_or_reading_less_is_named(rows, words):
    assert missed(rows, 100) == [words]
    assert words in page(rows, MACHINE)


def test_who_did_not_read_all_is_not_compared():
    assert missed([OURS, Row("pyinfra", (0.1, 0.1), 99), Row("ansible-core", (0.1,), 100, error="no")], 100) == []


def test_the_page_has_a_line_for_each():
    rows = [OURS, Row("pyinfra", error="cannot be\ninstalled | here")]
    text = page(rows, MACHINE)
    assert "| ffsweb | 4.00 s | 3.20 s | 100 |\n" in text
    assert line(rows[1]).count("|") == 5
    assert "Met." in text
