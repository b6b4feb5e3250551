"""The two kinds of operations on access keys: the dashboard's own are rotated, operators' are brought and taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployments.execution.access_keys import apply_to_node
from deployments.execution.errors import Offline, told
from deployments.execution.node_waves import Work, in_waves
from deployments.execution.rotate_ssh import rotate_node
from deployments.execution.targets import node_of
from deployments.models import NodeAccess
from deployments.models.dashboard_key import owe_rotation

if TYPE_CHECKING:
    from ffsweb.operations.context import Context
    from ffsweb.operations.contract import Outcome, Target

KIND = "rotate-ssh"
ACCESS_KIND = "access-keys"


@told
def rotate(context: Context) -> Outcome:
    """Each node gets a new key of the dashboard's."""
    words = "have a new key, and take no old one."
    return in_waves(context, Work(rotate_node, _owe_rotation, words, "the new key"))


@told
def apply(context: Context) -> Outcome:
    """Each node gets the operators' keys that are wanted, and loses those that are not."""
    words = "have the keys that are wanted, and none that is to go."
    return in_waves(context, Work(apply_to_node, _owe_keys, words, "what it is owed"))


def _owe_rotation(context: Context, target: Target, why: Offline) -> None:
    owe_rotation(node_of(target), operation=context.operation, problem=str(why))


def _owe_keys(_context: Context, target: Target, why: Offline) -> None:
    """The ledger says already what is owed."""
    NodeAccess.objects.filter(node=node_of(target)).update(problem=str(why))
