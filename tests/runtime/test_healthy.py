"""``ffs healthy``: what a container's health check says of a supervised process."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from ffsweb.runtime import healthy

NOW = 1_800_000_000.0


def status(state: str, age: float = 1.0) -> str:
    return json.dumps({"version": 1, "at": NOW - age, "state": state, "children": [], "before": None})


def test_a_process_that_beats_is_healthy() -> None:
    assert healthy.trouble_in(status("healthy: ffs"), now=NOW) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (status("ffs: waiting (exited with 1)"), "ffs: waiting (exited with 1)"),
        (status("ffs: waits: broker is away"), "ffs: waits: broker is away"),
        (status("healthy: ffs", age=61), "the status is 61 s old"),
        ("", "the status file is no status file"),
        ("[]", "the status file is no status file"),
        ('{"at": "soon", "state": "healthy"}', "the status file is no status file"),
    ],
)
def test_anything_else_is_not_and_says_why(text: str, said: str) -> None:
    assert healthy.trouble_in(text, now=NOW) == said


def test_the_command_ends_with_what_a_health_check_wants(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert healthy.run([str(tmp_path / "none")]) == 1
    assert "could not be read: No such file" in capsys.readouterr().out
    (tmp_path / "now").write_text(json.dumps({"at": time.time(), "state": "healthy: ffs"}))
    assert healthy.run([str(tmp_path / "now")]) == 0
    assert capsys.readouterr().out == "healthy\n"
    assert healthy.run([]) == 2
