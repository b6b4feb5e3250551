"""How the image of a planned deploy would come to each node by now. No node is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployments.core.transfer import plan_transfer
from deployments.execution.transfer_task import Known, forms, others_of, task_for
from deployments.models import Image

if TYPE_CHECKING:
    from collections.abc import Iterable

    from deployments.core.facts import NodeFacts
    from deployments.core.transfer_values import Transfer
    from deployments.models import Release, Service

HELD_LIMIT = 500
"""Images of one node that are looked at; a node holds a handful."""


class Transfers:
    """The planner for the services of one plan. One query, and a look at each layer's forms, for all of them."""

    def __init__(self, release: Release, facts: Iterable[NodeFacts]) -> None:
        held = {image_id for each in facts for image_id in sorted(each.image_ids)[:HELD_LIMIT]}
        rows = Image.objects.filter(project_id=release.project_id, image_id__in=held).defer("config")
        self._images = {row.image_id: row for row in rows}
        self._known = Known(forms())

    def of(self, service: Service, image: Image, facts: NodeFacts) -> Transfer | None:
        """The plan for one node; None if it holds the image."""
        if image.image_id in facts.image_ids:
            return None
        running = facts.service(service.name)
        held = [row for image_id, row in self._images.items() if image_id in facts.image_ids]
        others = others_of(held, image, (running.image_id if running else None) or "")
        node = service.node
        return plan_transfer(task_for(image, facts, node.link(), others, self._known, strength=node.strength))
