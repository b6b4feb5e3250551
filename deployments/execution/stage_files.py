"""Staging project files: what changed travels, the rest comes from the release that the node runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from deployments.core.facts import NodeFacts
from deployments.core.filetransfer import transfer
from deployments.core.filetree import FileTree
from deployments.core.filetree_errors import FilesError
from deployments.core.node_events import Refused
from deployments.core.sizes import shown_bytes
from deployments.execution.errors import TargetFailed
from deployments.execution.file_deltas import make_deltas
from deployments.execution.files_sender import Packed, Plain, Sender
from deployments.models.desired import running_files
from deployments.oci.forms_errors import FormGone, FormStopped
from ffsweb.remote import RemoteError

if TYPE_CHECKING:
    from deployments.execution.deploy_target import DeployTarget

RESUMED_FROM = 4_000_000
"""Bytes from which on a cut is worth going on from: then the node is asked first what it has, a round trip more."""
ATTEMPTS = 4
PAUSE = 1.0
"""How often a connection that is lost while files are sent is made again, and seconds before that."""
NOT_FROM_BASE = frozenset({"delta", "not-found", "verify"})
"""What a node says when its base release is not what it should be; without it, all files can still be sent."""


def stage_files(run: DeployTarget, facts: NodeFacts) -> dict[str, Any]:
    """Bring the release's files to the node; what that took, for the step's evidence. Raises TargetFailed.

    If the node cannot use the release that it has, they are all sent.
    """
    service = facts.service(run.service.name)
    known = running_files(run.service, facts)
    base = service.release if service and known is not None and service.release in service.releases else None
    packed = "zstd" in getattr(facts, "tools", ())
    try:
        try:
            return _stage(run, known if known is not None and base else FileTree(), base, packed=packed)
        except Refused as refused:
            if base is None or refused.code not in NOT_FROM_BASE:
                raise
            run.context.log(f"{refused.text} Sending all files.", target=run.target, stream="warning")
            return _stage(run, FileTree(), None, packed=packed)
    except (FilesError, FormGone) as error:
        raise TargetFailed(str(error)) from error
    except FormStopped:
        run.context.checkpoint()
        raise


def _stage(run: DeployTarget, before: FileTree, base: int | None, *, packed: bool) -> dict[str, Any]:
    wanted, context, target = run.wanted.files, run.context, run.target
    travel = transfer(before, wanted)
    new = len(travel.whole) + len(travel.alike)
    gone = len({each.path for each in before.entries} - {each.path for each in wanted.entries})
    context.log(
        f"Sending files: {new} changed or new ({shown_bytes(travel.size)}), {len(travel.copied)} that the node has "
        f"under another name, {gone} that go.",
        target=target,
    )
    sender: Sender
    if packed:
        deltas = tuple(make_deltas(travel.alike, context.stop))
        sender = Packed(run, base, travel, deltas, resume=travel.size >= RESUMED_FROM)
    else:
        sender = Plain(run, base, travel)
    _insist(run, sender)
    context.log(
        f"The files are on the node: {shown_bytes(sender.sent)} of {shown_bytes(wanted.size)} were sent"
        f" ({sender.how}).",
        target=target,
    )
    return {"files bytes": sender.sent, "files size": wanted.size, "files sent": sender.how}


def _insist(run: DeployTarget, sender: Sender) -> None:
    """Send, and go on over a new connection when one is lost on the way."""
    attempt = 1
    while True:
        try:
            sender.send()
        except RemoteError as error:
            run.context.checkpoint()
            if error.permanent or not sender.resumes or attempt == ATTEMPTS:
                raise
            run.context.log(f"{error} Going on where it was cut.", target=run.target, stream="warning")
            attempt += 1
            run.close()
            run.context.stop.wait(PAUSE)
        else:
            return
