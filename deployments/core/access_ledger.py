"""The ledger of access keys on a node: what each key is there, from what is wanted and what was read. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deployments.core.access import Held

PRESENT: Final = "present"
OWED_ADD: Final = "owed_add"
OWED_REMOVE: Final = "owed_remove"
REMOVED: Final = "removed"
FOREIGN: Final = "foreign"
OWED: Final = (OWED_ADD, OWED_REMOVE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the dashboard knows of one user's keys: ``keys`` are to be there, ``leaving`` are to go, ``known`` may be
    there. Of ``keys`` the node has to note those in ``break_glass`` as such."""

    keys: frozenset[str]
    leaving: frozenset[str] = frozenset()
    known: frozenset[str] = frozenset()
    break_glass: frozenset[str] = frozenset()

    def met(self, key: str, held: Held) -> bool:
        """Whether a key of ``keys`` is on the node as it has to be."""
        return held.holds(key) and (key not in self.break_glass or key in held.break_glass)


@dataclass(frozen=True, slots=True)
class Work:
    """What a node needs, in this order: nothing is removed before all that is added is seen there."""

    add: tuple[str, ...]
    remove: tuple[str, ...]


def work(wanted: Wanted, held: Held) -> Work:
    """What is to be done where sshd takes the keys ``held``. A break-glass key of the node's is not removed."""
    there = {each.key for each in held.keys}
    return Work(
        tuple(sorted(key for key in wanted.keys if not wanted.met(key, held))),
        tuple(sorted((wanted.leaving & there) - wanted.keys - held.break_glass)),
    )


def settle(wanted: Wanted, held: Held, before: Mapping[str, str]) -> dict[str, str]:
    """The state of each key after a reading; ``before`` are the states from the ledger.

    Unknown keys are foreign, what was there and is gone is removed, and a leaving key that the node never removes is
    owed no more.
    """
    there = {each.key for each in held.keys}
    states = dict.fromkeys(wanted.keys, OWED_ADD)
    states |= {key: PRESENT for key in wanted.keys if wanted.met(key, held)}
    for key in there - states.keys():
        leaving, kept = key in wanted.leaving, key in held.break_glass
        known = leaving or key in wanted.known
        states[key] = OWED_REMOVE if leaving and not kept else PRESENT if known else FOREIGN
    for key in before.keys() - states.keys():
        states[key] = REMOVED
    return states


def expect(wanted: Wanted, before: Mapping[str, str]) -> dict[str, str]:
    """The states that change by a wish alone, before anybody looked at the node."""
    states = {key: OWED_ADD for key in wanted.keys if before.get(key) not in {PRESENT, OWED_ADD}}
    leaving = (key for key in wanted.leaving - wanted.keys if before.get(key) in {PRESENT, FOREIGN, OWED_ADD})
    return states | dict.fromkeys(leaving, OWED_REMOVE)
