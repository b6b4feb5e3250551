"""A look at the certificate that a service serves, from its own node: over SSH, by ``ffs-node served``."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deployments.core import node_commands
from deployments.core.node_events import AnswerError, BadAnswer, Refused
from deployments.core.served import ports_of, server_name
from deployments.execution.node_program import NodeProgram
from deployments.execution.served_probe import Look
from ffsweb.remote import Interrupted, RemoteError
from ffsweb.sealed import CannotOpen

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from deployments.core.node_events import Answer
    from deployments.execution.connection import NodeLogin
    from deployments.models import Service

TOO_OLD = "the node's program is too old to look: upgrade ffs-node."
NO_HOST_KEY = "no host key of the node counts, so it is not connected to."
LATEST = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
PATTERN = r"[ -~]{0,400}"


def looks_from(login: NodeLogin, services: Sequence[Service], *, stop: threading.Event) -> Iterator[Look]:
    """What the node sees of each of its ``services``, in their order, over one connection; fewer after a ``stop``.

    Certificate and project of the services have to be selected: no query is made. At most 6 s for each port.
    """
    if not login.endpoint.host_keys:
        yield from (Look(error=NO_HOST_KEY) for _ in services)
        return
    told = 0
    try:
        with login.connect(stop=stop) as session:
            program = NodeProgram(session, log=_nowhere, stop=stop)
            for service in services:
                yield look_from(program, service)
                told += 1
    except Interrupted:
        return
    except (RemoteError, CannotOpen) as error:
        yield from (Look(error=f"the node could not be asked: {error}") for _ in services[told:])


def look_from(program: NodeProgram, service: Service) -> Look:
    """What the node sees of ``service``. Raises RemoteError."""
    name = server_name(service.certificate.names if service.certificate else [])
    return look_by(program, service.name, ports_of(service.ports, service.health_check), name)


def look_by(program: NodeProgram, service: str, ports: Sequence[int], name: str) -> Look:
    """What the node sees at the first of ``ports`` that speaks TLS, asked for ``name`` by SNI. Raises RemoteError."""
    if not ports:
        return Look(error="it publishes no TCP port.")
    try:
        return _read(program.ask(node_commands.served(service, ports, name)))
    except Refused as refused:
        return Look(error=TOO_OLD if refused.no_such_verb else f"the node did not look: {refused.text[:400]}")
    except AnswerError as error:
        return Look(error=f"the node did not look: {error}")


def _read(answer: Answer) -> Look:
    port = answer.number("port")
    if not port:
        return Look(error=f"{answer.string('said', PATTERN)}.")
    fingerprint = answer.string("fingerprint", r"[0-9a-f]{64}")
    if port > 65535:
        raise BadAnswer("The node's answer has no proper port.")
    end = answer.number("not_after") if answer.fields.get("not_after") is not None else None
    known = datetime.fromtimestamp(end, UTC) if end is not None and end <= LATEST else None
    return Look(port, fingerprint, known)


def _nowhere(_text: str, _stream: str) -> None:
    return
