"""Which supervision mode fits an image."""

from __future__ import annotations

from dataclasses import replace

import pytest

from deployments.core.quadlet import Mode
from deployments.core.supervision import LABEL, ImageTraits, Interpreter, detect, interpreter_among, unfit

PYTHON = Interpreter("/usr/bin/python3.11", (3, 11))
PLAIN = ImageTraits(health_check=False, labels={}, interpreter=None, command=("/app",))


@pytest.mark.parametrize(
    ("traits", "mode"),
    [
        (PLAIN, Mode.NONE),
        (replace(PLAIN, health_check=True), Mode.HEALTH),
        (replace(PLAIN, interpreter=PYTHON), Mode.SUPERVISOR),
        (replace(PLAIN, interpreter=PYTHON, health_check=True), Mode.SUPERVISOR),
        (replace(PLAIN, interpreter=Interpreter("/usr/bin/python3.8", (3, 8))), Mode.NONE),
        (replace(PLAIN, interpreter=PYTHON, command=()), Mode.NONE),
        (replace(PLAIN, interpreter=PYTHON, labels={LABEL: "own"}), Mode.OWN),
        (replace(PLAIN, interpreter=PYTHON, labels={LABEL: "none"}), Mode.NONE),
        (replace(PLAIN, labels={LABEL: "health"}), Mode.NONE),
        (replace(PLAIN, labels={LABEL: "supervisor"}, health_check=True), Mode.HEALTH),
        (replace(PLAIN, labels={LABEL: "nonsense"}, interpreter=PYTHON), Mode.SUPERVISOR),
    ],
)
def test_the_best_mode_that_the_image_allows_is_chosen(traits: ImageTraits, mode: Mode) -> None:
    found = detect(traits)
    assert found.mode is mode
    assert found.reason.endswith(".")
    assert unfit(mode, traits) is None


@pytest.mark.parametrize(
    ("command", "mode"),
    [
        ("python3 /app/supervisor.py --sd-notify -- ./app", Mode.OWN),
        ("/usr/bin/python3 -I -S supervisor.py --sd-notify --interval 5 --grace 2 -- ./app", Mode.OWN),
        ("/srv/.venv/bin/ffs supervise --sd-notify -- ./app", Mode.OWN),
        ("python3 /app/supervisor.py --watchdog -- ./app", Mode.SUPERVISOR),
        ("python3 /app/supervisor.py -- ./app --sd-notify", Mode.SUPERVISOR),
        ("./app -- supervisor.py --sd-notify", Mode.SUPERVISOR),
        ("./supervisor.pyc --sd-notify", Mode.SUPERVISOR),
        ("./app --sd-notify", Mode.SUPERVISOR),
    ],
)
def test_an_image_that_runs_our_supervisor_itself_gets_no_second_one(command: str, mode: Mode) -> None:
    words = tuple(command.split())
    for form in (words, ("/bin/sh", "-c", f"exec {command}")):
        traits = replace(PLAIN, interpreter=PYTHON, command=form, health_check=True)
        assert detect(traits).mode is mode, form
    said = replace(PLAIN, interpreter=PYTHON, command=words, labels={LABEL: "none"})
    assert detect(said).mode is Mode.NONE


def test_a_label_that_cannot_be_followed_is_mentioned() -> None:
    assert "says health, but" in detect(replace(PLAIN, labels={LABEL: "health"})).reason
    assert "no mode" in detect(replace(PLAIN, labels={LABEL: "x" * 1000})).reason


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        ([], None),
        (["usr/bin/python3"], None),
        (["usr/bin/python3.11"], None),
        (["usr/bin/python3.11", "usr/lib/python3.11/os.py"], Interpreter("/usr/bin/python3.11", (3, 11))),
        (
            ["/usr/local/bin/python3.9", "/usr/local/lib/python3.9/os.py"],
            Interpreter("/usr/local/bin/python3.9", (3, 9)),
        ),
        (
            ["usr/bin/python3.9", "usr/lib/python3.9/os.py", "usr/bin/python3.12", "usr/lib64/python3.12/os.pyc"],
            Interpreter("/usr/bin/python3.12", (3, 12)),
        ),
        (["srv/usr/bin/python3.11", "usr/lib/python3.11/os.py"], None),
        (["usr/bin/python3.11-config", "usr/lib/python3.11/os.py"], None),
        (["../usr/bin/python3.11", "usr/lib/python3.11/os.py"], None),
    ],
)
def test_a_python_counts_only_with_its_library(paths: list[str], found: Interpreter | None) -> None:
    assert interpreter_among(paths) == found
