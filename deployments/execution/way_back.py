"""The way back of one service: the old unit again, watched like a new one."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from deployments.core import node_commands
from deployments.core.gates import FAILED, GateSpec
from deployments.core.node_events import Refused
from deployments.core.quadlet import Mode
from deployments.execution.errors import TargetFailed
from deployments.execution.rotation import old_one
from deployments.execution.watch import show_journal, watch

if TYPE_CHECKING:
    from deployments.execution.deploy_target import DeployTarget

INSIST = 30.0
"""Seconds for which a node that is lost is asked again, beyond the time that the work itself may take."""


def go_back(run: DeployTarget) -> None:
    """Put the old unit back where this operation had switched, and see that its release stays well.

    A node that the operation never touched is left alone; one that has confirmed goes back too, whether or not its
    answer ever came. Raises TargetFailed; may be repeated.
    """
    argv = node_commands.rollback(run.fence, run.service.name, run.op, confirmed=True)
    with run.line.failures(), run.context.step("go back", run.target) as step:
        try:
            run.line.insist(argv, seconds=run.service.start_timeout + INSIST)
        except Refused as refused:
            if refused.code != "not-found" or run.confirmed:
                raise
            step.evidence({"switched": "no"})  # there is nothing to undo
            return
        if not run.old_release:
            return
        if not run.was_well:
            run.log(
                f"Release {run.old_release} is back. It was not well before either: nobody waits for it.", "warning"
            )
            return
        _gate(run)


def _gate(run: DeployTarget) -> None:
    """systemd has said that the old release is ready: it has to stay so for the settle window."""
    served = old_one(run)
    spec = GateSpec(
        mode=Mode.NONE,
        image_id=run.planned.image.old,
        began=time.monotonic(),
        start_timeout=float(run.service.start_timeout),
        settle=float(run.service.settle),
        probes=(served,) if served else (),
    )
    verdict, _ = watch(run.context, run.line, run.service.name, spec)
    if verdict.state == FAILED:
        show_journal(run.line, run.service.name)
        run.unwell = " ".join(verdict.reasons)
        raise TargetFailed(f"Release {run.old_release} is back, but it does not stay well. {run.unwell}")
    run.log(f"Release {run.old_release} is back. {' '.join(verdict.reasons)}")


def not_back(run: DeployTarget) -> str:
    """How the last reading differs from the old release running; "" if it does not, and ``run.ended`` says so."""
    label = run.target.label
    if run.last is None:
        return f"{label} could not be read at the end"
    found = run.last.service(run.service.name)
    if found is not None and found.pending:
        return f"{label} waits for a confirmation"
    running = (found.release or 0) if found and found.active not in {"inactive", "failed"} else 0
    if running != run.old_release:
        return f"{label} runs release {running}" if running else f"{label} does not run"
    if run.rotation and found is not None and (found.certificate or "") != run.planned.certificate.old:
        return f"{label} has another certificate than before"
    if run.unwell:
        return f"{label} has release {running} again, which does not stay well ({run.unwell})"
    run.ended = f"Release {running} runs again." if running else "It was stopped again."
    return ""


def by_hand(run: DeployTarget) -> str:
    """The command with which somebody at the node brings the old release back, or sees why it does not stay well."""
    if run.unwell:
        return f"journalctl --unit=ffs-{run.service.name} --lines=100"
    found = run.last.service(run.service.name) if run.last else None
    if run.confirmed or (found is not None and not found.pending):
        epoch, counter = run.fence
        return (
            f"sudo ffs-node rollback --fence {epoch}.{counter} --service {run.service.name} --op {run.op} --confirmed"
        )
    return f"sudo ffs-node cancel --service {run.service.name} --op {run.op}"
