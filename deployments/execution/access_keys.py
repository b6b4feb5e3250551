"""Operators' keys on nodes: what is wanted is added and seen there, then the others are removed and seen to be gone.

The dashboard has no private half of these keys, so the proof is a reading of every file that sshd reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from deployments.core import access
from deployments.core.access_ledger import OWED, work
from deployments.core.layout import ADMIN_USER
from deployments.core.node_events import AnswerError, Refused
from deployments.execution import first_contact
from deployments.execution.connection import NodeLogin
from deployments.execution.errors import NODE_ERRORS, Offline, TargetFailed
from deployments.execution.node_keys import read_keys
from deployments.execution.rotate_ssh import AWAY, UPGRADE
from deployments.execution.small import program_for
from deployments.execution.targets import node_of
from deployments.models import AccessKey, HostKey, KeyOnNode, NodeAccess, SigningKey
from deployments.models.access_key import keep_reading, wanted_on
from deployments.models.signing import signing_key_context
from ffsweb.remote.signatures import sign
from ffsweb.web.keys import worker_opener

if TYPE_CHECKING:
    from deployments.core.node_argv import Argv
    from deployments.core.node_events import Answer
    from deployments.execution.node_program import NodeProgram
    from deployments.models import Node
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target


def apply_to_node(context: Context, target: Target) -> str:
    """One node, to the end; what was done. Killed anywhere, it is done again from what the node has.

    Raises TargetFailed; Offline if nothing was begun because the node is away.
    """
    node = node_of(target)
    if first_contact.needed(node):
        raise TargetFailed(f"There was no first contact with {node} yet. Make it on the node's page first.")
    NodeAccess.objects.update_or_create(node=node, defaults={"tried_at": timezone.now()})
    try:
        said = _apply(context, target, node)
    except TargetFailed as error:
        NodeAccess.objects.filter(node=node).update(problem=str(error))
        raise
    owed = KeyOnNode.objects.filter(node=node, user=ADMIN_USER, state__in=OWED).exists()
    # What is owed all the same is tried at the intervals to which it has come, or it would be tried without end.
    NodeAccess.objects.filter(node=node).update(problem="", **({} if owed else {"tries": 0}))
    return said


def _apply(context: Context, target: Target, node: Node) -> str:
    begun = False
    try:
        with NodeLogin(node).connect(stop=context.stop) as session:
            program = program_for(context, target, session)
            with context.step("read keys", target) as step:
                held = read_keys(program)
                keep_reading(node, held)
                step.evidence({"keys": len(held[ADMIN_USER].keys)})
            begun = True
            needed = work(wanted_on(node, ADMIN_USER), held[ADMIN_USER])
            if needed.add:
                context.checkpoint()
                _add(context, target, node, program, needed.add)
            if needed.remove:
                context.checkpoint()
                _remove(context, target, node, program, needed.remove)
    except NODE_ERRORS as error:
        context.checkpoint()
        if isinstance(error, AWAY) and not begun:
            raise Offline(f"{error} Nothing was begun.") from error
        old = isinstance(error, AnswerError) and access.too_old(error)
        raise TargetFailed(UPGRADE if old else f"{error} What is missing stays owed.") from error
    if not needed.add and not needed.remove:
        return f"{node} had all wanted keys, and none besides that is to go."
    return f"{node}: {len(needed.add)} added, {len(needed.remove)} removed, and read again for the proof."


def ask_signed(program: NodeProgram, node: Node, argv: Argv, key: str, stdin: bytes) -> Answer:
    """Run a verb on ``core``'s keys, signed for this node with whichever of the installation's keys it knows; the
    signature follows ``stdin``. Two queries.

    Raises TargetFailed if there is none, CannotOpen, and what :meth:`NodeProgram.ask` raises.
    """
    rows = list(SigningKey.objects.all())
    pinned = HostKey.objects.filter(node=node, kind=HostKey.Kind.PINNED).values_list("public_key", flat=True)
    host_key = pinned.first() or ""
    for place, row in enumerate(rows, 1):
        private = worker_opener().open(bytes(row.sealed_private_key), signing_key_context(row.public_key))
        signature = sign(private, access.statement(argv, key, host_key), namespace=access.NAMESPACE)
        try:
            return program.ask(argv, stdin=stdin + signature.encode())
        except Refused as refused:
            if refused.code != "verify" or "signature" not in refused.text or place == len(rows):
                raise
    raise TargetFailed("No node knows a key of this installation yet: the first machine file makes it.")


def _add(context: Context, target: Target, node: Node, program: NodeProgram, keys: tuple[str, ...]) -> None:
    rows = {row.public_key: row for row in AccessKey.objects.filter(project=node.project_id, public_key__in=keys)}
    with context.step("add keys", target) as step:
        for key in keys:
            row = rows.get(key)
            line = row.line if row else key
            argv = access.add_key(context.fence, ADMIN_USER, break_glass=row is not None and row.break_glass)
            ask_signed(program, node, argv, key, access.add_input(line))
        step.evidence({"keys": [access.fingerprint(key) for key in keys]})
    with context.step("prove added", target):
        held = read_keys(program)
        keep_reading(node, held)
        missing = [access.fingerprint(key) for key in keys if not held[ADMIN_USER].holds(key)]
        if missing:
            raise TargetFailed(f"It was given {', '.join(missing)}, but sshd does not take it. Nothing was removed.")
        glass = wanted_on(node, ADMIN_USER).break_glass & set(keys)
        unnoted = [access.fingerprint(key) for key in sorted(glass - held[ADMIN_USER].break_glass)]
        if unnoted:
            raise TargetFailed(f"The node has not noted {', '.join(unnoted)} as break-glass. Nothing was removed.")


def _remove(context: Context, target: Target, node: Node, program: NodeProgram, keys: tuple[str, ...]) -> None:
    with context.step("remove keys", target) as step:
        for key in keys:
            argv = access.remove_key(context.fence, ADMIN_USER)
            answer = ask_signed(program, node, argv, key, access.remove_input(key))
            removed = answer.number("removed")
            step.evidence({access.fingerprint(key): removed})
    with context.step("prove removed", target):
        held = read_keys(program)
        keep_reading(node, held)
        left = [access.fingerprint(key) for key in keys if held[ADMIN_USER].files_of(key)]
        if left:
            raise TargetFailed(f"{', '.join(left)} came back after it was removed: something else writes it there.")
