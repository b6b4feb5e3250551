"""The small operations: read a node, make its first contact, start and stop a service, show its journal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from django.utils import timezone

from deployments.core import node_commands
from deployments.core.node_events import Event, Line
from deployments.execution import first_contact, readings
from deployments.execution.connection import NodeLogin
from deployments.execution.errors import NODE_ERRORS, told
from deployments.execution.node_program import LONG, NodeProgram
from deployments.execution.secrets import protect_service
from deployments.execution.targets import node_of, service_of
from deployments.models import Service
from ffsweb.operations.contract import Outcome, Target
from ffsweb.operations.states import State
from ffsweb.remote import Deadline

if TYPE_CHECKING:
    from deployments.models import Node
    from ffsweb.operations.context import Context
    from ffsweb.remote import Session

FOLLOW_SECONDS = 600.0
JOURNAL_LINES = 500
CONTROL_SECONDS = 300.0


@told
def read(context: Context) -> Outcome:
    """Take a reading and store it."""
    node = node_of(context.operation.targets[0])
    taken = readings.take(NodeLogin(node), stop=context.stop)
    context.checkpoint()
    readings.store(taken)
    if taken.error:
        context.log(taken.error, stream="error")
        return Outcome(State.FAILED, f"{node} could not be read. {taken.error}")
    services = taken.facts.services if taken.facts else {}
    for service in services.values():
        context.log(f"{service.name}: release {service.release or 'none'}, {service.active} ({service.sub})")
    return Outcome(State.SUCCEEDED, f"{node} was read: {len(services)} services.")


@told
def enrol(context: Context) -> Outcome:
    """Finish the set-up of a node and give it a host key of its own."""
    target = context.operation.targets[0]
    node = node_of(target)
    login = NodeLogin(node)
    try:
        with login.connect(stop=context.stop) as session:
            contact(context, target, node, login, session)
    except NODE_ERRORS as error:
        context.checkpoint()
        context.log(str(error), stream="error")
        return Outcome(State.FAILED, f"The first contact with {node} failed. {error}")
    _read_after(context, NodeLogin(node_of(target)))
    return Outcome(State.SUCCEEDED, f"{node} is set up, and its host key is pinned.")


def contact(context: Context, target: Target, node: Node, login: NodeLogin, session: Session) -> None:
    """Do what a node still needs before anything is staged on it; nothing, if it was done before."""
    program = program_for(context, target, session)
    with context.step("set up", target):
        program.ask(node_commands.setup(context.fence))
    if first_contact.needed(node):
        with context.step("pin host key", target) as step:
            key = first_contact.replace_host_key(program, login=login, fence=context.fence)
            context.log(f"The host key of {node} is now {key.fingerprint}.", target=target)
            step.evidence({"host_key": key.fingerprint})


def program_for(context: Context, target: Target, session: Session) -> NodeProgram:
    """``ffs-node`` over ``session``, its output in the log of ``target``."""
    return NodeProgram(
        session, log=lambda text, stream: context.log(text, target=target, stream=stream), stop=context.stop
    )


@told
def control(context: Context) -> Outcome:
    """Start, stop or restart a service, and read what came of it."""
    target = context.operation.targets[0]
    service = service_of(target)
    verb = context.operation.params["verb"]
    protect_service(context, service)
    login = NodeLogin(service.node)
    try:
        with login.connect(stop=context.stop) as session, context.step(verb, target):
            program = program_for(context, target, session)
            program.ask(node_commands.control(context.fence, service.name, verb), timeout=CONTROL_SECONDS)
    except NODE_ERRORS as error:
        context.checkpoint()
        context.log(str(error), target=target, stream="error")
        _read_after(context, login)
        return Outcome(State.FAILED, f"{verb.capitalize()} of {service} failed. {error}")
    Service.objects.filter(pk=service.pk).update(stopped_at=timezone.now() if verb == "stop" else None)
    taken = _read_after(context, login)
    found = taken.facts.services.get(service.name) if taken.facts else None
    if found is None:
        return Outcome(State.UNKNOWN, f"{verb.capitalize()} was done, but {service.node} could not be read after it.")
    wanted = "inactive" if verb == "stop" else "active"
    state = State.SUCCEEDED if found.active == wanted else State.FAILED
    return Outcome(state, f"{service} is {found.active} ({found.sub}) after {verb}.")


def _read_after(context: Context, login: NodeLogin) -> readings.Taken:
    """What is true afterwards; a reading that was stopped says nothing of the node, and is not kept."""
    taken = readings.take(login, stop=context.stop)
    context.checkpoint()
    readings.store(taken)
    return taken


@told
def journal(context: Context) -> Outcome:
    """Show a service's journal in the log; followed for at most ten minutes, or until somebody cancels."""
    target = context.operation.targets[0]
    service = service_of(target)
    params = context.operation.params
    protect_service(context, service)
    follow = bool(params.get("follow"))
    argv = node_commands.logs(
        service.name, lines=JOURNAL_LINES, follow=follow, grep=str(params.get("search") or "") or None
    )

    def tell(event: Event) -> None:
        if isinstance(event, Line):
            at = time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(event.at))
            context.log(f"{at} {event.text}", target=target, stream="out")

    try:
        with NodeLogin(service.node).connect(stop=context.stop) as session:
            program = program_for(context, target, session)
            program.ask(argv, timeout=FOLLOW_SECONDS if follow else LONG, tell=tell)
    except NODE_ERRORS as error:
        if follow and (context.stop.is_set() or isinstance(error, Deadline)):
            again = (
                ""
                if context.stop.is_set()
                else f" It was, for {FOLLOW_SECONDS / 60:.0f} minutes: follow it again to go on."
            )
            return Outcome(State.SUCCEEDED, f"The journal is no longer followed.{again}")
        context.log(str(error), stream="error")
        return Outcome(State.FAILED, f"The journal of {service} could not be read. {error}")
    return Outcome(State.SUCCEEDED, "This is the journal as it was read.")
