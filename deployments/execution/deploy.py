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
from deployments.execution import readings
from deployments.execution.deploy_target import DeployTarget, TargetFailed
from deployments.execution.secrets import open_credentials
from deployments.execution.targets import service_of
from deployments.models import Release, Service
from ffsweb.operations.contract import Outcome, Target
from ffsweb.operations.errors import Cancelled, Stopped
from ffsweb.operations.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from ffsweb.operations.context import Context

logger = structlog.get_logger(__name__)

Results = dict[Target, Exception]


def deploy(context: Context) -> Outcome:
    """Run one deploy; the kind ``deploy``."""
    run = Deploy(context)
    try:
        return run.run()
    finally:
        run.close()


class Deploy:
    """One attempt at a deploy. What an earlier attempt did is found on the nodes and in the journal."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.plan = from_value(context.operation.params["plan"])
        rows = Release.objects.select_related("project", "image", "files")
        self.release = rows.get(project_id=context.operation.project_id, number=self.plan.release)
        self.targets = {target: self._target(target) for target in context.operation.targets}

    def run(self) -> Outcome:
        """Preflight on all, stage on all, switch on all, gate on all; then confirm, or go back."""
        for phase in (DeployTarget.preflight, DeployTarget.stage):
            failed = self._on_all(phase)
            if failed:
                return self._end(State.FAILED, f"{_why(failed)} Nothing that runs was touched.")
        try:
            for phase in (DeployTarget.switch, DeployTarget.gate, DeployTarget.confirm):
                failed = self._on_all(phase)
                if failed:
                    return self._go_back(_why(failed), State.ROLLED_BACK)
        except Cancelled:
            self.context.take_cancel()
            self.context.log("It was cancelled while the nodes were switched: going back.", stream="warning")
            return self._go_back("It was cancelled.", State.CANCELLED)
        return self._prove()

    def close(self) -> None:
        """End the connections."""
        for target in self.targets.values():
            target.close()

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
        )

    def _on_all(self, phase: Callable[[DeployTarget], None]) -> Results:
        """One phase on all targets, side by side: what went wrong, by target."""
        results = self.context.each(self.targets, lambda target: phase(self.targets[target]))
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

    def _go_back(self, why: str, state: State) -> Outcome:
        """Bring the old release back on every node that was switched, and say what is true then."""
        self.context.log("Bringing the old releases back on all nodes.", stream="warning")
        failed = self._on_all(DeployTarget.go_back)
        lost = self._read_again()
        if failed or lost:
            left = ", ".join(target.label for target in {**failed, **lost})
            commands = "; ".join(self.targets[target].by_hand() for target in {**failed, **lost})
            return self._end(
                State.NEEDS_HANDS,
                f"{why} The old release could not be proven to run again on {left}. Each node brings it back by "
                f"itself at its deadline. To do it by hand, run there: {commands}",
            )
        first = all(not run.old_release for run in self.targets.values())
        if first:
            ended = State.FAILED if state is State.ROLLED_BACK else state
            return self._end(ended, f"{why} The new release was stopped again; nothing ran before it.")
        return self._end(state, f"{why} {self._old_shown()} runs again on every node.")

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
                image_id=self.release.image.image_id,
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
        self._on_all(DeployTarget.read_last)
        lost: Results = {}
        for target, run in self.targets.items():
            readings.store(run.taken or readings.Taken(run.service.node_id, timezone.now(), error="It was not read."))
            if run.taken is None or run.taken.error:
                lost[target] = TargetFailed(f"{target.label} could not be read at the end.")
        return lost

    def _end(self, state: State, message: str) -> Outcome:
        for target, run in self.targets.items():
            self.context.mark(target, state, run.ended)
        return Outcome(state, message)

    def _old_shown(self) -> str:
        numbers = sorted({run.old_release for run in self.targets.values() if run.old_release})
        return f"Release {numbers[0]}" if len(numbers) == 1 else "The release from before"


def _why(failed: Results) -> str:
    target, error = next(iter(failed.items()))
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{target.label}{more}: {error}"
