"""What lives on a node: the program ``ffs-node``, its unit, and the supervisor that containers run under."""

from __future__ import annotations

from functools import cache

from deployments.nodekit.assemble import VERSION, assemble, restore_unit

__all__ = ["VERSION", "ffs_node_script", "restore_unit"]


@cache
def ffs_node_script() -> str:
    """The text of ``/usr/local/bin/ffs-node``; the same for every node."""
    return assemble()
