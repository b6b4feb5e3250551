"""Staging an image: what a node lacks of it goes through the connection that the operation has already."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from deployments.core import node_commands, node_input
from deployments.execution.imports import store
from deployments.execution.node_program import LONG
from deployments.oci.endpoint import offer
from deployments.oci.registry import serve

if TYPE_CHECKING:
    from deployments.execution.deploy_target import DeployTarget


def stage_image(run: DeployTarget) -> int:
    """The node pulls what it lacks through the connection that it already has; how many bytes went to it."""
    image, context, target = run.image, run.context, run.target
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
