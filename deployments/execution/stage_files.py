"""Staging project files: what changed travels, the rest comes from the release that the node runs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from django.conf import settings

from deployments.core import node_commands, node_input
from deployments.core.filetree import FileTree, diff
from deployments.core.node_events import Event, Progress
from deployments.execution.node_program import LONG
from deployments.models.desired import running_files
from deployments.oci.filestore import files_directory, tar_of

if TYPE_CHECKING:
    from deployments.core.facts import NodeFacts
    from deployments.execution.deploy_target import DeployTarget


def stage_files(run: DeployTarget, facts: NodeFacts) -> int:
    """The changed files travel; the others are taken from the release that the node runs."""
    service = facts.service(run.service.name)
    known = running_files(run.service, facts)
    base = service.release if service and known is not None and service.release in service.releases else None
    changes = diff(known if known is not None and base else FileTree(), run.wanted.files)
    sent = sorted(entry.path for entry in (*changes.added, *changes.changed))
    run.context.log(f"Sending files: {len(sent)} changed or new, {len(changes.removed)} removed.", target=run.target)

    def stream() -> Iterator[bytes]:
        yield node_input.stage_files_head(
            (node_input.StagedFile(e.path, e.mode, e.size, e.sha256) for e in run.wanted.files.entries), sent
        )
        if sent:
            for chunk in tar_of(run.wanted.files, sent, files_directory(settings.DATA / "files")):
                run.context.checkpoint()
                yield chunk

    run.program().ask(
        node_commands.stage_files(run.fence, run.service.name, run.release.number, base),
        stdin=stream(),
        timeout=LONG,
        tell=lambda event: _progress(run, event),
    )
    return sum(entry.size for entry in (*changes.added, *changes.changed))


def _progress(run: DeployTarget, event: Event) -> None:
    if isinstance(event, Progress):
        run.context.log(f"{event.done} of {event.total} files.", target=run.target)
