"""Work on some nodes: a canary first, then more, and no further after a failure. Those that are away come later."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployments.execution.errors import Offline
from ffsweb.operations.contract import Outcome
from ffsweb.operations.errors import Stopped
from ffsweb.operations.states import State

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target

SHOWN = 10
"""Failures that the message names; the log has all."""


@dataclass(frozen=True, slots=True)
class Work:
    """``one`` does one node and says what is true of it then; ``owe`` remembers one that is away.

    ``all_done`` follows the number of nodes that have it, ``later`` is what those that are away get.
    """

    one: Callable[[Context, Target], str]
    owe: Callable[[Context, Target, Offline], None]
    all_done: str
    later: str


def in_waves(context: Context, work: Work) -> Outcome:
    """Wave by wave, as ``waves`` of the operation's parameters has it; what it does not name comes last."""
    owed: list[Target] = []
    told_of: dict[Target, str] = {}
    left = list(context.operation.targets)
    for wave in _waves(context):
        failed: dict[Target, Exception] = {}
        for target, result in context.each(wave, lambda target: work.one(context, target)).items():
            left.remove(target)
            if isinstance(result, Stopped):
                raise result
            if isinstance(result, Offline):
                work.owe(context, target, result)
                text = f"It is away, and gets {work.later} when it is back. {result}"
                context.log(text, target=target, stream="warning")
                context.mark(target, State.CANCELLED, text)
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
    return _ended(context, work, told_of, owed)


def _waves(context: Context) -> Iterator[list[Target]]:
    left = {target.key: target for target in context.operation.targets}
    for wave in context.operation.params.get("waves", []):
        yield [left.pop(key) for key in wave if key in left]
    yield list(left.values())


def _stopped(context: Context, failed: dict[Target, Exception], left: list[Target]) -> Outcome:
    for target in left:
        context.mark(target, State.CANCELLED, "Not begun, because another node failed.")
    if len(context.operation.targets) == 1:
        return Outcome(State.FAILED, str(next(iter(failed.values()))))
    named = [f"{target.label}: {error}" for target, error in list(failed.items())[:SHOWN]]
    rest = f" {len(left)} nodes were not begun; they go on with the keys that they have." if left else ""
    return Outcome(State.FAILED, f"Stopped. {'; '.join(named)}{rest}")


def _ended(context: Context, work: Work, told_of: dict[Target, str], owed: list[Target]) -> Outcome:
    if not told_of:
        names = ", ".join(target.label for target in owed[:SHOWN])
        text = f"{names} could not be reached. Nothing was begun; {work.later} comes when the node answers again."
        return Outcome(State.FAILED, text)
    if len(context.operation.targets) == 1:
        return Outcome(State.SUCCEEDED, next(iter(told_of.values())))
    away = f" {len(owed)} away: they get it when they are back." if owed else ""
    return Outcome(State.SUCCEEDED, f"{len(told_of)} nodes {work.all_done}{away}")
