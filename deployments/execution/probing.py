"""The health checks of a gate: made from a service, and asked from each side that is wanted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployments.core import node_commands, node_input
from deployments.core.gates import GateSpec
from deployments.core.health import HealthCheckError
from deployments.core.health_values import DASHBOARD, Probe, Probed, ServedProbe, probes_of
from deployments.core.node_events import Refused
from deployments.execution import dashboard_probe, served_probe
from deployments.execution.errors import NODE_ERRORS, TargetFailed
from deployments.execution.served_node import look_by

if TYPE_CHECKING:
    from deployments.core.plan import Desired
    from deployments.execution.conversation import Conversation
    from deployments.models import Service
    from ffsweb.operations.context import Context

SHOWN = 400
"""Characters of a node's own words that are repeated."""
UNKNOWN = (
    "cannot be asked: ffs-node there is older than health checks. Upgrade it, or choose on the service's form to ask "
    "from the dashboard"
)


def gate_spec(service: Service, wanted: Desired, *, began: float, served: ServedProbe | None = None) -> GateSpec:
    """What the gate of ``service`` waits for; ``began`` as in GateSpec. With ``served``, that
    certificate has to be served too. One query unless the node was selected.

    Raises TargetFailed for a health check that cannot be asked.
    """
    try:
        check = service.health()
    except HealthCheckError as error:
        raise TargetFailed(f"The health check of {service} cannot be asked. {error}") from error
    return GateSpec(
        mode=wanted.mode,
        image_id=wanted.image_id,
        began=began,
        start_timeout=float(service.start_timeout),
        settle=float(service.settle),
        probes=(*probes_of(check, service.health_from, service.node.address), *((served,) if served else ())),
    )


def probed(context: Context, line: Conversation, service: str, spec: GateSpec) -> tuple[Probed, ...]:
    """What each side sees now. A bad answer is asked for once more at once: one lost packet is no verdict.

    A side is missing if the node could not be reached to ask it. Raises what ends the run, within 2 s of a stop.
    """
    seen = (_twice(context, line, service, probe) for probe in spec.probes)
    return tuple(each for each in seen if each is not None)


def _twice(context: Context, line: Conversation, service: str, probe: Probe | ServedProbe) -> Probed | None:
    first = _once(context, line, service, probe)
    if first is not None and (first.good or first.hopeless):
        return first
    return _once(context, line, service, probe)


def _once(context: Context, line: Conversation, service: str, probe: Probe | ServedProbe) -> Probed | None:
    context.checkpoint()
    try:
        if isinstance(probe, ServedProbe):
            return _served(context, line, service, probe)
        if probe.side == DASHBOARD:
            return dashboard_probe.ask(probe, stop=context.stop)
        return _by_node(line, service, probe)
    except NODE_ERRORS as error:
        context.checkpoint()
        line.log(f"The node could not be asked for the health check: {error}", "warning")
        line.close()
        return None


def _served(context: Context, line: Conversation, service: str, probe: ServedProbe) -> Probed:
    """The dashboard's handshake proves it; where it does not, the node's own may: something answers in between."""
    outside = served_probe.look(probe.address, probe.ports, name=probe.name, stop=context.stop)
    if outside.fingerprint == probe.fingerprint:
        return served_probe.judged(probe, outside)
    inside = look_by(line.program(), service, probe.ports, probe.name)
    if inside.fingerprint == probe.fingerprint or (inside.fingerprint and not outside.fingerprint):
        return served_probe.judged(probe, inside, whose="The node's own")
    return served_probe.judged(probe, outside)


def _by_node(line: Conversation, service: str, probe: Probe) -> Probed:
    argv = node_commands.probe(service, probe.check)
    try:
        answer = line.program().ask(argv, stdin=node_input.probe_input(probe.check))
    except Refused as refused:
        unknown = refused.no_such_verb
        said = UNKNOWN if unknown else f"could not be asked: {refused.text[:SHOWN]}"
        return Probed(probe.side, probe.what, good=False, said=said, hopeless=unknown)
    return Probed(probe.side, probe.what, answer.flag("good"), answer.string("said", rf"[ -~]{{1,{SHOWN}}}"))
