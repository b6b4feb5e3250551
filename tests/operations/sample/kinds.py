"""Kinds of operations for tests with real worker processes."""

from __future__ import annotations

import fcntl
import os
import signal
import time
from pathlib import Path

from ffsweb.operations.context import Context
from ffsweb.operations.errors import Cancelled, LeaseLost
from ffsweb.operations.kinds import Outcome
from ffsweb.operations.models import Operation


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


def commands(context: Context) -> Outcome:
    """Sends commands to a node until it is refused or has sent ``count``, and never looks whether it may."""
    for number in range(context.operation.params["count"]):
        answer = _ask_node(context, f"{context.operation.attempt}: {number}")
        try:
            context.log(f"attempt {context.operation.attempt}, command {number}: {answer}")
        except LeaseLost:
            pass  # deaf on purpose: the node and the journal are what stops it
        if answer == "stale":
            _ask_node(context, "again")
            break
        time.sleep(0.05)
    return Outcome("succeeded", f"Attempt {context.operation.attempt} sent its commands.")


def _ask_node(context: Context, command: str) -> str:
    """A node in a file: does what the highest fence that it saw asks for, as ffs-node does (check_fence)."""
    with Path(context.operation.params["world"]).open("a+") as node:
        fcntl.flock(node, fcntl.LOCK_EX)
        node.seek(0)
        seen = [tuple(map(int, line.split()[1].split("."))) for line in node if line.startswith("did")]
        stale = tuple(context.fence) < max(seen, default=(0, 0))
        node.write(f"{'refused' if stale else 'did'} {context.fence} {command}\n")
    return "stale" if stale else "done"


def kills(context: Context) -> Outcome:
    """Takes its worker with it."""
    with context.step("kill"):
        _did(context, f"attempt {context.operation.attempt}")
        os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("dead")


def queries(context: Context) -> Outcome:
    """Reads and writes rows of its own in every step, as deploys do, with the connection that Django keeps."""
    for number in range(context.operation.params["steps"]):
        name = f"step {number}"
        if context.done(name) is not None:
            continue
        with context.step(name):
            context.log(name)
            assert Operation.objects.filter(pk=context.operation.id).update(plan_hash=str(number)) == 1
            _did(context, name)
        context.stop.wait(0.2)
        context.checkpoint()
    return Outcome("succeeded", "Queried.")
