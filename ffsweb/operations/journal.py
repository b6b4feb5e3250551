"""The run's writes, each batch in one transaction that holds only while the claim counts.

The operation's row is locked first and compared with the claim: a run that lost its lease, was parked or has ended
cannot write a single line more, however late it wakes up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from django.db import transaction
from django.db.models import F

from . import claims, ending
from .contract import Claim
from .errors import LeaseLost
from .models import LogLine, Operation, OperationTarget, Question, Step
from .states import State, StepState
from .writes import Ask, Finish, Line, Mark, Park, Progress, StepWrite, Write


class Journal:
    """The journal of one claim. Used by one thread. Nothing it writes is done twice by a second ``write``."""

    def __init__(self, claim: Claim) -> None:
        self.claim = claim
        self._next: int | None = None

    def write(self, batch: Sequence[Write]) -> None:
        """Commit ``batch``, in its order. Raises LeaseLost if the claim counts no more, and database errors.

        After a database error the same batch may be written again: its lines keep their numbers, and what the lost
        connection had committed after all is not written twice.
        """
        lines = [item for item in batch if isinstance(item, Line)]
        ends = next((item for item in batch if isinstance(item, Park | Finish)), None)
        with transaction.atomic():
            operation = claims.lock(self.claim)
            if operation is None:
                if ends is not None and self._ended_here(ends):
                    return
                raise LeaseLost
            self._write_lines(lines)
            others = [item for item in batch if not isinstance(item, Line)]
            for item in others:
                self._writers[type(item)](self, operation, item)
            if ends is None and others:
                Operation.objects.filter(pk=operation.pk).update(revision=F("revision") + 1)

    def done_steps(self) -> dict[tuple[str, int | None], dict[str, Any]]:
        """Evidence of the steps done by this or earlier attempts, by name and target. One query."""
        rows = Step.objects.filter(operation_id=self.claim.operation_id, state=StepState.DONE).order_by("pk")
        return {(row.name, row.target_id): row.evidence for row in rows}

    def _ended_here(self, ends: Park | Finish) -> bool:
        """Whether an earlier, unanswered write of this very batch had been committed."""
        row = Operation.objects.filter(
            pk=self.claim.operation_id,
            fence_epoch=self.claim.fence.epoch,
            fence_counter=self.claim.fence.counter,
        ).first()
        wanted = ends.outcome.state if isinstance(ends, Finish) else "parked"
        return row is not None and row.state == wanted

    def _write_lines(self, lines: list[Line]) -> None:
        if not lines:
            return
        last = ending.last_number(self.claim.operation_id)
        if self._next is None:
            self._next = last + 1
        for line in lines:
            if line.number == 0:
                line.number = self._next
                self._next += 1
        LogLine.objects.bulk_create(
            LogLine(
                operation_id=self.claim.operation_id,
                number=line.number,
                at=line.at,
                target_id=line.target_id,
                stream=line.stream,
                text=line.text,
            )
            for line in lines
            if line.number > last
        )

    def _write_step(self, operation: Operation, step: StepWrite) -> None:
        key: dict[str, Any] = {
            "operation": operation,
            "target_id": step.target_id,
            "name": step.name,
            "attempt": self.claim.attempt,
        }
        values: dict[str, Any] = {"state": step.state, "message": step.message, "evidence": step.evidence}
        if step.state is StepState.INTENT:
            Step.objects.update_or_create(**key, defaults={**values, "started_at": step.at, "finished_at": None})
            if step.target_id is not None:
                self._begin_target(operation, step.target_id)
        else:
            Step.objects.filter(**key).update(**values, finished_at=step.at)

    def _write_mark(self, operation: Operation, mark: Mark) -> None:
        OperationTarget.objects.filter(pk=mark.target_id, operation=operation).update(
            state=mark.state, message=mark.message
        )

    def _begin_target(self, operation: Operation, target_id: int) -> None:
        """What something is done to has begun, whether or not its kind marked it."""
        OperationTarget.objects.filter(pk=target_id, operation=operation, state=State.QUEUED).update(
            state=State.RUNNING
        )

    def _write_progress(self, operation: Operation, progress: Progress) -> None:
        self._begin_target(operation, progress.target_id)
        OperationTarget.objects.filter(pk=progress.target_id, operation=operation).update(
            bytes_done=progress.done, bytes_total=progress.total, bytes_rate=progress.rate
        )

    def _write_park(self, operation: Operation, park: Park) -> None:
        ending.park(operation, reason=park.reason, seconds=park.seconds, question=park.question)

    def _write_ask(self, operation: Operation, ask: Ask) -> None:
        question, is_new = Question.objects.get_or_create(
            operation=operation,
            name=ask.name,
            defaults={"text": ask.text, "choices": ask.choices, "default": ask.default, "due_at": ask.due_at},
        )
        for hook in ending.ask_hooks if is_new else ():
            hook(operation, question)

    def _write_finish(self, operation: Operation, finish: Finish) -> None:
        ending.finish(operation, finish.outcome)

    _writers: dict[type, Callable[[Journal, Operation, Any], None]] = {
        StepWrite: _write_step,
        Mark: _write_mark,
        Progress: _write_progress,
        Ask: _write_ask,
        Park: _write_park,
        Finish: _write_finish,
    }
