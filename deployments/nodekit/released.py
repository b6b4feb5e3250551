"""The program that this release brings to nodes: its text, and what tells it from any other."""

from __future__ import annotations

import hashlib
from functools import cache

from deployments.core.layout import PROTOCOL
from deployments.core.program import Program
from deployments.nodekit.assemble import VERSION, assemble, restore_unit

__all__ = ["VERSION", "ffs_node_program", "ffs_node_script", "restore_unit"]


@cache
def ffs_node_script() -> str:
    """The text of ``/usr/local/bin/ffs-node``; the same for every node."""
    return assemble()


@cache
def ffs_node_program() -> Program:
    """What nodes are upgraded to."""
    return Program(PROTOCOL, VERSION, hashlib.sha256(ffs_node_script().encode()).hexdigest())
