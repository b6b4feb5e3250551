"""Runs one operation from claim to end: the straight line that every kind goes through."""

from __future__ import annotations

import contextvars
import time
import traceback
import uuid

import structlog
from django.db import Error as DatabaseError
from django.db import connections
from django.utils import timezone

from ffsweb.web import request_ids

from . import claims, ending, kinds, messages, wakeup
from .context import Context
from .contract import Claim, OperationView, Outcome, Target
from .database import is_away
from .errors import Cancelled, LeaseLost, Parked, UnknownKind
from .journal import Journal
from .lease import LeaseKeeper
from .limits import DATABASE_PARKS, TAKEOVERS
from .models import LogLine, Operation
from .scrub import Scrubber
from .states import State, Stream
from .stopping import SHUTDOWN_REASON, StopSignal, process
from .writer import Writer
from .writes import Finish, Line, Park

logger = structlog.get_logger(__name__)
DATABASE_REASON = "the database could not be asked; it goes on with what is not done yet"


def run(operation_id: int) -> None:
    """Claim the operation and run it until it has ended, is parked, or its lease is lost.

    Does nothing if it cannot be claimed: a second message for the same operation is harmless. Blocks for as long as
    the operation runs. What the kind raises ends up in the operation, not here.
    """
    if process.stopping:
        return
    claimed_at = time.monotonic()
    claim = claims.claim(operation_id, holder=claims.holder_name())
    if claim is not None:
        # What is bound to log lines from here on, nodes included, is gone when the run is.
        contextvars.copy_context().run(_run_named, claim, claimed_at)


def _run_named(claim: Claim, claimed_at: float) -> None:
    operation = Operation.objects.select_related("project").get(pk=claim.operation_id)
    structlog.contextvars.bind_contextvars(
        **{request_ids.NAME: operation.request_id} if operation.request_id else {},
        operation=operation.pk,
        kind=operation.kind,
        attempt=claim.attempt,
    )
    _Run(claim, claimed_at, operation).to_its_end()


class _Run:
    def __init__(self, claim: Claim, claimed_at: float, operation: Operation) -> None:
        self.claim, self.operation = claim, operation
        self.stop = StopSignal()
        self.scrubber = Scrubber()
        self.journal = Journal(claim)
        self.keeper = LeaseKeeper(claim, self.stop, claimed_at=claimed_at, abandon=self._abandon)
        self.writer = Writer(
            self.journal,
            good=self.keeper.good,
            wake=lambda: wakeup.publish(claim.operation_id),
            lost=self.stop.set_lost,
            lines_before=ending.last_number(claim.operation_id),
        )

    def to_its_end(self) -> None:
        log = logger.bind(operation=self.claim.operation_id, kind=self.operation.kind, attempt=self.claim.attempt)
        log.info("operation_begins", fence=str(self.claim.fence))
        self.writer.start()
        self.keeper.start()
        try:
            end = self._run_kind()
            self.keeper.close()
            if end is not None:
                self.writer.commit(end)
                self._go_on_at_once(end)
            log.info("operation_run_ends", end=repr(end) if isinstance(end, Park) else getattr(end, "outcome", None))
        except LeaseLost as error:
            log.warning("operation_run_counts_no_more", reason=str(error))
        finally:
            self.keeper.close()
            self.writer.close()

    def _run_kind(self) -> Finish | Park | None:
        """What the run comes to; None if it counts no more."""
        try:
            self._greet()
            if self.operation.takeovers > TAKEOVERS:
                return self._finish(State.UNKNOWN, _GIVEN_UP.format(self.operation.takeovers))
            outcome = kinds.get(self.operation.kind)(self._context())
            if not isinstance(outcome, Outcome):
                msg = f"the kind {self.operation.kind!r} returned {outcome!r}, which is no outcome"
                raise TypeError(msg)
            return self._finish(outcome.state, outcome.message)
        except LeaseLost:
            return None
        except Parked as parked:
            return Park(self.scrubber.text(parked.reason), parked.seconds, parked.question)
        except Cancelled:
            return self._finish(State.CANCELLED, self._cancelled())
        except UnknownKind as error:
            return self._finish(State.FAILED, f"{error} Nothing was changed.")
        except Exception as error:  # noqa: BLE001 - the one place where what nobody expected becomes a state
            return self._unexpected(error)

    def _asks_again(self, error: Exception) -> bool:
        """Whether the kind's own query failed because the database was away, and not for the umpteenth time.

        It then goes on from the journal, with a new connection, also if it is to clean up after a cancel.
        """
        if not is_away(error):
            return False
        connections.close_all()
        try:
            before = LogLine.objects.filter(operation=self.operation, text=f"Parked: {DATABASE_REASON}.").count()
        except DatabaseError:
            connections.close_all()
            return True  # it is still away: the writer waits for it as long as the lease is good
        return before < DATABASE_PARKS

    def _unexpected(self, error: Exception) -> Finish | Park | None:
        text = self.scrubber.text(str(error)) or type(error).__name__
        log = logger.bind(operation=self.claim.operation_id, kind=self.operation.kind)
        if self.stop.lost:
            log.info("operation_stopped_by", error=text)
            return None
        if self._asks_again(error):
            log.warning("operation_query_failed", error=text)
            return Park(DATABASE_REASON, 0.0)
        if self.stop.shutdown:
            log.info("operation_stopped_by", error=text)
            return Park(SHUTDOWN_REASON, 0.0)
        if self.stop.event.is_set():
            log.info("operation_stopped_by", error=text)
            return self._finish(State.CANCELLED, f"{self._cancelled()} What was under way ended with: {text}")
        number = uuid.uuid4().hex[:8]
        # As text, scrubbed: a structured traceback would carry the values of local variables.
        told = self.scrubber.text("".join(traceback.format_exception(error)))
        log.error("operation_error", error_id=number, traceback=told)
        return self._finish(
            State.FAILED,
            f"Something that ffsweb did not expect went wrong (error {number}): {type(error).__name__}: {text}. The "
            "steps show what was done until then; nothing was done after. The server's log has the details under "
            "this number.",
        )

    def _greet(self) -> None:
        if self.claim.took_over:
            self._line("The worker that ran this vanished. Another one goes on with what is not done yet.")
        elif self.claim.attempt > 1:
            self._line("Goes on with what is not done yet.")

    def _line(self, text: str) -> None:
        self.writer.post(Line(timezone.now(), None, Stream.INFO, text))

    def _context(self) -> Context:
        operation = self.operation
        rows = list(operation.targets.all())
        view = OperationView(
            id=operation.pk,
            kind=operation.kind,
            title=operation.title,
            params=operation.params,
            targets=tuple(Target(row.key, row.label) for row in rows),
            project_id=operation.project_id,
            plan_hash=operation.plan_hash,
            actor_name=operation.actor_name,
            attempt=self.claim.attempt,
            actor_id=operation.actor_id,
        )
        if operation.cancel_requested_at is not None:
            self.stop.set_cancel()
        return Context(
            operation=view,
            fence=self.claim.fence,
            target_ids={row.key: row.pk for row in rows},
            done=self.journal.done_steps(),
            writer=self.writer,
            stop=self.stop,
            scrubber=self.scrubber,
        )

    def _finish(self, state: State, message: str) -> Finish:
        return Finish(Outcome(state, self.scrubber.text(message)))

    def _cancelled(self) -> str:
        by = Operation.objects.values_list("cancel_requested_by", flat=True).get(pk=self.claim.operation_id)
        return f"{by or 'Somebody'} cancelled it. The steps above show what was done before."

    def _go_on_at_once(self, end: Finish | Park) -> None:
        if isinstance(end, Park) and not process.stopping:
            due = Operation.objects.filter(pk=self.claim.operation_id, state=State.PARKED).claimable()
            if due.exists():
                messages.send(self.claim.operation_id)

    def _abandon(self) -> None:
        """The kind did not return in time after the worker began to stop: end its run without it."""
        try:
            self._line(
                "The step under way did not end in time; the next start reads from the node what became of it."
            )
            self.writer.commit(Park(SHUTDOWN_REASON, 0.0))
        except LeaseLost as error:
            logger.warning("operation_not_parked", operation=self.claim.operation_id, reason=str(error))
        else:
            self.stop.set_lost()


_GIVEN_UP = (
    "{} workers ended while they ran this, so it is not tried again. What it did is in the steps above; read the "
    "nodes again to see what is true, and look into the server's log for why the workers ended."
)
