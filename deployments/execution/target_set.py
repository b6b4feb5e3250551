"""The services of one deploy, and work on some or all of them side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import structlog
from django.utils import timezone

from deployments.execution import readings
from deployments.execution.deploy_target import DeployTarget
from deployments.execution.errors import TargetFailed
from deployments.execution.node_line import NodeLine
from deployments.execution.rotation import rotation_of
from deployments.execution.secrets import open_certificate, open_credentials
from deployments.execution.targets import service_of
from ffsweb.operations.errors import Cancelled, Stopped

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from deployments.core.plan import Plan as PlanValue
    from deployments.models import Release
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target

logger = structlog.get_logger(__name__)

Phase: TypeAlias = Callable[[DeployTarget], None]
Results: TypeAlias = "dict[Target, Exception]"


class TargetSet:
    """All targets of an operation, with one connection for each node. Raises Gone, CannotOpen, UnitError."""

    def __init__(self, context: Context, plan: PlanValue, release: Release) -> None:
        self.context, self.release = context, release
        self.lines: dict[int, NodeLine] = {}
        self.rotation = rotation_of(plan, release.project)
        self.runs = {target: self._run(target, plan) for target in context.operation.targets}
        by_key = {target.key: target for target in self.runs}
        self.waves = tuple(tuple(by_key[key] for key in wave) for wave in plan.waves)

    def __iter__(self) -> Iterator[Target]:
        return iter(self.runs)

    def __getitem__(self, target: Target) -> DeployTarget:
        return self.runs[target]

    @property
    def taking_part(self) -> dict[Target, DeployTarget]:
        """All but those that were left out because their nodes could not be reached."""
        return {target: run for target, run in self.runs.items() if not run.left_out}

    def close(self) -> None:
        """End the connections."""
        for line in self.lines.values():
            line.close()

    def on(self, targets: Iterable[Target], phase: Phase, *, one_by_one: bool = False) -> Results:
        """One phase on ``targets``, side by side (or one by one on each node): what went wrong, by target."""

        def work(target: Target) -> None:
            if one_by_one:
                self._in_turn(phase, self.runs[target])
            else:
                phase(self.runs[target])

        failed: Results = {}
        for target, result in self.context.each(targets, work).items():
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

    def to_the_end(self, targets: Iterable[Target], phase: Phase) -> Results:
        """A phase that a cancel does not end any more; each may be repeated."""
        chosen = tuple(targets)
        try:
            return self.on(chosen, phase)
        except Cancelled:
            self.context.take_cancel()
            self.context.log("The cancel comes too late to change anything.", stream="warning")
            return self.on(chosen, phase)

    def read(self, targets: Iterable[Target]) -> Results:
        """A last reading of the nodes of ``targets``, stored; what could not be read, by target."""
        chosen = tuple(targets)
        for target in chosen:
            self.runs[target].node.forget_reading()
        self.to_the_end(chosen, DeployTarget.read_last)
        taken = {self.runs[target].service.node_id: self.runs[target].taken for target in chosen}
        for node_id, found in taken.items():
            readings.store(found or readings.Taken(node_id, timezone.now(), error="It was not read."))
        return {
            target: TargetFailed(f"{target.label} could not be read at the end.")
            for target in chosen
            if (found := self.runs[target].taken) is None or found.error
        }

    def _in_turn(self, phase: Phase, run: DeployTarget) -> None:
        """A node has one first contact and takes one image at a time, however many of its services are deployed."""
        turn = run.node.turn
        while not turn.acquire(timeout=0.2):
            self.context.checkpoint()
        try:
            phase(run)
        finally:
            turn.release()

    def _run(self, target: Target, plan: PlanValue) -> DeployTarget:
        service = service_of(target)
        planned = next(row for row in plan.targets if row.key == target.key)
        rotation = self.rotation
        if rotation and service.certificate:
            open_certificate(self.context, service.certificate)  # what ran before may print it
        certificate = rotation.certificate if rotation else service.certificate
        credentials = open_credentials(self.context, self.release, certificate)
        return DeployTarget(
            self.context,
            target,
            service=service,
            release=self.release,
            planned=planned,
            credentials=credentials,
            node=self.lines.setdefault(service.node_id, NodeLine(self.context, service.node_id)),
            rotation=rotation,
        )


def first_reason(failed: Results) -> str:
    """What went wrong, as one sentence: the first of it, and how many more there are."""
    target, error = next(iter(failed.items()))
    more = f" (and {len(failed) - 1} more)" if len(failed) > 1 else ""
    return f"{target.label}{more}: {error}"
