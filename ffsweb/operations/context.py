"""What a kind of operation is given to run with. Thread-safe: node threads use it as the main one does."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import structlog
from django.db import connections
from django.utils import timezone

from ffsweb.sealed import Secret

from . import linetext
from .contract import FencePair, OperationView, Target
from .database import is_away
from .errors import LeaseLost, Parked
from .limits import POOL_THREADS
from .models import Question
from .scrub import Scrubber
from .states import State, StepState, Stream
from .stopping import StopSignal
from .writer import Writer
from .writes import Ask, Line, Mark, Progress, StepWrite

Result = TypeVar("Result")
PROGRESS_INTERVAL = 0.5


def ends_the_run(error: Exception) -> bool:
    """Whether this is no result of one target: the lease, a stop, or the database, which the runner waits for."""
    return isinstance(error, LeaseLost | Parked) or is_away(error)


class StepRecord:
    """A step under way; what it proves is written when it ends."""

    def __init__(self) -> None:
        self.collected: dict[str, Any] = {}

    def evidence(self, facts: Mapping[str, Any]) -> None:
        """Add ``facts`` (JSON values) to the step's evidence."""
        self.collected.update(facts)


class Context:
    """One run of one operation."""

    def __init__(
        self,
        *,
        operation: OperationView,
        fence: FencePair,
        target_ids: Mapping[str, int],
        done: Mapping[tuple[str, int | None], dict[str, Any]],
        writer: Writer,
        stop: StopSignal,
        scrubber: Scrubber,
    ) -> None:
        self.operation = operation
        self.fence = fence
        self.stop = stop.event
        self._signal = stop
        self._target_ids = target_ids
        self._done = dict(done)
        self._writer = writer
        self._scrubber = scrubber
        self._progress_lock = threading.Lock()
        self._progress_at: dict[int, float] = {}

    # --- Log -----------------------------------------------------------------------------------------------------

    def log(self, text: str, *, target: Target | str | None = None, stream: str = "info") -> None:
        """Add ``text`` to the log, line by line, without protected secrets. Waits only when the database is behind.

        ``stream``: info, warning, error (the dashboard's own words), out, err (a node's). Raises LeaseLost.
        """
        target_id, kind, at = self._id(target), Stream(stream), timezone.now()
        for line in linetext.lines(text):
            scrubbed = self._scrubber.line(line, (target_id, kind))
            for piece in linetext.pieces(scrubbed):
                self._writer.post(Line(at, target_id, kind, piece))

    def protect(self, secret: Secret | str | bytes) -> None:
        """From now on the value occurs in no log line, evidence or message, whatever form it is printed in."""
        self._scrubber.protect(secret)

    # --- Steps ---------------------------------------------------------------------------------------------------

    @contextmanager
    def step(self, name: str, target: Target | str | None = None) -> Iterator[StepRecord]:
        """A step in the journal: the intent is committed before the body runs, the evidence after it.

        If the body raises, the step is written as failed with the error's text. If it ends because the run is to go
        on elsewhere or later, it stays an intent: the next attempt finds it not done. Raises LeaseLost.
        """
        target_id = self._id(target)
        self._writer.commit(StepWrite(name, target_id, StepState.INTENT, timezone.now()))
        record = StepRecord()
        try:
            yield record
        except (LeaseLost, Parked):
            raise
        except Exception as error:
            if not (self._signal.lost or self._signal.shutdown):
                self._end_step(name, target_id, record, StepState.FAILED, str(error) or type(error).__name__)
            raise
        evidence = self._end_step(name, target_id, record, StepState.DONE)
        self._done[name, target_id] = evidence

    def done(self, name: str, target: Target | str | None = None) -> dict[str, Any] | None:
        """The evidence of a step that this or an earlier attempt has done, or None."""
        return self._done.get((name, self._id(target)))

    def _end_step(
        self, name: str, target_id: int | None, record: StepRecord, state: StepState, message: str = ""
    ) -> dict[str, Any]:
        evidence: dict[str, Any] = self._scrubber.value(record.collected)
        text = "\n".join(linetext.lines(self._scrubber.text(message)))
        self._writer.commit(StepWrite(name, target_id, state, timezone.now(), text, evidence))
        return evidence

    # --- Targets -------------------------------------------------------------------------------------------------

    def mark(self, target: Target | str, state: State | str, message: str = "") -> None:
        """Show ``target`` as being in ``state``. Raises LeaseLost."""
        text = self._scrubber.text(linetext.clean(message))
        self._writer.post(Mark(self._required_id(target), State(state), text))

    def progress(self, target: Target | str, done: int, total: int, *, rate: float = 0.0) -> None:
        """Show that ``done`` of ``total`` bytes are through, ``rate`` of them a second of late.

        Cheap: written twice a second, and when all is done.
        """
        target_id, now = self._required_id(target), time.monotonic()
        with self._progress_lock:
            if done < total and now - self._progress_at.get(target_id, -PROGRESS_INTERVAL) < PROGRESS_INTERVAL:
                return
            self._progress_at[target_id] = now
        self._writer.post(Progress(target_id, done, total, int(rate)))

    def each(self, targets: Iterable[Target], work: Callable[[Target], Result]) -> dict[Target, Result | Exception]:
        """``work`` on all targets, at most POOL_THREADS at once: its result or what it raised, by target.

        A target is shown as running from its beginning, and as failed if ``work`` raises. When all have ended and the
        run is to stop, or the database was away, that is raised, whatever the results are.
        """
        chosen = tuple(targets)
        if not chosen:
            return {}

        def one(target: Target) -> Result | Exception:
            try:
                self._signal.check()
                self.mark(target, State.RUNNING)
                return work(target)
            except Exception as error:  # noqa: BLE001 - the result of this target, for the caller to judge
                if not (self._signal.event.is_set() or ends_the_run(error)):
                    self.mark(target, State.FAILED, str(error) or type(error).__name__)
                return error
            finally:
                connections.close_all()

        def named(target: Target) -> Result | Exception:
            structlog.contextvars.bind_contextvars(target=target.key)
            return one(target)

        # Each in a context of its own: what its thread binds to log lines is of this target alone.
        contexts = [contextvars.copy_context() for _ in chosen]
        with ThreadPoolExecutor(min(POOL_THREADS, len(chosen)), f"operation-{self.operation.id}-node") as pool:
            found = pool.map(lambda context, target: context.run(named, target), contexts, chosen)
            results = dict(zip(chosen, found, strict=True))
        self._signal.check()
        for result in results.values():
            if isinstance(result, Exception) and ends_the_run(result):
                raise result
        return results

    # --- Going on or not -----------------------------------------------------------------------------------------

    def checkpoint(self) -> None:
        """A place where the run may end: raises LeaseLost, Parked (the worker stops) or Cancelled."""
        self._signal.check()

    def park(self, reason: str, seconds: float) -> None:
        """Put the operation aside and go on in ``seconds``, from the journal, in whichever worker. Raises Parked."""
        raise Parked(reason, seconds)

    def ask(
        self, name: str, text: str, choices: Mapping[str, str], *, default: str = "", seconds: float | None = None
    ) -> str:
        """What a person answered, of ``choices`` (the answer, and what its button says). Raises Parked until then.

        The operation waits, parked. After ``seconds`` without an answer ``default`` counts; without them it waits for
        as long as it takes. A name is asked once in an operation, however often it is run. Three queries.
        """
        due_at = None if seconds is None else timezone.now() + timedelta(seconds=seconds)
        self._writer.commit(Ask(name, self._scrubber.text(text), dict(choices), default, due_at))
        rows = Question.objects.filter(operation_id=self.operation.id, name=name)
        rows.settle_due()
        asked = rows.get()
        if not asked.answer:
            left = None if asked.due_at is None else (asked.due_at - timezone.now()).total_seconds()
            raise Parked(asked.text.rstrip("."), left, name)
        if self.done(name) is None:
            with self.step(name) as step:
                by, label = asked.answered_by, str(choices.get(asked.answer, asked.answer))
                self.log(f"{by} answered: {label}." if by else f"Nobody answered in time: {label}.")
                step.evidence({"answer": asked.answer, "by": by})
        return asked.answer

    def take_cancel(self) -> None:
        """After Cancelled: clear ``stop``, so that the clean-up can use it. A shutdown still stops the clean-up."""
        self._signal.take_cancel()

    def _id(self, target: Target | str | None) -> int | None:
        return None if target is None else self._required_id(target)

    def _required_id(self, target: Target | str) -> int:
        key = target.key if isinstance(target, Target) else target
        if key not in self._target_ids:
            msg = f"operation {self.operation.id} has no target {key!r}"
            raise ValueError(msg)
        return self._target_ids[key]
