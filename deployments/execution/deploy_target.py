"""One service of a deploy: what is done on its node, phase by phase. Runs in a thread of its own."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.utils import timezone

from deployments.core import node_commands
from deployments.core.gates import FAILED, PASSED, GateSpec, Sample, judge
from deployments.core.node_events import Refused
from deployments.core.plan import Held, effect_hash, make_plan
from deployments.core.plan import Plan as PlanValue
from deployments.core.quadlet import Mode
from deployments.execution import readings, stage
from deployments.execution.connection import NodeLogin
from deployments.execution.errors import NODE_ERRORS
from deployments.execution.node_program import NodeProgram
from deployments.execution.small import contact, program_for
from deployments.models import Node
from deployments.models.desired import desired, running_files
from ffsweb.operations.errors import OperationError

if TYPE_CHECKING:
    from deployments.core.facts import NodeFacts
    from deployments.core.plan import TargetPlan
    from deployments.models import Release, Service
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target
    from ffsweb.remote import Session
    from ffsweb.sealed import Secret

CONFIRM_MARGIN = 90
"""Seconds that a node waits for the confirmation beyond start timeout and settle window."""
SAMPLE_EVERY = 1.0


class TargetFailed(OperationError):
    """This service cannot have the release, or did not take it; the text is for the operator."""


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
    ) -> None:
        self.context, self.target = context, target
        self.service, self.release, self.planned, self.credentials = service, release, planned, credentials
        # Unique among all installations that the node ever knew: the epoch is part of the name.
        self.op = f"{context.fence.epoch}-{context.operation.id}"
        self.fence = context.fence
        self.wanted = desired(service, release, now=timezone.now(), operation=self.op)
        self.unit = self.wanted.unit
        self.old_release = int(planned.release.old or 0)
        self.began = 0.0
        self.taken: readings.Taken | None = None
        self.last: NodeFacts | None = None
        self.ended = ""
        self._session: Session | None = None

    # --- Phases --------------------------------------------------------------------------------------------------

    def preflight(self) -> None:
        """Connect, finish the node's set-up if that is due, read it, and compare with the plan."""
        if self.context.done("stage", self.target):
            return  # an earlier attempt got further: the node tells the rest
        with self._guarded(), self.context.step("preflight", self.target) as step:
            node = Node.objects.prefetch_related("host_keys").get(pk=self.service.node_id)
            contact(self.context, self.target, node, NodeLogin(node), self._connected())
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
        if self.context.done("stage", self.target):
            return
        with self._guarded(), self.context.step("stage", self.target) as step:
            sent = stage.stage(self)
            step.evidence(sent)

    def switch(self) -> None:
        """Replace the unit; the node keeps the old one as pending. Ends when the service is ready, or is not."""
        deadline = self.service.start_timeout + self.service.settle + CONFIRM_MARGIN
        argv = node_commands.switch(self.fence, self.service.name, self.op, deadline)
        with self._guarded(), self.context.step("switch", self.target):
            self._log(f"Switching to release {self.release.number}.")
            self.program().ask(argv, stdin=self.unit.encode(), timeout=deadline + 60.0)
            self.began = time.monotonic()

    def gate(self) -> None:
        """Watch the service until it stayed well for the settle window; raises TargetFailed with what was seen."""
        spec = GateSpec(
            mode=Mode(self.service.supervision),
            image_id=self.release.image.image_id,
            began=self.began or time.monotonic(),
            start_timeout=float(self.service.start_timeout),
            settle=float(self.service.settle),
        )
        samples: list[Sample] = []
        with self._guarded(), self.context.step("gate", self.target) as step:
            verdict = judge(spec, samples, time.monotonic())
            while verdict.state not in {PASSED, FAILED}:
                self.context.checkpoint()
                self._sample(samples)
                verdict = judge(spec, samples, time.monotonic())
                if verdict.state not in {PASSED, FAILED}:
                    self.context.stop.wait(SAMPLE_EVERY)
            step.evidence({"samples": len(samples), "verdict": verdict.state, "reasons": list(verdict.reasons)})
            if verdict.state == FAILED:
                self._show_journal()
                raise TargetFailed(f"The gate did not open. {' '.join(verdict.reasons)}")
            self._log(f"The gate is open. {' '.join(verdict.reasons)}")

    def confirm(self) -> None:
        """Tell the node that the new unit stays."""
        with self._guarded(), self.context.step("confirm", self.target):
            self.program().ask(node_commands.confirm(self.fence, self.service.name, self.op))

    def go_back(self) -> None:
        """Put the old unit back where this operation had switched; a node that it never touched is left alone."""
        with self._guarded(), self.context.step("go back", self.target):
            try:
                self.program().ask(
                    node_commands.rollback(self.fence, self.service.name, self.op),
                    timeout=self.service.start_timeout + 60,
                )
            except Refused as refused:
                if refused.code != "not-found":  # it was not switched: there is nothing to undo
                    raise
            self.ended = f"Release {self.old_release} runs again." if self.old_release else "It was stopped again."

    def read_last(self) -> None:
        """The reading that counts."""
        self.close()
        node = Node.objects.prefetch_related("host_keys").get(pk=self.service.node_id)
        self.taken = readings.take(NodeLogin(node), stop=self.context.stop)
        self.last = self.taken.facts

    # --- What the phases share -----------------------------------------------------------------------------------

    def close(self) -> None:
        """End the connection, if there is one."""
        if self._session is not None:
            self._session.close()
            self._session = None

    def by_hand(self) -> str:
        """The command with which somebody at the node brings the old release back."""
        return f"sudo ffs-node cancel --service {self.service.name} --op {self.op}"

    def program(self) -> NodeProgram:
        """``ffs-node`` over this target's one connection; connects if need be."""
        return program_for(self.context, self.target, self._connected())

    def _connected(self) -> Session:
        if self._session is None or not self._session.alive:
            node = Node.objects.prefetch_related("host_keys").get(pk=self.service.node_id)
            self._session = NodeLogin(node).connect()
        return self._session

    def _guarded(self) -> _Guard:
        return _Guard(self.context)

    def _plan_of(self, facts: NodeFacts) -> PlanValue:
        now = timezone.now().timestamp()
        files = running_files(self.service, facts)
        fresh = Held(facts=facts, read_at=now, now=now, unit=self.service.unit_text, files=files)
        return make_plan([(self.wanted, fresh)])

    def _as_planned(self) -> PlanValue:
        return PlanValue("deploy", self.wanted.project, self.wanted.release, (self.planned,))

    def _sample(self, samples: list[Sample]) -> None:
        try:
            facts, _ = self.program().facts((self.service.name,))
        except NODE_ERRORS as error:
            self.context.checkpoint()
            self._log(f"The node could not be read: {error}", "warning")
            self.close()
            return
        found = facts.service(self.service.name)
        if found is not None:
            samples.append(Sample.of(found, time.monotonic()))

    def _show_journal(self) -> None:
        """The evidence: what the service itself said."""
        try:
            self.program().ask(
                node_commands.logs(self.service.name, lines=30),
                tell=lambda event: self._log(getattr(event, "text", ""), "out"),
            )
        except NODE_ERRORS as error:
            self._log(f"Its journal could not be read: {error}", "warning")

    def _log(self, text: str, stream: str = "info") -> None:
        self.context.log(text, target=self.target, stream=stream)


class _Guard:
    """Turns what a conversation with a node raises into TargetFailed, unless the run is to stop anyway."""

    def __init__(self, context: Context) -> None:
        self._context = context

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, NODE_ERRORS):
            self._context.checkpoint()
            raise TargetFailed(str(error)) from error
