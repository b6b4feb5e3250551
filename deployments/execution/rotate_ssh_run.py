"""A rotation of the dashboard's keys on some nodes: a canary first, then more, and no further after a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployments.execution.errors import Offline, told
from deployments.execution.rotate_ssh import rotate_node
from deployments.execution.targets import node_of
from deployments.models.dashboard_key import owe_rotation
from ffsweb.operations.contract import Outcome
from ffsweb.operations.errors import Stopped
from ffsweb.operations.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target

KIND = "rotate-ssh"
SHOWN = 10
"""Failures that the message names; the log has all."""


@told
def rotate(context: Context) -> Outcome:
    """Wave by wave; those that are away are owed it, and are caught up with when they are back."""
    owed: list[Target] = []
    told_of: dict[Target, str] = {}
    left = list(context.operation.targets)
    for wave in _waves(context):
        failed: dict[Target, Exception] = {}
        for target, result in context.each(wave, lambda target: rotate_node(context, target)).items():
            left.remove(target)
            if isinstance(result, Stopped):
                raise result
            if isinstance(result, Offline):
                _owe(context, target, result)
                owed.append(target)
            elif isinstance(result, Exception):
                context.log(str(result), target=target, stream="error")
                failed[target] = result
            else:
                context.log(result, target=target)
                context.mark(target, State.SUCCEEDED, result)
                told_of[target] = result
        if failed:
            return _stopped(context, failed, left)
    return _ended(context, told_of, owed)


def _waves(context: Context) -> Iterator[list[Target]]:
    """As the request has put them; what it does not name comes last."""
    left = {target.key: target for target in context.operation.targets}
    for wave in context.operation.params.get("waves", []):
        yield [left.pop(key) for key in wave if key in left]
    yield list(left.values())


def _owe(context: Context, target: Target, why: Offline) -> None:
    owe_rotation(node_of(target), operation=context.operation, problem=str(why))
    text = f"It is away, and gets its new key when it is back. {why}"
    context.log(text, target=target, stream="warning")
    context.mark(target, State.CANCELLED, text)


def _stopped(context: Context, failed: dict[Target, Exception], left: list[Target]) -> Outcome:
    for target in left:
        context.mark(target, State.CANCELLED, "Not begun, because another node failed.")
    if len(context.operation.targets) == 1:
        return Outcome(State.FAILED, str(next(iter(failed.values()))))
    named = [f"{target.label}: {error}" for target, error in list(failed.items())[:SHOWN]]
    rest = f" {len(left)} nodes were not begun; they go on with the keys that they have." if left else ""
    return Outcome(State.FAILED, f"Stopped. {'; '.join(named)}{rest}")


def _ended(context: Context, told_of: dict[Target, str], owed: list[Target]) -> Outcome:
    away = f"{len(owed)} away: they get it when they are back." if owed else ""
    if not told_of:
        names = ", ".join(target.label for target in owed[:SHOWN])
        text = f"{names} could not be reached. Nothing was begun; the new key comes when the node answers again."
        return Outcome(State.FAILED, text)
    if len(context.operation.targets) == 1:
        return Outcome(State.SUCCEEDED, next(iter(told_of.values())))
    return Outcome(State.SUCCEEDED, f"{len(told_of)} nodes have a new key, and take no old one. {away}".strip())
