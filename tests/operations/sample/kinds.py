"""Kinds of operations for tests with real worker processes."""

from __future__ import annotations

import time
from pathlib import Path

from ffsweb.operations.context import Context
from ffsweb.operations.errors import Cancelled
from ffsweb.operations.kinds import Outcome


def _did(context: Context, what: str) -> None:
    """Leave a mark outside of the database: what the operation did to the world."""
    with Path(context.operation.params["world"]).open("a") as world:
        world.write(what + "\n")


def count(context: Context) -> Outcome:
    """Writes ``lines`` lines in ``steps`` steps, each of which acts on the world once."""
    lines, steps = context.operation.params["lines"], context.operation.params["steps"]
    for number in range(steps):
        name = f"step {number}"
        if context.done(name) is not None:
            continue
        with context.step(name) as step:
            for line in range(lines // steps):
                context.log(f"{name}: {line}", stream="out")
                context.checkpoint()
            _did(context, name)
            step.evidence({"lines": lines // steps})
        context.stop.wait(context.operation.params.get("pause", 0.0))
        context.checkpoint()
    return Outcome("succeeded", "Counted.")


def wait(context: Context) -> Outcome:
    """Waits for somebody to stop it; cleans up after a cancel."""
    context.log("waiting")
    try:
        with context.step("wait"):
            _did(context, "began")
            context.stop.wait(60)
            context.checkpoint()
    except Cancelled:
        context.take_cancel()
        with context.step("clean up"):
            _did(context, "cleaned up")
        return Outcome("cancelled", "Cancelled; the node is as it was.")
    return Outcome("succeeded", "Nobody stopped it.")


def deaf(context: Context) -> Outcome:
    """Does not look at ``stop`` at all."""
    with context.step("deaf"):
        _did(context, "began")
        time.sleep(context.operation.params["seconds"])
    return Outcome("succeeded", "Not to be reached when the worker stops.")
