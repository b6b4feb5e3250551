"""From a plan to the forms that it needs: made where they are missing, and the plan made again with their sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from deployments.core.sizes import shown_bytes
from deployments.core.transfer import plan_transfer
from deployments.core.transfer_values import DELTA, Without
from deployments.execution.pushing import conversion
from deployments.execution.transfer_task import Known, task_for
from deployments.oci.errors import ImageError
from deployments.oci.forms_errors import FormError, FormStopped
from deployments.oci.forms_values import Wanted
from deployments.oci.verified import verify_once

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from deployments.core.facts import NodeFacts
    from deployments.core.transfer_values import Link, Transfer
    from deployments.execution.transfer_held import HeldForms
    from deployments.models import Image
    from deployments.oci.forms import Form
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Target

ROUNDS = 4
"""A form may turn out larger than its estimate, so that another one is better; so often the plan is made again."""


class Chooser:
    """Decides for one node; remembers what could not be made. ``others`` are images that the node has."""

    def __init__(
        self, context: Context, target: Target, image: Image, others: Sequence[Image], held: HeldForms
    ) -> None:
        self._context, self._target, self._image, self.others = context, target, image, others
        self._held = held
        self._not_from: set[tuple[str, str]] = set()
        self._packed = True

    def choose(
        self, facts: NodeFacts, link: Link, strength: float | None, without: Without
    ) -> tuple[Transfer, dict[str, Form]]:
        """The plan, and by diffID the forms that it needs (none for layers that travel as they are), which stay.

        Raises Cancelled and Parked, and ImageError where the store's own layer is damaged; whatever else is wrong
        with a form makes the plan do without it.
        """
        for left in range(ROUNDS, 0, -1):
            known = Known(self._held.forms, self._held.taken)
            allowed = without if self._packed else replace(without, packed=True, delta=True, chunked=True)
            task = task_for(
                self._image,
                facts,
                link,
                self.others,
                known,
                strength=strength,
                without=allowed if left > 1 else replace(allowed, delta=True, chunked=True),
                not_from=self._not_from,
            )
            transfer = plan_transfer(task)
            found = self._make(transfer, facts.fetched)
            if found is not None and (transfer.exact or left == 1):
                return transfer, found
        return plan_transfer(replace(task, without=replace(without, packed=True))), {}

    def _make(self, transfer: Transfer, rather: Collection[str]) -> dict[str, Form] | None:
        """The forms; None if one of them cannot be made, which is remembered."""
        found = {}
        for layer in transfer.layers:
            kind = layer.form
            if kind == "raw":
                verify_once(self._held.forms.store.blobs.path(layer.diff_id), layer.diff_id)
                continue
            wanted = Wanted(kind, layer.diff_id, layer.base)
            try:
                if self._held.find(wanted, rather) is not None:
                    form = self._held.take(wanted, rather, self._context.stop)
                else:
                    doing = "Comparing" if layer.form == DELTA else "Compressing"
                    self._context.log(f"{doing} a layer of {shown_bytes(layer.size)}.", target=self._target)
                    with conversion(self._context):
                        form = self._held.take(wanted, rather, self._context.stop)
            except FormStopped:
                self._context.checkpoint()
                raise
            except (FormError, ImageError, OSError) as error:
                self._context.log(
                    f"{error} Sending the layer in another form.", target=self._target, stream="warning"
                )
                if layer.base:
                    self._not_from.add((layer.diff_id, layer.base))
                else:
                    self._packed = False
                return None
            found[layer.diff_id] = form
        return found
