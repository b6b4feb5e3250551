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
from deployments.execution.files_outflow import Outflow
from deployments.execution.files_sender import Packed, Plain, Sender
from deployments.execution.pushing import conversion, turn
from deployments.models.desired import running_files
from deployments.oci.forms_errors import FormGone, FormStopped
from ffsweb.remote import RemoteError

if TYPE_CHECKING:
    from deployments.execution.deploy_target import DeployTarget

RESUMED_FROM = 4_000_000
"""Bytes from which on a cut is worth going on from: then the node is asked first what it has, a round trip more."""
PAUSES = (1.0, 2.0, 4.0, 8.0)
"""Seconds before each new connection after one was lost while files were sent."""
NOT_FROM_BASE = frozenset({"delta", "not-found", "verify"})
"""What a node says when its base release is not what it should be; without it, all files can still be sent."""


def stage_files(run: DeployTarget, facts: NodeFacts) -> dict[str, Any]:
    """Bring the release's files to the node; what that took, for the step's evidence. Raises TargetFailed.

    If the node cannot use the release that it has, they are all sent.
    """
    service = facts.service(run.service.name)
    known = running_files(run.service, facts)
    base = service.release if service and known is not None and service.release in service.releases else None
    packed, out = "zstd" in facts.tools, Outflow(run)
    try:
        try:
            return _stage(run, out, known if known is not None and base else FileTree(), base, packed=packed)
        except Refused as refused:
            if base is None or refused.code not in NOT_FROM_BASE:
                raise
            run.context.log(f"{refused.text} Sending all files.", target=run.target, stream="warning")
            return _stage(run, out, FileTree(), None, packed=packed)
    except (FilesError, FormGone) as error:
        raise TargetFailed(str(error)) from error
    except FormStopped:
        run.context.checkpoint()
        raise


def _stage(run: DeployTarget, out: Outflow, before: FileTree, base: int | None, *, packed: bool) -> dict[str, Any]:
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
        with conversion(context):
            deltas = tuple(make_deltas(travel.alike, context.stop))
        sender = Packed(
            run, out, (base, before) if base else None, travel, deltas, resume=travel.size >= RESUMED_FROM
        )
    else:
        sender = Plain(run, out, base, travel)
    with turn(context):
        _insist(run, out, sender)
    out.end()
    planned = run.planned.files.expected
    context.log(
        f"The files are on the node: {shown_bytes(out.sent)} sent of {shown_bytes(wanted.size)} ({sender.how}); "
        f"the plan said {shown_bytes(planned)}.",
        target=target,
    )
    return {
        "files bytes": out.sent,
        "of files bytes": wanted.size,
        "planned files bytes": planned,
        "files": sender.how,
    }


def _insist(run: DeployTarget, out: Outflow, sender: Sender) -> None:
    """Send, and go on over a new connection when one is lost on the way."""
    cuts = 0
    while True:
        out.begin()
        try:
            sender.send()
        except RemoteError as error:
            run.context.checkpoint()
            if error.permanent or cuts == len(PAUSES):
                raise
            run.context.log(f"{error} Going on in {PAUSES[cuts]:.0f} s.", target=run.target, stream="warning")
            run.line.close()
            run.context.stop.wait(PAUSES[cuts])
            cuts += 1
        else:
            return
