"""Staging: what a node lacks is brought to it. Nothing that runs is touched, so all of it may die and start again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from certificates.core.errors import KeyMismatch
from certificates.core.opensslenc import encrypt
from certificates.core.x509 import prove_pair
from deployments.core import node_commands, node_input
from deployments.execution.errors import TargetFailed
from deployments.execution.secrets import open_certificate
from deployments.execution.stage_files import stage_files
from deployments.execution.stage_image import stage_image
from deployments.models.desired import supervisor_file

if TYPE_CHECKING:
    from deployments.execution.deploy_target import DeployTarget


def stage(run: DeployTarget) -> dict[str, Any]:
    """Image, files, supervisor, certificate, credentials: each only if the node lacks it. What was sent, in bytes."""
    program = run.program()
    facts, _ = program.facts()
    service = facts.service(run.service.name)
    sent: dict[str, Any] = {}
    # One that is there without our name, or damaged, is what staging finishes or mends; the bytes are there already.
    if not facts.has_staged(run.wanted.project, run.wanted.image_id):
        sent |= stage_image(run, facts)
    if service is None or run.release.number not in service.releases:
        sent |= stage_files(run, facts)
    program = run.program()  # the connection may have been lost and made again
    digest, text = supervisor_file()
    if run.wanted.mode.value == "supervisor" and (service is None or digest not in service.supervisors):
        program.ask(node_commands.stage_supervisor(run.fence, run.service.name, digest), stdin=text)
    if run.wanted.certificate and (service is None or run.wanted.certificate not in service.certs):
        _certificate(run)
    if run.wanted.credentials and (service is None or run.wanted.credentials not in service.credentials_held):
        run.context.log("Sealing the credentials on the node.", target=run.target)
        program.ask(
            node_commands.seal(run.fence, run.service.name, run.wanted.credentials),
            stdin=node_input.seal_input(run.credentials),
            timeout=120.0,
        )
    if run.wanted.certificate:
        program.ask(
            node_commands.verify_certificate(run.service.name, run.wanted.certificate, run.wanted.credentials)
        )
    program.ask(node_commands.check_unit(run.service.name), stdin=run.unit.encode())
    return sent


def _certificate(run: DeployTarget) -> None:
    certificate = run.certificate
    if certificate is None:
        return
    run.context.log(f"Sending the certificate {certificate}.", target=run.target)
    key, passphrase = open_certificate(run.context, certificate)
    try:
        prove_pair(certificate.chain_pem, key.reveal())
    except KeyMismatch as error:
        raise TargetFailed(str(error)) from error
    run.program().ask(
        node_commands.stage_certificate(run.fence, run.service.name, run.wanted.certificate),
        stdin=node_input.stage_certificate_input(certificate.chain_pem, encrypt(key.reveal(), passphrase.reveal())),
    )
