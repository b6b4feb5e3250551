"""Which ffs-node the nodes have, by their readings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import OuterRef, Subquery
from django.db.models.fields.json import KT

from deployments.core.program import Program, Standing, program_from, standing
from deployments.nodekit.released import ffs_node_program

from .reading import Reading

if TYPE_CHECKING:
    from .node import NodeQuerySet

_FIELDS = ("protocol", "version", "program_sha256")


@dataclass(frozen=True, slots=True)
class NodeProgram:
    """A node's ffs-node, ours, and how the first stands to the second."""

    found: Program
    ours: Program
    standing: Standing


def programs_on(nodes: NodeQuerySet) -> dict[int, NodeProgram]:
    """By the node's key, what the last reading with an answer says; who never answered is not in it. One query."""
    answered = Reading.objects.filter(node=OuterRef("pk"), facts__has_key="program_sha256").order_by("-taken_at")
    asked = {
        f"ffs_node_{name}": Subquery(answered.annotate(told=KT(f"facts__{name}")).values("told")[:1])
        for name in _FIELDS
    }
    ours = ffs_node_program()
    found: dict[int, NodeProgram] = {}
    for pk, protocol, version, sha256 in nodes.annotate(**asked).values_list("pk", *asked):
        told = str(protocol)
        whole = int(told) if told.isascii() and told.isdecimal() and len(told) < 10 else None
        program = program_from(dict(zip(_FIELDS, (whole, version, sha256), strict=True)))
        if program is not None:
            found[pk] = NodeProgram(program, ours, standing(program, ours))
    return found
