"""The keys by which a node lets people and the dashboard in; those that nobody here knows are removed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployments.core import access
from deployments.core.layout import ADMIN_USER, DASHBOARD_USER
from deployments.execution.errors import TargetFailed
from deployments.models import DashboardKey
from deployments.models.access_key import keep_reading

if TYPE_CHECKING:
    from deployments.core.access import Held
    from deployments.core.node_argv import Fence
    from deployments.execution.node_program import NodeProgram
    from deployments.models import Node


@dataclass(frozen=True, slots=True)
class Cleared:
    """``removed``: by fingerprint, in which files it was; ``unread``: lines from which no key was read."""

    removed: dict[str, tuple[str, ...]]
    unread: int

    @property
    def each(self) -> list[str]:
        """A sentence for each that was removed."""
        return [
            f"The key {name} in {', '.join(files)} was none of the dashboard's, and was removed."
            for name, files in self.removed.items()
        ]

    def __str__(self) -> str:
        said = []
        if self.removed:
            said.append(f"Removed with it, as none of the dashboard's: {', '.join(self.removed)}.")
        if self.unread:
            lines = "1 line is" if self.unread == 1 else f"{self.unread} lines are"
            said.append(f"{lines} no key that ffs-node understands in {DASHBOARD_USER}'s files: look there by hand.")
        return " ".join(said)


def read_keys(program: NodeProgram) -> dict[str, Held]:
    """By user. Raises what :meth:`NodeProgram.ask` raises."""
    return {user: access.held(program.ask(access.list_keys(user))) for user in (ADMIN_USER, DASHBOARD_USER)}


def remove_strangers(program: NodeProgram, node: Node, fence: Fence) -> Cleared:
    """Leave the dashboard's user no key but the active one, by which ``program`` was logged in, and a pending one.

    Who had a key of that user may have added others. The ledger gets what is read then. One query and those of the
    ledger. Raises TargetFailed if one is there again at once, and what :meth:`NodeProgram.ask` raises.
    """
    pending = DashboardKey.objects.filter(node=node, state=DashboardKey.State.PENDING)
    ours = {access.bare(line) for line in (node.public_key, *pending.values_list("public_key", flat=True))}
    before = access.held(program.ask(access.list_keys(DASHBOARD_USER)))
    strangers = sorted({each.key for each in before.keys} - ours)
    for key in strangers:
        stdin = access.remove_input(key, mine=node.public_key)
        program.ask(access.remove_key(fence, DASHBOARD_USER), stdin=stdin)
    read = read_keys(program)
    keep_reading(node, read)
    after = read[DASHBOARD_USER]
    left = sorted({access.fingerprint(each.key) for each in after.keys if each.key not in ours})
    if left:
        raise TargetFailed(f"{', '.join(left)} came back after it was removed: somebody writes it there right now.")
    return Cleared({access.fingerprint(key): before.files_of(key) for key in strangers}, after.unread)
