"""One way over one link: a fresh node, then every version in order, and the last one once more."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING, Final

from benchmarks.push import recipe
from benchmarks.push.competitors import WAYS
from benchmarks.push.receiver import Receiver
from benchmarks.push.results import Row
from tests.lab.run import LabError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from benchmarks.push.link import Link
    from benchmarks.push.sender import Sender
    from benchmarks.push.versions import Built
    from tests.lab import Lab

PATIENCE: Final = 1800.0
SETTLE: Final = 0.3  # seconds for the last acknowledgements to be counted with the command that they belong to


def changes(versions: tuple[Built, ...]) -> Iterator[tuple[str, Built]]:
    """What is pushed, in order: each version under its change's name, then the last one again."""
    for built in versions:
        yield built.version.title, built
    yield recipe.AGAIN, versions[-1]


def competitor(
    lab: Lab, link: Link, way: str, versions: tuple[Built, ...], *, sender: Sender, directory: Path, name: str
) -> Iterator[Row]:
    """The rows of one way of ``WAYS``, as they are measured. A way that fails is not tried any further."""
    with Receiver(lab, name, link, directory / name) as receiver:
        for change, built in changes(versions):
            row = _one(sender, receiver, way, change, built)
            yield row
            if row.error:
                return


def _one(sender: Sender, receiver: Receiver, way: str, change: str, built: Built) -> Row:
    link = receiver.cable.link.name
    began = time.monotonic()
    try:
        line = WAYS[way](sender, receiver, built)
    except LabError as error:
        return Row(link, way, change, error=str(error)[-300:])
    prepared = time.monotonic() - began
    os.sync()
    before, began = receiver.cable.count(), time.monotonic()
    try:
        done = subprocess.run(
            ("bash", "-o", "pipefail", "-c", line),
            env=sender.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Row(link, way, change, error=f"not within {PATIENCE:.0f} s")
    seconds = time.monotonic() - began
    time.sleep(SETTLE)
    counted = receiver.cable.count() - before
    if done.returncode != 0 or not receiver.holds(built.image_id):
        said = (done.stderr or done.stdout).decode(errors="replace").strip()[-300:]
        return Row(link, way, change, error=f"status {done.returncode}: {said or 'the image is not on the node'}")
    return Row(
        link,
        way,
        change,
        seconds,
        counted.to_node,
        counted.from_node,
        prepared,
        shaped=receiver.cable.shaped,
    )
