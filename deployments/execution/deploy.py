"""A deploy, from the plan that was shown to the reading that proves it.

Everything is staged and verified on all nodes before anything that runs is touched. Then the nodes are switched
together; each keeps its old unit and brings it back by itself unless the switch is confirmed, and none is confirmed
before all passed the gate. So a deploy that fails leaves every node on the release that it had.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog
from django.utils import timezone

from deployments.core.plan import from_value
from deployments.core.quadlet import UnitError
from deployments.execution import readings
from deployments.execution.deploy_target import DeployTarget
from deployments.execution.errors import Gone, TargetFailed, told
from deployments.execution.node_line import NodeLine
from deployments.execution.secrets import open_credentials, protect_recent
from deployments.execution.targets import service_of
from deployments.models import Release, Service
from ffsweb.operations.contract import Outcome, Target
from ffsweb.operations.errors import Cancelled, Stopped
from ffsweb.operations.states import State
from ffsweb.sealed import CannotOpen

if TYPE_CHECKING:
    from collections.abc import Callable

    from ffsweb.operations.context import Context

logger = structlog.get_logger(__name__)

Results = dict[Target, Exception]
UNTOUCHED = "Nothing that runs was touched."
DECISION = "decide to go back"
"""A step of the deploy as a whole: once it is in the journal, no later attempt goes forward again."""


@told
def deploy(context: Context) -> Outcome:
    """Run one deploy; the kind ``deploy``."""
    try:
        run = Deploy(context)
    except (Gone, CannotOpen, UnitError) as error:
        return _cannot_begin(context, error)
    try:
        return run.run()
    finally:
        run.close()


def _cannot_begin(context: Context, error: Exception) -> Outcome:
    context.log(str(error), stream="error")
    if context.operation.attempt == 1:
        return Outcome(State.FAILED, f"{error} {UNTOUCHED}")
    return Outcome(
        State.NEEDS_HANDS,
        f"{error} An earlier attempt may have switched nodes: each brings its old release back by itself at its "
        "deadline. Read them then.",
    )


class Deploy:
    """One attempt at a deploy. What an earlier attempt did is found on the nodes and in the journal."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.plan = from_value(context.operation.params["plan"])
        rows = Release.objects.select_related("project", "image", "files").prefetch_related("variants")
        self.release = rows.get(project_id=context.operation.project_id, number=self.plan.release)
        # The program from before talks too: until the switch, and again if it comes back.
        protect_recent(context, self.release.project, *(int(row.release.old or 0) for row in self.plan.targets))
        self.lines: dict[int, NodeLine] = {}
        self.targets = {target: self._target(target) for target in context.operation.targets}

    def run(self) -> Outcome:
        """Preflight on all, stage on all, switch on all, gate on all; then confirm, or go back."""
        decided = self.context.done(DECISION)
        try:
            failure = self._go_back("", State.ROLLED_BACK) if decided else self._go_forward()
        except Cancelled:
            self.context.take_cancel()
            failure = self._cancelled()
        return failure or self._prove()

    def close(self) -> None:
        """End the connections."""
        for line in self.lines.values():
            line.close()

    def _target(self, target: Target) -> DeployTarget:
        service = service_of(target)
        planned = next(row for row in self.plan.targets if row.key == target.key)
        credentials = open_credentials(self.context, self.release, service.certificate)
        return DeployTarget(
            self.context,
            target,
            service=service,
            release=self.release,
            planned=planned,
            credentials=credentials,
            node=self.lines.setdefault(service.node_id, NodeLine(self.context, service.node_id)),
        )

    # --- The straight line ---------------------------------------------------------------------------------------

    def _go_forward(self) -> Outcome | None:
        """Up to the confirmation; how it ended if it did not come to that."""
        for phase in (DeployTarget.preflight, DeployTarget.stage):
            failed = self._on_all(phase, one_by_one=True)
            if failed:
                return self._end(State.FAILED, f"{_why(failed)} {UNTOUCHED}")
        for phase in (DeployTarget.switch, DeployTarget.gate):
            failed = self._on_all(phase)
            if failed:
                return self._go_back(_why(failed), State.ROLLED_BACK)
        # Half of the nodes confirmed would be the worst end of all.
        failed = self._to_the_end(DeployTarget.confirm)
        return self._go_back(_why(failed), State.ROLLED_BACK) if failed else None

    def _cancelled(self) -> Outcome | None:
        if not all(run.staged for run in self.targets.values()):
            return self._end(State.CANCELLED, f"It was cancelled. {UNTOUCHED} {self._old_shown('still runs')}")
        self.context.log("It was cancelled when nodes may have been switched: going back.", stream="warning")
        return self._go_back("It was cancelled.", State.CANCELLED)

    def _on_all(self, phase: Callable[[DeployTarget], None], *, one_by_one: bool = False) -> Results:
        """One phase on all targets, side by side (or one by one on each node): what went wrong, by target."""

        def work(target: Target) -> None:
            if one_by_one:
                self._in_turn(phase, self.targets[target])
            else:
                phase(self.targets[target])

        results = self.context.each(self.targets, work)
        failed: Results = {}
        for target, result in results.items():
            if not isinstance(result, Exception):
                continue
            if isinstance(result, Stopped):
                raise result
            if not isinstance(result, TargetFailed):
                # A fault of ours: the nodes that were switched still have to go back.
                logger.error("deploy_target_error", operation=self.context.operation.id, exc_info=result)
            self.context.log(str(result), target=target, stream="error")
            failed[target] = result
        return failed

    def _in_turn(self, phase: Callable[[DeployTarget], None], run: DeployTarget) -> None:
        """A node has one first contact and takes one image at a time, however many of its services are deployed."""
        turn = run.node.turn
        while not turn.acquire(timeout=0.2):
            self.context.checkpoint()
        try:
            phase(run)
        finally:
            turn.release()

    def _to_the_end(self, phase: Callable[[DeployTarget], None]) -> Results:
        """A phase that a cancel does not end any more; each may be repeated."""
        try:
            return self._on_all(phase)
        except Cancelled:
            self.context.take_cancel()
            self.context.log("The cancel comes too late to change anything.", stream="warning")
            return self._on_all(phase)

    # --- The ends ------------------------------------------------------------------------------------------------

    def _go_back(self, why: str, state: State) -> Outcome:
        """Bring the old release back on every node that was switched, and say what is true then."""
        decided = self.context.done(DECISION)
        if decided is None:
            with self.context.step(DECISION) as step:
                step.evidence({"why": why, "state": str(state)})
        else:
            why, state = str(decided["why"]), State(str(decided["state"]))
        self.context.log("Bringing the old releases back on all nodes.", stream="warning")
        self._to_the_end(DeployTarget.go_back)
        self._read_again()
        left = {run.not_back(): run for run in self.targets.values()}
        if set(left) != {""}:
            return self._needs_hands(why, {text: run for text, run in left.items() if text})
        if all(not run.old_release for run in self.targets.values()):
            ended = State.FAILED if state is State.ROLLED_BACK else state
            return self._end(ended, f"{why} The new release was stopped again; nothing ran before it.")
        return self._end(state, f"{why} {self._old_shown('runs again')}")

    def _needs_hands(self, why: str, left: dict[str, DeployTarget]) -> Outcome:
        commands = "; ".join(run.by_hand() for run in left.values())
        return self._end(
            State.NEEDS_HANDS,
            f"{why} Not every node is back on its old release: {'; '.join(left)}. A node that waits for a "
            f"confirmation goes back by itself at its deadline; read it then. By hand, run there: {commands}",
        )

    def _prove(self) -> Outcome:
        """Only what a last reading says counts."""
        lost = self._read_again()
        if lost:
            return self._end(State.UNKNOWN, f"The switch was confirmed, but {_why(lost)} Read the nodes again.")
        for target, run in self.targets.items():
            service = run.service
            proven = run.last is not None and readings.prove_live(
                service,
                run.last,
                release_id=self.release.pk,
                image_id=run.wanted.image_id,
                number=self.release.number,
            )
            if not proven:
                return self._end(
                    State.UNKNOWN, f"The last reading of {target.label} does not show release {self.release.number}."
                )
            Service.objects.filter(pk=service.pk).update(unit_text=run.unit)
            self.context.mark(target, State.SUCCEEDED, f"Release {self.release.number} is live.")
        places = ", ".join(target.label for target in self.targets)
        return Outcome(State.SUCCEEDED, f"Release {self.release.number} is live on {places}.")

    def _read_again(self) -> Results:
        """A last reading of every node, stored; what could not be read, by target."""
        self._to_the_end(DeployTarget.read_last)
        lost: Results = {}
        taken = {run.service.node_id: run.taken for run in self.targets.values()}
        for node_id, found in taken.items():
            readings.store(found or readings.Taken(node_id, timezone.now(), error="It was not read."))
        for target, run in self.targets.items():
            if run.taken is None or run.taken.error:
                lost[target] = TargetFailed(f"{target.label} could not be read at the end.")
        return lost

    def _end(self, state: State, message: str) -> Outcome:
        for target, run in self.targets.items():
            self.context.mark(target, state, run.ended)
        return Outcome(state, message)

    def _old_shown(self, does: str) -> str:
        numbers = sorted({run.old_release for run in self.targets.values()})
        if numbers == [0]:
            return "Nothing ran before it."
        name = f"Release {numbers[0]}" if len(numbers) == 1 else "The release from before"
        return f"{name} {does} on every node." if len(self.targets) > 1 else f"{name} {does}."


def _why(failed: Results) -> str:
    target, error = next(iter(failed.items()))
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{target.label}{more}: {error}"
