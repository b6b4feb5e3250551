"""What a rotation adds to a deploy: its certificate, and the look at what is served, before and after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from certificates.models import Certificate
from deployments.core.health_values import ServedProbe
from deployments.core.rotation import KINDS, ROTATE, certificate_of
from deployments.core.served import ports_of, server_name
from deployments.execution.errors import Gone, TargetFailed
from deployments.execution.served_node import look_by
from deployments.execution.served_probe import look

if TYPE_CHECKING:
    from deployments.core.plan import Plan as PlanValue
    from deployments.execution.deploy_target import DeployTarget
    from ffsweb.accounts.models import Project

NO_TLS = (
    "It cannot be seen which certificate is served: {} Nothing was touched. If the service does not speak TLS by "
    "itself, rotate with “no handshake: the file alone”."
)


@dataclass(frozen=True, slots=True)
class Rotation:
    """The new ``certificate``, and whether a handshake has to show it."""

    certificate: Certificate
    handshake: bool


def rotation_of(plan: PlanValue, project: Project) -> Rotation | None:
    """The rotation of a plan, None for a deploy; raises Gone if its certificate is not the planned one any more."""
    if plan.kind not in KINDS:
        return None
    found = Certificate.objects.filter(project=project, fingerprint=certificate_of(plan)).first()
    if found is None or found.version != plan.targets[0].certificate.new:
        raise Gone("The certificate of this rotation was removed. Choose another one and make a fresh plan.")
    return Rotation(found, plan.kind == ROTATE)


def served_now(run: DeployTarget, rotation: Rotation, *, active: bool) -> str:
    """The fingerprint of what is served before the switch, "" if nobody needs to know.

    Raises TargetFailed if the service runs, and no handshake, of the dashboard or of the node, shows its certificate:
    none would show the new one.
    """
    if not rotation.handshake:
        return ""
    service = run.service
    names = service.certificate.names if service.certificate else rotation.certificate.names
    ports = ports_of(service.ports, service.health_check)
    seen = look(service.node.address, ports, name=server_name(names), stop=run.context.stop)
    if not active or seen.fingerprint:
        return seen.fingerprint
    inside = look_by(run.program(), service.name, ports, server_name(names))
    if not inside.fingerprint:
        raise TargetFailed(NO_TLS.format(f"from the dashboard, {seen.error} From the node, {inside.error}"))
    return inside.fingerprint


def new_one(run: DeployTarget) -> ServedProbe | None:
    """What the gate asks: is the new certificate served?"""
    if run.rotation is None or not run.rotation.handshake:
        return None
    new = run.rotation.certificate
    return _probe(run, new.fingerprint, new.names, old=run.served_before)


def old_one(run: DeployTarget) -> ServedProbe | None:
    """What the way back asks: is served again what was served before?"""
    if run.rotation is None or not run.rotation.handshake or not run.served_before:
        return None
    certificate = run.service.certificate
    return _probe(run, run.served_before, certificate.names if certificate else [])


def _probe(run: DeployTarget, fingerprint: str, names: list[str], old: str = "") -> ServedProbe:
    service = run.service
    ports = ports_of(service.ports, service.health_check)
    return ServedProbe(service.node.address, fingerprint, ports, server_name(names), old)
