"""How a deploy ends: proven, partly, untouched, gone back, or in need of hands. The last reading decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployments.execution import readings
from deployments.execution.deploy_proof import Proof
from deployments.execution.looking import look_again, look_now
from deployments.execution.target_set import first_reason
from deployments.execution.way_back import by_hand, go_back, not_back
from deployments.models import Release, Service
from deployments.models.desired import image_of
from deployments.models.owed import owe
from ffsweb.operations.contract import Outcome
from ffsweb.operations.states import State

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deployments.execution.deploy_target import DeployTarget
    from deployments.execution.target_set import TargetSet
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target

LOOK_SECONDS = 20.0
"""For a last look, from the dashboard and from the nodes, at what rotated services serve."""
UNTOUCHED = "Nothing that runs was touched."
DECISION = "decide to go back"
"""A step of the deploy as a whole: once it is in the journal, no later attempt goes forward again."""


class Ends:
    """The ends of one deploy."""

    def __init__(self, context: Context, targets: TargetSet, release: Release, *, owes: bool) -> None:
        self.context, self.targets, self.release, self.owes = context, targets, release, owes
        self.proof = Proof(context, targets, release)

    # --- Back ----------------------------------------------------------------------------------------------------

    @property
    def going_back(self) -> bool:
        """Whether this or an earlier attempt decided to bring the old releases back on all nodes."""
        return self.context.done(DECISION) is not None

    def go_back(self, why: str, state: State) -> Outcome:
        """Decide to bring the old release back on every node that was switched, and do it."""
        with self.context.step(DECISION) as step:
            step.evidence({"why": why, "state": str(state)})
        return self.back_again()

    def back_again(self) -> Outcome:
        """Do what was decided: wave by wave in reverse, and say what is true then."""
        decided = self.context.done(DECISION) or {}
        why, state = str(decided["why"]), State(str(decided["state"]))
        self.context.log("Bringing the old releases back on all nodes.", stream="warning")
        for wave in reversed(self.targets.waves):
            self.targets.to_the_end([target for target in wave if not self.targets[target].left_out], go_back)
        taking_part = self.targets.taking_part
        self.targets.read(taking_part)
        left = {text: run for run in taking_part.values() if (text := not_back(run))}
        self._agree(run for run in taking_part.values() if run.ended)
        if left:
            return self._needs_hands(why, left)
        if all(not run.old_release for run in taking_part.values()):
            ended = State.FAILED if state is State.ROLLED_BACK else state
            return self.end(ended, f"{why} The new release was stopped again; nothing ran before it.")
        return self.end(state, f"{why} {self.old_shown('runs again')}")

    def _needs_hands(self, why: str, left: dict[str, DeployTarget]) -> Outcome:
        commands = "; ".join(f"on {run.service.node.name}: {by_hand(run)}" for run in left.values())
        return self.end(
            State.NEEDS_HANDS,
            f"{why} Not every node is back on its old release: {'; '.join(left)}. A node that waits for a "
            f"confirmation goes back by itself at its deadline; read it then. By hand, run {commands}",
        )

    def _agree(self, back: Iterable[DeployTarget]) -> None:
        """Let the rows of services that an earlier wave had proven on the new release say the old one again."""
        runs = list(back)
        rows = Release.objects.filter(
            project_id=self.release.project_id, number__in={run.old_release for run in runs}
        ).select_related("image")
        releases = {row.number: row for row in rows}
        for run in runs:
            old = releases.get(run.old_release)
            if old is None:
                Service.objects.filter(pk=run.service.pk).update(live_release=None)
            elif run.last is not None:
                image = image_of(old, run.last)
                readings.prove_live(
                    run.service, run.last, release_id=old.pk, image_id=image.image_id, number=old.number
                )

    # --- Forward -------------------------------------------------------------------------------------------------

    def prove(self) -> Outcome:
        """Only what a last reading says counts."""
        lost = self.proof.read_all()
        if lost:
            return self.end(
                State.UNKNOWN, f"The switch was confirmed, but {first_reason(lost)} Read the nodes again."
            )
        live, failed = [], {}
        for target, run in self.targets.taking_part.items():
            if run.given_up or not run.confirmed:
                failed[target] = self._given_up(target, run)
            elif not self.proof.shown_by(run):
                return self.end(State.UNKNOWN, f"The last reading of {target.label} does not show {self.proof.what}.")
            else:
                self.proof.keep(target)
                look_again(run.service)
                live.append(target.label)
        if self.targets.rotation and self.targets.rotation.handshake:
            look_now((run.service.pk for run in self.targets.taking_part.values()), seconds=LOOK_SECONDS)
        return self._told(live, failed)

    def _told(self, live: list[str], failed: dict[Target, str]) -> Outcome:
        left_out = {target.label: run for target, run in self.targets.runs.items() if run.left_out}
        later = " They catch up when they are back." if self.owes else ""
        beside = f" Left out, because they could not be reached: {', '.join(left_out)}.{later}" if left_out else ""
        for run in left_out.values() if self.owes else ():
            owe(run.service, self.release, operation=self.context.operation)
        if not failed:
            return Outcome(State.SUCCEEDED, f"{self.proof.news} on {', '.join(live)}.{beside}")
        shown = " ".join(f"{target.label}: {text}" for target, text in failed.items())
        hands = any(not_back(self.targets[target]) for target in failed if self.targets[target].given_up)
        state = State.NEEDS_HANDS if hands else State.FAILED
        return Outcome(
            state, f"{self.proof.news} on {len(live)} of {len(live) + len(failed)} services. {shown}{beside}"
        )

    def _given_up(self, target: Target, run: DeployTarget) -> str:
        """What is true of a service that has not got the release; marks it."""
        if not run.given_up:
            self.context.mark(target, State.CANCELLED, "Not begun.")
            return "it was not begun."
        left = not_back(run)
        text = f"{left}. By hand: {by_hand(run)}" if left else run.ended
        self.context.mark(target, State.NEEDS_HANDS if left else State.ROLLED_BACK, f"{run.given_up['why']} {text}")
        return text

    # --- Words ---------------------------------------------------------------------------------------------------

    def end(self, state: State, message: str) -> Outcome:
        """The end ``state`` for all targets that were not left out."""
        for target, run in self.targets.taking_part.items():
            self.context.mark(target, state, run.ended)
        return Outcome(state, message)

    def old_shown(self, does: str) -> str:
        """Which release from before ``does`` (runs again, still runs)."""
        numbers = sorted({run.old_release for run in self.targets.taking_part.values()})
        if numbers == [0]:
            return "Nothing ran before it."
        if self.targets.rotation:
            again = "in place again" if does == "runs again" else "still in place"
            return f"The certificate from before is {again}."
        name = f"Release {numbers[0]}" if len(numbers) == 1 else "The release from before"
        return f"{name} {does} on every node." if len(self.targets.runs) > 1 else f"{name} {does}."
