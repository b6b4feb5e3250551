"""Staging an image: what a node lacks of it goes through the connection that the operation has already.

A lost connection is made again and the push goes on; a node that cannot put together what came gets it plainer.
"""

from __future__ import annotations

import secrets
import time
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from deployments.core import node_commands
from deployments.core.node_events import Event, Progress, Refused
from deployments.core.transfer_again import again_without
from deployments.core.transfer_result import Pushed
from deployments.core.transfer_values import FETCH, Without
from deployments.execution.errors import TargetFailed
from deployments.execution.node_program import LONG
from deployments.execution.pushing import image_of, pace_of, turn
from deployments.execution.transfer_cuts import Cuts
from deployments.execution.transfer_forms import Chooser
from deployments.execution.transfer_held import HeldForms
from deployments.execution.transfer_meter import Meter, remember_link, remember_strength
from deployments.execution.transfer_offer import offered, opened
from deployments.execution.transfer_order import LowestFirst, order_of
from deployments.execution.transfer_parcel import parcel_of
from deployments.execution.transfer_task import forms, others_of
from deployments.models import Image
from deployments.models.image_store import store
from deployments.oci.errors import ImageError
from ffsweb.remote import RemoteError

if TYPE_CHECKING:
    from deployments.core.facts import NodeFacts
    from deployments.core.transfer_values import Link, Transfer
    from deployments.execution.deploy_target import DeployTarget
    from deployments.execution.pushing import Turn
    from deployments.oci.forms import Form
    from deployments.oci.pacing import Pacer

BUSY_PAUSE, BUSY_SECONDS = 3.0, 1800.0
"""A node takes one image at a time: so often, and so long, it is asked whether it is our turn."""


def stage_image(run: DeployTarget, facts: NodeFacts) -> dict[str, Any]:
    """Bring the image to the node; what was sent and how, for the step's evidence.

    Raises TargetFailed, and what a conversation with a node raises.
    """
    with HeldForms(forms()) as held:
        return _Push(run, held).run(facts)


class _Push:
    def __init__(self, run: DeployTarget, held: HeldForms) -> None:
        self._run, self._image, self._context, self._target = run, run.image, run.context, run.target
        self._meter, self._held = Meter(self._show), held
        self._began = time.monotonic()
        self._chooser: Chooser | None = None
        self._transfer: Transfer | None = None
        self._order: LowestFirst | None = None
        self._turn: Turn | None = None
        self._cuts, self._patience = Cuts(self._context, self._target), self._began + BUSY_SECONDS
        self._expected: int | None = None

    def run(self, facts: NodeFacts) -> dict[str, Any]:
        without, fresh = Without(), facts
        while True:
            self._context.checkpoint()
            self._cuts.arrived(fresh.fetched.get(self._image.image_id, 0))
            try:
                return self._attempt(fresh, without)
            except Refused as refused:
                without = self._after_no(refused, without)
            except RemoteError as error:
                without = self._after_cut(error, without)
            fresh = self._facts_again()

    def _facts_again(self) -> NodeFacts:
        """What the node holds by now, over whichever connection; raises what the last attempt to make one raised."""
        while True:
            try:
                return self._run.program().facts()[0]
            except RemoteError as error:
                self._after_cut(error, Without())

    def _after_no(self, refused: Refused, without: Without) -> Without:
        """What to leave out the next time; raises the refusal if trying again changes nothing."""
        if refused.code == "busy" and time.monotonic() < self._patience:
            self._context.stop.wait(BUSY_PAUSE)
            return without
        if refused.code == "fetch" and not self._cuts.too_many:
            self._cuts.pause(str(refused))
            return without
        plainer = again_without(refused.code, self._transfer, without) if self._transfer else None
        if plainer is None or plainer == without:
            raise refused
        self._log(f"{refused} Sending the image in a plainer form.", "warning")
        return plainer

    def _after_cut(self, error: RemoteError, without: Without) -> Without:
        """A connection that was lost is made again; where the node can, what comes from now on survives a cut."""
        self._context.checkpoint()
        if error.permanent or self._cuts.too_many:
            raise error
        self._run.line.close()
        self._cuts.pause(str(error))
        return replace(without, pull=True)

    def _attempt(self, facts: NodeFacts, without: Without) -> dict[str, Any]:
        node, session = self._run.service.node, self._run.program().session
        link = replace(node.link(), round_trip=session.round_trip())
        try:
            transfer, found = self._choose(facts, link, without)
            with image_of(node.pk, self._context, self._log), turn(self._context, self._log) as self._turn:
                self._log(f"Pushing the image {self._image}: layers to send: {len(transfer.layers)}. {transfer.why}")
                self._order = order_of(transfer, found, link, self._context.checkpoint)
                kept = self._send(transfer, found, link)
        except ImageError as error:
            raise TargetFailed(str(error)) from error
        remember_link(node, self._meter.rate(), session.round_trip(), link)
        remember_strength(node, transfer, self._meter.since_the_last)
        return self._done(transfer, kept)

    def _choose(self, facts: NodeFacts, link: Link, without: Without) -> tuple[Transfer, dict[str, Form]]:
        if self._chooser is None:
            service = facts.service(self._run.service.name)
            rows = Image.objects.filter(project_id=self._image.project_id, image_id__in=list(facts.image_ids)[:500])
            others = others_of(rows, self._image, (service.image_id if service else None) or "")
            self._chooser = Chooser(self._context, self._target, self._image, others, self._held)
        self._transfer, found = self._chooser.choose(facts, link, self._run.service.node.strength, without)
        if self._expected is None:
            self._expected = self._transfer.bytes
        return self._transfer, found

    def _send(self, transfer: Transfer, found: dict[str, Form], link: Link) -> int:
        """Offer it and let the node take it; the bytes that it had kept of an attempt that was cut."""
        self._meter.begin(transfer.bytes + transfer.kept, transfer.kept)
        token, pace = secrets.token_hex(16), pace_of(self._run.service.node)
        endpoint, manifest = offered(
            store(),
            self._image.manifest_digest,
            transfer,
            found,
            link,
            token=token,
            repository=self._run.wanted.project,
            on_bytes=self._count,
            pace=pace,
        )
        parcel = parcel_of(transfer, found, self._chooser.others if self._chooser else ())
        program = self._run.program()
        argv = node_commands.stage_image(
            self._run.fence, self._run.service.name, self._run.wanted.project, self._image.image_id, parcel.against
        )
        with nullcontext() if parcel.alone else opened(program.session, endpoint) as door:
            request = parcel.request(door, manifest)
            if transfer.way == FETCH:
                self._count_request(len(request.reveal()), pace, last=parcel.alone)
            answer = program.ask(argv, stdin=request, timeout=max(LONG, 4 * transfer.seconds), tell=self._tell)
        kept = answer.fields.get("kept")
        return kept if isinstance(kept, int) and not isinstance(kept, bool) and kept > 0 else 0

    def _count_request(self, size: int, pace: Pacer | None, *, last: bool) -> None:
        """What comes with the request counts as everything else that is sent; ``last``: nothing comes after it."""
        if pace is not None:
            pace.take(size)
        self._count("", size)
        if last and self._turn is not None:
            self._turn.give_back()

    def _count(self, digest: str, more: int) -> None:
        self._context.checkpoint()
        self._meter.count(digest, more)
        if self._meter.all_sent and self._turn is not None:
            self._turn.give_back()
        if self._order is not None:
            self._order.sent(digest, more)

    def _tell(self, event: Event) -> None:
        if isinstance(event, Progress) and event.total:
            self._meter.node_has(event.done)

    def _show(self, done: int, total: int, rate: float) -> None:
        self._context.progress(self._target, done, total, rate=rate)

    def _done(self, transfer: Transfer, kept: int) -> dict[str, Any]:
        planned = self._run.planned.layers.estimate
        expected = planned.bytes if planned.way else self._expected or 0
        total = transfer.bytes + transfer.kept
        self._context.progress(self._target, total, total)
        pushed = Pushed(transfer, self._meter.sent, kept, expected, time.monotonic() - self._began)
        self._log(pushed.said)
        return pushed.evidence()

    def _log(self, text: str, stream: str = "info") -> None:
        self._context.log(text, target=self._target, stream=stream)
