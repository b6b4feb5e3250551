"""The first contact: the bootstrap host key of the machine file is replaced by one that only the node knows."""

from __future__ import annotations

from collections.abc import Callable

from django.db import transaction

from deployments.core import node_commands
from deployments.core.node_argv import Fence
from deployments.core.node_events import BadAnswer
from deployments.execution.connection import NodeLogin
from deployments.execution.node_program import NodeProgram
from deployments.models import HostKey, Node
from ffsweb.remote import Session
from ffsweb.remote.keys import BadPublicKey, PublicKey, parse_public_key

Open = Callable[[tuple[str, ...]], Session]


def needed(node: Node) -> bool:
    """Whether no host key of the node is pinned yet. One query."""
    return not node.host_keys.filter(kind=HostKey.Kind.PINNED).exists()


def replace_host_key(program: NodeProgram, *, login: NodeLogin, fence: Fence) -> PublicKey:
    """Give the node a fresh host key, prove it over a connection of its own, and return it.

    Killed anywhere, it can be repeated: the new key counts beside the old one from before the node uses it until the
    old one is gone.

    Raises Refused, BadAnswer and RemoteError.
    """
    answer = program.ask(node_commands.prepare_host_key(fence))
    try:
        fresh = parse_public_key(answer.string("public_key"))
    except BadPublicKey as error:
        raise BadAnswer(f"The node's new host key is no public key: {error}") from error
    _store(login.node, fresh)
    program.ask(node_commands.activate_host_key(fence, fresh.fingerprint))
    with login.connect(host_keys=(fresh.line,), stop=program.stop) as proof:
        confirming = program.over(proof)
        confirming.ask(node_commands.confirm_host_key(fence, fresh.fingerprint))
    _pin(login.node, fresh)
    return fresh


def _store(node: Node, fresh: PublicKey) -> None:
    """Before the node uses it: a crash between here and the proof must find both keys accepted."""
    if not HostKey.objects.filter(node=node, public_key=fresh.line).exists():
        HostKey.objects.create(
            node=node, kind=HostKey.Kind.BOOTSTRAP, public_key=fresh.line, fingerprint=fresh.fingerprint
        )


def _pin(node: Node, fresh: PublicKey) -> None:
    with transaction.atomic():
        others = HostKey.objects.filter(node=node).exclude(public_key=fresh.line)
        others.exclude(kind=HostKey.Kind.RETIRED).update(kind=HostKey.Kind.RETIRED)
        HostKey.objects.filter(node=node, public_key=fresh.line).update(kind=HostKey.Kind.PINNED)
