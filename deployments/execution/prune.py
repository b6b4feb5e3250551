"""What a node needs no more is removed: old releases, images, certificates and credentials. Never its data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployments.core import layout, node_commands
from deployments.core.retention import counted, freed, gone, pruning
from deployments.core.sizes import shown_bytes
from deployments.execution import readings
from deployments.execution.connection import NodeLogin
from deployments.execution.errors import NODE_ERRORS, told
from deployments.execution.node_program import LONG
from deployments.execution.small import program_for
from deployments.execution.targets import node_of
from deployments.models import Node
from deployments.models.proven import needed_on
from ffsweb.audit import services as audit
from ffsweb.operations.contract import Outcome
from ffsweb.operations.states import State

if TYPE_CHECKING:
    from deployments.core.facts import NodeFacts
    from deployments.core.retention import Kept
    from deployments.execution.node_program import NodeProgram
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target

KIND = "prune"


@told
def prune(context: Context) -> Outcome:
    """Read the node, remove from each of its services what nothing needs, and read it again."""
    target = context.operation.targets[0]
    node = node_of(target)
    login = NodeLogin(node)
    try:
        with login.connect(stop=context.stop) as session:
            program = program_for(context, target, session)
            before, _ = program.facts()
            if before.protocol != layout.PROTOCOL:
                why = f"{node} has ffs-node {before.program}."
                return Outcome(State.FAILED, f"{why} Nothing was removed: upgrade it on the node's page first.")
            wanted = pruning(before, node.project.name, needed_on(node, before))
            for kept in wanted.kept:
                _prune_one(context, target, program, kept)
    except NODE_ERRORS as error:
        context.checkpoint()
        context.log(str(error), target=target, stream="error")
        return Outcome(State.FAILED, f"{node} was not pruned to the end. {error} What is left goes the next time.")
    taken = readings.take(login, stop=context.stop)
    context.checkpoint()
    readings.store(taken)
    if taken.facts is None:
        return Outcome(State.UNKNOWN, f"{node} was pruned, but could not be read after it. {taken.error}")
    return _ended(context, node, before, taken.facts)


def _prune_one(context: Context, target: Target, program: NodeProgram, kept: Kept) -> None:
    argv = node_commands.prune(
        context.fence,
        kept.service,
        kept.releases,
        certificates=kept.certificates or None,
        credentials=kept.credentials or None,
        images=kept.images or None,
    )
    with context.step(f"prune {kept.service}", target) as step:
        shown = ", ".join(map(str, kept.releases))
        context.log(f"{kept.service}: keeping release {shown}, and what belongs to it.", target=target)
        removed = program.ask(argv, timeout=LONG).number("removed")
        step.evidence({"kept": list(kept.releases), "images": list(kept.images), "removed": removed})


def _ended(context: Context, node: Node, before: NodeFacts, after: NodeFacts) -> Outcome:
    removed = gone(before, after, node.project.name)
    if not removed:
        return Outcome(State.SUCCEEDED, f"There was nothing on {node} that is not needed.")
    size = freed(before, after)
    if context.operation.actor_name == audit.SYSTEM:
        audit.record(
            actor=None,
            action="node.prune",
            project=node.project,
            target=str(node),
            detail={"operation": context.operation.id, "removed": removed, "bytes": size},
        )
    room = f" About {shown_bytes(size)} more are free by its readings." if size else ""
    return Outcome(State.SUCCEEDED, f"Removed from {node}: {counted(removed)}.{room}")
