"""A deploy, from the plan that was shown to the reading that proves it.

Everything is staged and verified on all nodes before anything that runs is touched. Then the nodes are switched wave
by wave; in a wave each keeps its old unit and brings it back by itself unless the switch is confirmed, and none is
confirmed before the wave has passed the gate. The next wave begins when a reading has proven this one. What follows a
failure is what the operator chose: all nodes go back, those of earlier waves too; or the failed ones go back alone,
and the rest is held or goes on.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from deployments.core.plan import PlanError, from_value
from deployments.core.quadlet import UnitError
from deployments.core.rollout import ASK, BACK, FAIL, GO, HOLD, ON, OWE, PAUSE, after_failure
from deployments.execution.deploy_ends import UNTOUCHED, Ends
from deployments.execution.deploy_target import DeployTarget
from deployments.execution.errors import Gone, Offline, told
from deployments.execution.secrets import protect_recent
from deployments.execution.target_set import TargetSet, first_reason
from deployments.execution.way_back import go_back
from deployments.models import Release
from ffsweb.operations.contract import Outcome
from ffsweb.operations.errors import Cancelled
from ffsweb.operations.states import State
from ffsweb.sealed import CannotOpen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from deployments.execution.target_set import Results
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target

STOP = "stop"


@told
def deploy(context: Context) -> Outcome:
    """Run one deploy; the kind ``deploy``."""
    try:
        run = Deploy(context)
    except (Gone, CannotOpen, UnitError, PlanError) as error:
        return _cannot_begin(context, error)
    try:
        return run.run()
    finally:
        run.targets.close()


def _cannot_begin(context: Context, error: Exception) -> Outcome:
    context.log(str(error), stream="error")
    if context.operation.attempt == 1:
        return Outcome(State.FAILED, f"{error} {UNTOUCHED}")
    return Outcome(
        State.NEEDS_HANDS,
        f"{error} An earlier attempt may have switched nodes: each that is not confirmed brings its old release back "
        "by itself at its deadline. Read them then.",
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
        self.targets = TargetSet(context, self.plan, self.release)
        self.ends = Ends(context, self.targets, self.release, owes=self.plan.rollout.offline == OWE)

    def run(self) -> Outcome:
        """Preflight on all, stage on all, then wave by wave: switch, gate, confirm. Or back."""
        try:
            ended = self.ends.back_again() if self.ends.going_back else self._forward()
        except Cancelled:
            self.context.take_cancel()
            ended = self._cancelled()
        return ended or self.ends.prove()

    def _forward(self) -> Outcome | None:
        """Up to the last confirmation; how it ended if it did not come to that."""
        ended = self._prepare()
        if ended:
            return ended
        last = len(self.targets.waves)
        for number, wave in enumerate(self.targets.waves, start=1):
            ended = self._wave(number, wave)
            if ended or self._answer(number) == STOP:
                return ended
            if number < last and not self._answer(number):
                ended = self._between(number, last)
                if ended:
                    return ended
        return None

    def _prepare(self) -> Outcome | None:
        failed = self.targets.on(self.targets.taking_part, DeployTarget.preflight, one_by_one=True)
        offline = {target: error for target, error in failed.items() if isinstance(error, Offline)}
        if len(offline) < len(failed) or (offline and self.plan.rollout.offline == FAIL):
            return self.ends.end(State.FAILED, f"{first_reason(failed)} {UNTOUCHED}")
        for target, error in offline.items():
            self.targets[target].leave_out(str(error))
        if not self.targets.taking_part:
            return self.ends.end(State.FAILED, f"None of the nodes could be reached. {UNTOUCHED}")
        failed = self.targets.on(self.targets.taking_part, DeployTarget.stage, one_by_one=True)
        return self.ends.end(State.FAILED, f"{first_reason(failed)} {UNTOUCHED}") if failed else None

    # --- A wave --------------------------------------------------------------------------------------------------

    def _wave(self, number: int, wave: Sequence[Target]) -> Outcome | None:
        members = [target for target in wave if self._begins(target)]
        if not members:
            return self._held(number)
        if len(self.targets.waves) > 1:
            names = ", ".join(target.label for target in members)
            self.context.log(f"Wave {number} of {len(self.targets.waves)}: {names}.")
        patience = max(self.targets[target].needs for target in members)
        for target in members:
            self.targets[target].patience = patience
        failed: Results = {}
        for work in self._phases(last=number == len(self.targets.waves)):
            failed |= work([target for target in members if target not in failed])
            if failed and self._follows(len(failed)) == BACK:
                return self.ends.go_back(first_reason(failed), State.ROLLED_BACK)
        if failed:
            then = self._follows(len(failed))
            for target, error in failed.items():
                self.targets[target].give_up(str(error), number, then)
            self.targets.to_the_end(failed, go_back)
        return self._held(number)

    def _phases(self, *, last: bool) -> tuple[Callable[[Iterable[Target]], Results], ...]:
        """What a wave goes through. Half of it confirmed would be the worst end of all: a cancel waits for that."""
        return (
            partial(self.targets.on, phase=DeployTarget.switch),
            partial(self.targets.on, phase=DeployTarget.gate),
            partial(self.targets.to_the_end, phase=DeployTarget.confirm),
            partial(self.ends.proof.of_wave, last=last),
        )

    def _begins(self, target: Target) -> bool:
        """Whether the target still has to be brought through its wave; what was given up is brought back first."""
        run = self.targets[target]
        if run.given_up and not run.gone_back:
            self.targets.to_the_end((target,), go_back)
        return not (run.left_out or run.given_up or run.proven)

    def _follows(self, now: int) -> str:
        before = sum(bool(run.given_up) for run in self.targets.runs.values())
        return after_failure(self.plan.rollout, before=before, now=now)

    # --- Between waves -------------------------------------------------------------------------------------------

    def _held(self, number: int) -> Outcome | None:
        """Ask what to do, if the wave failed and the policy is to hold."""
        given_up = {target: run.given_up for target, run in self.targets.runs.items() if run.given_up}
        held = [target for target, up in given_up.items() if up["wave"] == number and up["then"] == HOLD]
        if not held:
            return None
        last = number == len(self.targets.waves)
        choices = {BACK: "Roll back all", STOP: "Stop here"} | ({} if last else {ON: "Go on with the next wave"})
        names = ", ".join(target.label for target in held)
        text = f"Wave {number} failed on {names}, which went back. The others run release {self.release.number}."
        if self.context.ask(f"after the failure in wave {number}", text, choices) == BACK:
            return self.ends.go_back(f"Wave {number} failed on {names}.", State.ROLLED_BACK)
        return None

    def _answer(self, number: int) -> str:
        """What somebody decided after the failure in a wave; "" if nobody was asked."""
        return str((self.context.done(f"after the failure in wave {number}") or {}).get("answer", ""))

    def _between(self, number: int, last: int) -> Outcome | None:
        rollout, name = self.plan.rollout, f"after wave {number}"
        if rollout.between == GO:
            return None
        text = f"Wave {number} of {last} runs release {self.release.number}. Go on with wave {number + 1}?"
        choices = {GO: "Go on", BACK: "Roll back all"}
        if rollout.between == PAUSE:
            answer = self.context.ask(name, text, choices, default=GO, seconds=rollout.pause)
        else:
            assert rollout.between == ASK  # noqa: S101 - checked when the plan was made
            answer = self.context.ask(name, text, choices)
        return self.ends.go_back("It was decided to go back.", State.ROLLED_BACK) if answer == BACK else None

    def _cancelled(self) -> Outcome | None:
        if not all(run.staged for run in self.targets.taking_part.values()):
            return self.ends.end(
                State.CANCELLED, f"It was cancelled. {UNTOUCHED} {self.ends.old_shown('still runs')}"
            )
        self.context.log("It was cancelled when nodes may have been switched: going back.", stream="warning")
        return self.ends.go_back("It was cancelled.", State.CANCELLED)
