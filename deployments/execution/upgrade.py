"""Nodes get this ffsweb's ffs-node, signed with the installation's key, and are read again for the proof."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployments.core import layout, node_commands
from deployments.core.node_events import Refused
from deployments.core.node_input import upgrade_input
from deployments.execution import readings
from deployments.execution.connection import NodeLogin
from deployments.execution.errors import NODE_ERRORS, TargetFailed, told
from deployments.execution.small import program_for
from deployments.execution.targets import node_of
from deployments.models import SigningKey
from deployments.models.signing import NAMESPACE, signer_line, signing_key_context
from deployments.nodekit.released import ffs_node_program, ffs_node_script
from ffsweb.operations.contract import Outcome
from ffsweb.operations.errors import Stopped
from ffsweb.operations.states import State
from ffsweb.remote.signatures import sign
from ffsweb.web.keys import worker_opener

if TYPE_CHECKING:
    from deployments.execution.node_program import NodeProgram
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target

KIND = "upgrade"
SECONDS = 120.0
SHOWN = 10
"""Failures that the message names; the log has all."""


@dataclass(frozen=True, slots=True)
class Signed:
    """The program, signed with one of the installation's keys, and how a node knows that key."""

    signature: str
    signer: str


@told
def upgrade(context: Context) -> Outcome:
    """Upgrade every target, a bounded number at a time; one that fails stops no other."""
    ours = ffs_node_program()
    signed = _signed()
    if not signed:
        text = "No node knows a key of this installation yet: the first machine file makes it. Nothing was sent."
        return Outcome(State.FAILED, text)
    context.log(f"Nodes get ffs-node {ours}, SHA-256 {ours.sha256}.")
    logins = {target: NodeLogin(node_of(target)) for target in context.operation.targets}

    def work(target: Target) -> readings.Taken | None:
        return _upgrade_one(context, target, logins[target], signed)

    failed: dict[Target, Exception] = {}
    for target, result in context.each(logins, work).items():
        if isinstance(result, Stopped):
            raise result
        if isinstance(result, Exception):
            context.log(str(result), target=target, stream="error")
            failed[target] = result
            continue
        if result is not None:
            readings.store(result)
        context.mark(target, State.SUCCEEDED, f"It has {ours}.")
    return _ended(failed, len(logins))


def _signed() -> list[Signed]:
    """Any of the keys may be the one that a node knows. Raises CannotOpen."""
    script = ffs_node_script().encode()
    opener = worker_opener()
    found = []
    for row in SigningKey.objects.all():
        key = opener.open(bytes(row.sealed_private_key), signing_key_context(row.public_key))
        found.append(Signed(sign(key, script, namespace=NAMESPACE), signer_line(row.public_key)))
    return found


def _upgrade_one(context: Context, target: Target, login: NodeLogin, signed: list[Signed]) -> readings.Taken | None:
    """Send, finish the set-up, read; None if an earlier attempt proved it. Raises TargetFailed."""
    if context.done("prove", target) is not None:
        return None
    try:
        with login.connect(stop=context.stop) as session:
            program = program_for(context, target, session)
            with context.step("upgrade", target):
                _send(context, target, program, signed)
            with context.step("set up", target):  # what lies beside the program is written by the new one
                program.ask(node_commands.setup(context.fence))
    except NODE_ERRORS as error:
        context.checkpoint()
        raise TargetFailed(str(error)) from error
    return _prove(context, target, login)


def _send(context: Context, target: Target, program: NodeProgram, signed: list[Signed]) -> None:
    before = program.ask(node_commands.version())
    context.log(f"It has version {before.string('version')}, protocol {before.number('protocol')}.", target=target)
    for place, each in enumerate(signed, 1):
        stdin = upgrade_input(ffs_node_script().encode(), each.signature)
        try:
            program.ask(node_commands.upgrade(context.fence), stdin=stdin, timeout=SECONDS)
        except Refused as refused:
            if refused.code == "verify" and place < len(signed):
                continue
            if refused.code == "not-found" or (refused.code == "verify" and "signature" in refused.text):
                raise TargetFailed(_unknown_signer(context, target, refused, signed)) from refused
            raise
        return


def _unknown_signer(context: Context, target: Target, refused: Refused, signed: list[Signed]) -> str:
    for each in signed:
        context.log(f"{layout.UPGRADE_SIGNERS} would have to hold: {each.signer}", target=target)
    return (
        f"{refused.text.removesuffix('.')}. It goes on with the ffs-node that it has. Write the line that the log "
        f"shows into {layout.UPGRADE_SIGNERS} there, as {layout.ADMIN_USER}, and upgrade it again."
    )


def _prove(context: Context, target: Target, login: NodeLogin) -> readings.Taken:
    ours = ffs_node_program()
    with context.step("prove", target) as step:
        taken = readings.take(login, stop=context.stop)
        context.checkpoint()
        if taken.facts is None:
            raise TargetFailed(f"It took the new ffs-node, but could not be read after it. {taken.error}")
        found = taken.facts.program
        step.evidence({"version": found.version, "protocol": found.protocol, "program_sha256": found.sha256})
        if found != ours:
            text = f"It answered that it took {ours}, but the reading after it shows {found} ({found.sha256[:12]})."
            raise TargetFailed(text)
    return taken


def _ended(failed: dict[Target, Exception], count: int) -> Outcome:
    ours = ffs_node_program()
    if not failed:
        where = "the node" if count == 1 else f"all {count} nodes"
        return Outcome(State.SUCCEEDED, f"ffs-node {ours} runs on {where}.")
    told_of = [f"{target.label}: {error}" for target, error in list(failed.items())[:SHOWN]]
    more = [f"and {len(failed) - SHOWN} more, see the log"] if len(failed) > SHOWN else []
    head = "It was not upgraded." if count == 1 else f"{len(failed)} of {count} nodes were not upgraded."
    rest = f" The others have {ours}." if len(failed) < count else ""
    return Outcome(State.FAILED, f"{head} {'; '.join([*told_of, *more])}{rest}")
