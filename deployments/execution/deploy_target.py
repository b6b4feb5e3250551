"""One service of a deploy: what is done on its node, phase by phase. Runs in a thread of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.utils import timezone

from deployments.core import node_commands
from deployments.core.gates import FAILED
from deployments.core.node_events import NOT_CONFIRMED, Refused
from deployments.core.plan import ALL_AT_ONCE, Held, effect_hash, make_plan
from deployments.core.plan import Plan as PlanValue
from deployments.execution import readings, stage
from deployments.execution.conversation import Conversation
from deployments.execution.errors import Gone, Offline, TargetFailed
from deployments.execution.probing import gate_spec
from deployments.execution.rotation import new_one, served_now
from deployments.execution.small import contact
from deployments.execution.target_record import RAN, SERVED, TargetRecord
from deployments.execution.watch import show_journal, watch
from deployments.execution.way_back import INSIST
from deployments.models.desired import desired, running_files
from ffsweb.remote import ConnectionLost, Deadline, Unreachable

if TYPE_CHECKING:
    from deployments.core.facts import NodeFacts
    from deployments.core.plan import TargetPlan
    from deployments.execution.node_line import NodeLine
    from deployments.execution.node_program import NodeProgram
    from deployments.execution.rotation import Rotation
    from deployments.models import Release, Service
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target
    from ffsweb.sealed import Secret

CONFIRM_MARGIN = 90
"""Seconds that a node waits for the confirmation beyond start timeout and settle window."""


class DeployTarget(TargetRecord):
    """``preflight``, ``stage``, ``switch``, ``gate``, ``confirm``, or ``way_back.go_back``; each may be repeated.

    ``patience``: seconds that start and settle window of the slowest service of its wave may take together.
    """

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
        rotation: Rotation | None = None,
    ) -> None:
        super().__init__(context, target)
        self.service, self.release, self.planned, self.credentials = service, release, planned, credentials
        self.rotation = rotation
        self.certificate = rotation.certificate if rotation else service.certificate
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
        self.ended = self.unwell = ""
        self.node = node
        self.line = Conversation(context, target, node)
        self.patience = self.needs
        # Unique among all installations that the node ever knew: the epoch is part of the name.
        again = context.done("switch again", target) or {}
        self._name(str(again.get("op") or f"{context.fence.epoch}-{context.operation.id}"))

    def _name(self, op: str) -> None:
        """The switch's name on the node, which its unit repeats; raises UnitError."""
        self.op = op
        self.wanted = desired(
            self.service,
            self.release,
            now=timezone.now(),
            operation=op,
            image=self.image,
            certificate=self.certificate,
        )
        self.unit = self.wanted.unit

    # --- Phases --------------------------------------------------------------------------------------------------

    def preflight(self) -> None:
        """Connect, finish the node's set-up if that is due, read it, and compare with the plan."""
        if self.staged:
            return  # an earlier attempt got further: the node tells the rest
        with self.line.failures(), self.context.step("preflight", self.target) as step:
            login = self.line.login()
            try:
                session = self.line.session()
            except (Unreachable, ConnectionLost, Deadline) as error:
                self.context.checkpoint()
                raise Offline(str(error)) from error
            contact(self.context, self.target, login.node, login, session)
            facts, _ = self.program().facts()
            before = facts.service(self.service.name)
            step.evidence({RAN: f"{before.active} ({before.sub})" if before else "not there"})
            if self.rotation:
                active = before is not None and before.active == "active"
                step.evidence({SERVED: served_now(self, self.rotation, active=active)})
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
        with self.line.failures(), self.context.step("stage", self.target) as step:
            sent = stage.stage(self)
            step.evidence(sent)

    def switch(self) -> None:
        """Replace the unit; the node keeps the old one as pending. Ends when the service is ready, or is not."""
        if self.confirmed:
            return
        with self.line.failures(), self.context.step("switch", self.target):
            what = f"the certificate {self.certificate}" if self.rotation else f"release {self.release.number}"
            self.log(f"Switching to {what}.")
            try:
                self._ask_to_switch()
            except Refused as refused:
                if not self._gave_up_waiting(refused):
                    raise
                self.log("The node had gone back while nobody was there to confirm: switching again.", "warning")
                self._name(f"{self.context.fence.epoch}-{self.context.operation.id}-{self.context.operation.attempt}")
                with self.context.step("switch again", self.target) as again:
                    again.evidence({"op": self.op})
                self._ask_to_switch()
            self.began = time.monotonic()

    def gate(self) -> None:
        """Watch the service until it stayed well for the settle window; raises TargetFailed with what was seen."""
        if self.confirmed:
            return
        spec = gate_spec(self.service, self.wanted, began=self.began or time.monotonic(), served=new_one(self))
        with self.line.failures(), self.context.step("gate", self.target) as step:
            verdict, samples = watch(self.context, self.line, self.service.name, spec)
            step.evidence({"samples": samples, "verdict": verdict.state, "reasons": list(verdict.reasons)})
            if verdict.state == FAILED:
                show_journal(self.line, self.service.name)
                raise TargetFailed(f"The gate did not open. {' '.join(verdict.reasons)}")
            self.log(f"The gate is open. {' '.join(verdict.reasons)}")

    def confirm(self) -> None:
        """Tell the node that the new unit stays."""
        if self.confirmed:
            return
        with self.line.failures(), self.context.step("confirm", self.target):
            self.line.insist(node_commands.confirm(self.fence, self.service.name, self.op), seconds=INSIST)

    def read_last(self) -> None:
        """The reading that counts."""
        self.taken = self.node.last_reading()
        self.last = self.taken.facts

    # --- What is known -------------------------------------------------------------------------------------------

    @property
    def needs(self) -> int:
        """Seconds that its start and settle window may take together."""
        return self.service.start_timeout + self.service.settle

    # --- What the phases share -----------------------------------------------------------------------------------

    def program(self) -> NodeProgram:
        """``ffs-node`` over the one connection to the node; connects if need be."""
        return self.line.program()

    def _ask_to_switch(self) -> None:
        deadline = self.patience + CONFIRM_MARGIN
        argv = node_commands.switch(self.fence, self.service.name, self.op, deadline)
        self.line.insist(argv, stdin=self.unit.encode(), seconds=self.service.start_timeout + 2 * INSIST)

    def _gave_up_waiting(self, refused: Refused) -> bool:
        """Whether the node took an earlier attempt's switch back by itself: the worker was away for too long."""
        return refused.code == "rolled-back" and NOT_CONFIRMED in refused.text and self.context.operation.attempt > 1

    def _plan_of(self, facts: NodeFacts) -> PlanValue:
        now = timezone.now().timestamp()
        files = running_files(self.service, facts)
        cordon = self.line.login().node.cordon  # somebody may have cordoned it since the plan was made
        fresh = Held(facts=facts, read_at=now, now=now, unit=self.service.unit_text, files=files, cordon=cordon)
        return make_plan([(self.wanted, fresh)])

    def _as_planned(self) -> PlanValue:
        alone = ((self.planned.key,),)
        return PlanValue("deploy", self.wanted.project, self.wanted.release, (self.planned,), ALL_AT_ONCE, alone)

    def log(self, text: str, stream: str = "info") -> None:
        self.line.log(text, stream)
