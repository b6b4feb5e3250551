"""Staging: what a node lacks is brought to it. Nothing that runs is touched, so all of it may die and start again."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.conf import settings

from certificates.core.opensslenc import encrypt
from deployments.core import node_commands, node_input
from deployments.core.filetree import FileTree, diff
from deployments.core.node_events import Event, Progress
from deployments.execution.imports import store
from deployments.execution.node_program import LONG
from deployments.execution.secrets import open_certificate
from deployments.models.desired import running_files, supervisor_file
from deployments.oci.endpoint import offer
from deployments.oci.filestore import files_directory, tar_of
from deployments.oci.registry import serve

if TYPE_CHECKING:
    from deployments.core.facts import NodeFacts
    from deployments.execution.deploy_target import DeployTarget


def stage(run: DeployTarget) -> dict[str, Any]:
    """Image, files, supervisor, certificate, credentials: each only if the node lacks it. What was sent, in bytes."""
    program = run.program()
    facts, _ = program.facts()
    service = facts.service(run.service.name)
    sent: dict[str, Any] = {}
    if run.wanted.image_id not in facts.image_ids:
        sent["image bytes"] = _image(run)
    if service is None or run.release.number not in service.releases:
        sent["files bytes"] = _files(run, facts)
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


def _image(run: DeployTarget) -> int:
    """The node pulls what it lacks through the connection that it already has; how many bytes went to it."""
    image, context, target = run.release.image, run.context, run.target
    total, count = run.planned.layers.bytes_to_send, [0]

    def on_bytes(_digest: str, more: int) -> None:
        context.checkpoint()
        count[0] += more
        context.progress(target, min(count[0], total), total)

    context.log(f"Pushing the image {image}: layers to send: {len(run.planned.layers.missing)}.", target=target)
    token = secrets.token_hex(16)
    endpoint = offer(store(), image.manifest_digest, token=token, repository=run.wanted.project, on_bytes=on_bytes)
    program = run.program()
    with program.session.reverse_forward(lambda channel: serve(channel, endpoint)) as forward:
        program.ask(
            node_commands.stage_image(run.fence, run.service.name, run.wanted.project, image.image_id),
            stdin=node_input.stage_image_input(forward.port, token, image.manifest_digest),
            timeout=LONG,
        )
    context.progress(target, total, total)
    context.log(f"The image is on the node; {count[0] / 1e6:.2f} MB were sent.", target=target)
    return count[0]


def _files(run: DeployTarget, facts: NodeFacts) -> int:
    """The changed files travel; the others are taken from the release that the node runs."""
    service = facts.service(run.service.name)
    known = running_files(run.service, facts)
    base = service.release if service and known is not None and service.release in service.releases else None
    changes = diff(known if known is not None and base else FileTree(), run.wanted.files)
    run.context.log(
        f"Sending files: {len(changes.sent)} changed or new, {len(changes.removed)} removed.", target=run.target
    )

    def stream() -> Iterator[bytes]:
        yield node_input.stage_files_head(
            (node_input.StagedFile(e.path, e.mode, e.size, e.sha256) for e in run.wanted.files.entries), changes.sent
        )
        if changes.sent:
            for chunk in tar_of(run.wanted.files, changes.sent, files_directory(settings.DATA / "files")):
                run.context.checkpoint()
                yield chunk

    run.program().ask(
        node_commands.stage_files(run.fence, run.service.name, run.release.number, base),
        stdin=stream(),
        timeout=LONG,
        tell=lambda event: _progress(run, event),
    )
    return changes.bytes_to_send


def _progress(run: DeployTarget, event: Event) -> None:
    if isinstance(event, Progress):
        run.context.log(f"{event.done} of {event.total} files.", target=run.target)


def _certificate(run: DeployTarget) -> None:
    certificate = run.service.certificate
    if certificate is None:
        return
    run.context.log(f"Sending the certificate {certificate}.", target=run.target)
    key, passphrase = open_certificate(run.context, certificate)
    run.program().ask(
        node_commands.stage_certificate(run.fence, run.service.name, certificate.fingerprint),
        stdin=node_input.stage_certificate_input(certificate.chain_pem, encrypt(key.reveal(), passphrase.reveal())),
    )
