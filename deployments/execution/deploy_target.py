"""One service of a deploy: what is done on its node, phase by phase. Runs in a thread of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.utils import timezone

from deployments.core import node_commands
from deployments.core.gates import FAILED
from deployments.core.node_events import NOT_CONFIRMED, Refused
from deployments.core.plan import Held, effect_hash, make_plan
from deployments.core.plan import Plan as PlanValue
from deployments.execution import readings, stage
from deployments.execution.conversation import Conversation
from deployments.execution.errors import Gone, TargetFailed
from deployments.execution.probing import gate_spec
from deployments.execution.small import contact
from deployments.execution.watch import show_journal, watch
from deployments.models.desired import desired, running_files

if TYPE_CHECKING:
    from deployments.core.facts import NodeFacts
    from deployments.core.plan import TargetPlan
    from deployments.execution.node_line import NodeLine
    from deployments.execution.node_program import NodeProgram
    from deployments.models import Release, Service
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target
    from ffsweb.sealed import Secret

CONFIRM_MARGIN = 90
"""Seconds that a node waits for the confirmation beyond start timeout and settle window."""
INSIST = 30.0
"""Seconds for which a node that is lost is asked again, beyond the time that the work itself may take."""


class DeployTarget:
    """``preflight``, ``stage``, ``switch``, ``gate``, then ``confirm`` or ``go_back``; each may be repeated."""

    def __init__(
        self,
        context: Context,
        target: Target,
        *,
        service: Service,
        release: Release,
        planned: TargetPlan,
        credentials: dict[str, Secret],
        node: NodeLine,
    ) -> None:
        self.context, self.target = context, target
        self.service, self.release, self.planned, self.credentials = service, release, planned, credentials
        # The plan says which of the release's images is for this node. The preflight sees whether it still fits.
        images = {image.image_id: image for image in release.images}
        if planned.image.new not in images:
            raise Gone(f"Release {release.number} does not have the image that was planned for {target.label}.")
        self.image = images[planned.image.new]
        self.fence = context.fence
        self.old_release = int(planned.release.old or 0)
        self.began = 0.0
        self.taken: readings.Taken | None = None
        self.last: NodeFacts | None = None
        self.ended = ""
        self.node = node
        self._line = Conversation(context, target, node)
        # Unique among all installations that the node ever knew: the epoch is part of the name.
        again = context.done("switch again", target) or {}
        self._name(str(again.get("op") or f"{context.fence.epoch}-{context.operation.id}"))

    def _name(self, op: str) -> None:
        """The switch's name on the node, which its unit repeats; raises UnitError."""
        self.op = op
        self.wanted = desired(self.service, self.release, now=timezone.now(), operation=op, image=self.image)
        self.unit = self.wanted.unit

    # --- Phases --------------------------------------------------------------------------------------------------

    def preflight(self) -> None:
        """Connect, finish the node's set-up if that is due, read it, and compare with the plan."""
        if self.staged:
            return  # an earlier attempt got further: the node tells the rest
        with self._line.failures(), self.context.step("preflight", self.target) as step:
            login = self._line.login()
            contact(self.context, self.target, login.node, login, self._line.session())
            facts, _ = self.program().facts()
            fresh = self._plan_of(facts)
            refusals = fresh.targets[0].refusals
            step.evidence({check.name: check.text for check in fresh.targets[0].checks})
            if refusals:
                raise TargetFailed(" ".join(refusals))
            if effect_hash(fresh) != effect_hash(self._as_planned()):
                raise TargetFailed("The node changed since the plan was made. Make a fresh plan.")

    def stage(self) -> None:
        """Bring everything that the node lacks, and prove that it is there."""
        if self.staged:
            return
        with self._line.failures(), self.context.step("stage", self.target) as step:
            sent = stage.stage(self)
            step.evidence(sent)

    def switch(self) -> None:
        """Replace the unit; the node keeps the old one as pending. Ends when the service is ready, or is not."""
        if self._confirmed:
            return
        with self._line.failures(), self.context.step("switch", self.target):
            self._log(f"Switching to release {self.release.number}.")
            try:
                self._ask_to_switch()
            except Refused as refused:
                if not self._gave_up_waiting(refused):
                    raise
                self._log("The node had gone back while nobody was there to confirm: switching again.", "warning")
                self._name(f"{self.context.fence.epoch}-{self.context.operation.id}-{self.context.operation.attempt}")
                with self.context.step("switch again", self.target) as again:
                    again.evidence({"op": self.op})
                self._ask_to_switch()
            self.began = time.monotonic()

    def gate(self) -> None:
        """Watch the service until it stayed well for the settle window; raises TargetFailed with what was seen."""
        if self._confirmed:
            return
        spec = gate_spec(self.service, self.wanted, began=self.began or time.monotonic())
        with self._line.failures(), self.context.step("gate", self.target) as step:
            verdict, samples = watch(self.context, self._line, self.service.name, spec)
            step.evidence({"samples": samples, "verdict": verdict.state, "reasons": list(verdict.reasons)})
            if verdict.state == FAILED:
                show_journal(self._line, self.service.name)
                raise TargetFailed(f"The gate did not open. {' '.join(verdict.reasons)}")
            self._log(f"The gate is open. {' '.join(verdict.reasons)}")

    def confirm(self) -> None:
        """Tell the node that the new unit stays."""
        if self._confirmed:
            return
        with self._line.failures(), self.context.step("confirm", self.target):
            self._line.insist(node_commands.confirm(self.fence, self.service.name, self.op), seconds=INSIST)

    def go_back(self) -> None:
        """Put the old unit back where this operation had switched; a node that it never touched is left alone."""
        argv = node_commands.rollback(self.fence, self.service.name, self.op)
        with self._line.failures(), self.context.step("go back", self.target):
            try:
                self._line.insist(argv, seconds=self.service.start_timeout + INSIST)
            except Refused as refused:
                if refused.code != "not-found":  # it was not switched: there is nothing to undo
                    raise

    def read_last(self) -> None:
        """The reading that counts."""
        self.taken = self.node.last_reading()
        self.last = self.taken.facts

    # --- What is known -------------------------------------------------------------------------------------------

    @property
    def staged(self) -> bool:
        """Whether this or an earlier attempt has everything on the node: from then on it may have switched."""
        return self.context.done("stage", self.target) is not None

    @property
    def _confirmed(self) -> bool:
        return self.context.done("confirm", self.target) is not None

    def not_back(self) -> str:
        """How the last reading differs from the old release running; "" if it does not, and ``ended`` says so."""
        label = self.target.label
        if self.last is None:
            return f"{label} could not be read at the end"
        found = self.last.service(self.service.name)
        if found is not None and found.pending:
            return f"{label} waits for a confirmation"
        running = (found.release or 0) if found and found.active not in {"inactive", "failed"} else 0
        if running != self.old_release:
            return f"{label} runs release {running}" if running else f"{label} does not run"
        self.ended = f"Release {running} runs again." if running else "It was stopped again."
        return ""

    def by_hand(self) -> str:
        """The command with which somebody at the node brings the old release back."""
        return f"sudo ffs-node cancel --service {self.service.name} --op {self.op}"

    # --- What the phases share -----------------------------------------------------------------------------------

    def program(self) -> NodeProgram:
        """``ffs-node`` over the one connection to the node; connects if need be."""
        return self._line.program()

    def close(self) -> None:
        """End the connection, if there is one."""
        self._line.close()

    def _ask_to_switch(self) -> None:
        deadline = self.service.start_timeout + self.service.settle + CONFIRM_MARGIN
        argv = node_commands.switch(self.fence, self.service.name, self.op, deadline)
        self._line.insist(argv, stdin=self.unit.encode(), seconds=self.service.start_timeout + 2 * INSIST)

    def _gave_up_waiting(self, refused: Refused) -> bool:
        """Whether the node took an earlier attempt's switch back by itself: the worker was away for too long."""
        return refused.code == "rolled-back" and NOT_CONFIRMED in refused.text and self.context.operation.attempt > 1

    def _plan_of(self, facts: NodeFacts) -> PlanValue:
        now = timezone.now().timestamp()
        files = running_files(self.service, facts)
        cordon = self._line.login().node.cordon  # somebody may have cordoned it since the plan was made
        fresh = Held(facts=facts, read_at=now, now=now, unit=self.service.unit_text, files=files, cordon=cordon)
        return make_plan([(self.wanted, fresh)])

    def _as_planned(self) -> PlanValue:
        return PlanValue("deploy", self.wanted.project, self.wanted.release, (self.planned,))

    def _log(self, text: str, stream: str = "info") -> None:
        self._line.log(text, stream)
