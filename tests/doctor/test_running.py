"""Checks that crash, hang or cannot be done, and what is printed of all of them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator

import pytest

from ffsweb.doctor import report
from ffsweb.doctor.findings import Check, Finding, State, fail, ok, skipped, warn
from ffsweb.doctor.running import Result, run


def crashes() -> Iterator[Finding]:
    yield ok("So far.")
    raise RuntimeError("it broke")


def results(*checks: Check) -> list[tuple[str, str]]:
    return [(result.check, str(result.finding.state)) for result in run(checks)]


def test_a_check_that_crashes_is_its_own_failure_alone() -> None:
    found = list(run([Check("a", crashes), Check("b", lambda: ok("Fine."))]))
    assert [str(result.finding.state) for result in found] == ["fail", "ok"]
    assert "RuntimeError: it broke" in found[0].finding.found


def test_a_check_that_hangs_is_left_alone() -> None:
    go = threading.Event()
    ended = threading.Event()

    def hangs() -> Finding:
        go.wait(30)
        return ok("Late.")

    assert [
        (result.check, str(result.finding.state))
        for result in run([Check("slow", hangs, seconds=0.05), Check("b", lambda: ok("Fine."))], at_end=ended.set)
    ] == [("slow", "fail"), ("b", "ok")]
    go.set()


def test_without_a_database_what_needs_one_is_skipped() -> None:
    away = Check("database", lambda: fail("No.", "Start it."))
    needs, free = Check("rows", crashes, database=True), Check("disk", lambda: [ok("One."), warn("Two.", "Look.")])
    assert results(away, needs, free) == [("database", "fail"), ("rows", "skipped"), ("disk", "ok"), ("disk", "warn")]
    assert results(Check("database", lambda: warn("Slow.", "Look.")), needs) == [
        ("database", "warn"),
        ("rows", "fail"),
    ]


def test_each_thread_gives_back_what_it_took() -> None:
    names = []
    list(
        run(
            [Check("a", lambda: ok("1")), Check("b", crashes)],
            at_end=lambda: names.append(threading.current_thread().name),
        )
    )
    assert names == ["doctor-a", "doctor-b"]


@pytest.mark.parametrize(
    ("findings", "code"),
    [
        ([], 0),
        ([ok("1"), skipped("2")], 0),
        ([ok("1"), warn("2", "3")], 3),
        ([warn("2", "3"), fail("4", "5")], 1),
    ],
)
def test_the_exit_code_says_the_worst(findings: list[Finding], code: int) -> None:
    assert report.exit_code([Result("a", found) for found in findings]) == code


def test_no_secret_comes_out_in_whatever_form() -> None:
    url = "postgres://ffsweb:pass%2Fword-1@db.example.org/ffsweb"
    hide = [*report.secrets_in(url, "redis://broker/0", "nonsense://["), "a-secret-key-of-many-characters"]
    text = f"FATAL {url} pass/word-1 pass%2Fword-1 a-secret-key-of-many-characters db.example.org"
    result = Result("database", fail(text, f"Use {url}"))
    for printed in (report.line(result, hide=hide), report.as_json([result], version="1", hide=hide)):
        assert "word-1" not in printed
        assert "a-secret-key" not in printed
        assert "db.example.org" in printed


def test_what_is_printed_is_one_line_and_one_for_what_to_do() -> None:
    told = report.line(Result("mail", fail("Two\nlines.", "Do\nthis.")))
    assert told.splitlines()[0].split() == ["fail", "mail", "Two", "lines."]
    assert told.splitlines()[1].strip() == "→ Do this."
    assert len(told.splitlines()) == 2
    assert report.summary([Result("a", ok("1")), Result("b", warn("2", "3"))]) == "1 to be looked at, 1 fine.\n"
    assert {str(state) for state in State} == {"ok", "warn", "fail", "skipped"}
    assert json.loads(report.as_json([], version="1")) == {"version": "1", "exit_code": 0, "checks": []}
