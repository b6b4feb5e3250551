"""A deploy up to the end of its image step, by the product's own code: connect, read the node, send what it lacks.

It is an operation of a kind of its own, with the targets and the plan of a deploy. What follows the image is done too
and not timed; nothing is switched. Django has to be set up before this is imported.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from deployments.execution import stage
from deployments.execution.deploy import Deploy
from ffsweb.operations import kinds
from ffsweb.operations.contract import Outcome
from ffsweb.operations.states import State

if TYPE_CHECKING:
    from deployments.execution.deploy_target import DeployTarget
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target

KIND: Final = "bench-stage"
_marks: dict[str, dict[str, float]] = {}
_lock = threading.Lock()
_at_image_end: list[Callable[[], None]] = []


def install() -> None:
    """Make the kind known, and note when the image step begins and ends. Once in a process."""
    kinds.register(KIND, run)
    image, files = stage.stage_image, stage.stage_files  # type: ignore[attr-defined]

    def noted_image(target: DeployTarget, *rest: Any, **more: Any) -> Any:
        mark(target.target.key, "image begins")
        return image(target, *rest, **more)

    def noted_files(target: DeployTarget, *rest: Any, **more: Any) -> Any:
        mark(target.target.key, "image ends")
        for call in _at_image_end:
            call()
        return files(target, *rest, **more)

    stage.stage_image = noted_image  # type: ignore[assignment, attr-defined]
    stage.stage_files = noted_files  # type: ignore[assignment, attr-defined]


def at_image_end(call: Callable[[], None]) -> None:
    """Have ``call`` called at the end of each image step."""
    _at_image_end[:] = [call]


def mark(key: str, name: str) -> None:
    """Note the time under a target's key."""
    with _lock:
        _marks.setdefault(key, {})[name] = time.monotonic()


def marks() -> dict[str, dict[str, float]]:
    """What was noted since the last call, by target's key."""
    with _lock:
        taken = {key: dict(noted) for key, noted in _marks.items()}
        _marks.clear()
    return taken


def run(context: Context) -> Outcome:
    """Every target of a deploy, side by side as in a deploy."""
    deploy = Deploy(context)

    def one(target: Target) -> None:
        run_of_target = deploy.targets[target]
        mark(target.key, "begins")
        run_of_target.program()  # connects
        mark(target.key, "connected")
        run_of_target.stage()

    try:
        results = context.each(deploy.targets, one)
    finally:
        deploy.targets.close()
    failed = {target: result for target, result in results.items() if isinstance(result, Exception)}
    for target, error in failed.items():
        context.log(str(error), target=target, stream="error")
    if failed:
        return Outcome(State.FAILED, f"{len(failed)} of {len(results)} failed: {next(iter(failed.values()))}")
    return Outcome(State.SUCCEEDED, f"{len(results)} staged.")
