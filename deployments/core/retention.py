"""What stays on a node when it is pruned, what goes, and when. What its units name the node protects by itself."""

from __future__ import annotations

import datetime as dt
import zlib
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from .facts_values import NodeFacts, ServiceFacts

T = TypeVar("T", int, str)

GOOD = 2
"""Releases kept beside the one that runs: the last that were proven live there."""
LONGEST = 100
"""Entries of one list that the node takes."""
_DAY = 24 * 3600


@dataclass(frozen=True, slots=True)
class Needed:
    """What one release needs on a node; "" for what it does without."""

    release: int
    image_id: str
    certificate: str = ""
    credentials: str = ""


@dataclass(frozen=True, slots=True)
class Kept:
    """The lists of ``ffs-node prune`` for one service. An empty one means that everything of its kind is kept."""

    service: str
    releases: tuple[int, ...]
    certificates: tuple[str, ...]
    credentials: tuple[str, ...]
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pruning:
    """What is asked of a node, and how much that would remove, by kind: ``release``, ``image``, ``certificate`` …"""

    kept: tuple[Kept, ...]
    surplus: Mapping[str, int]

    @property
    def words(self) -> str:
        """Such as “2 releases, 1 image”; "" for nothing."""
        return counted(self.surplus)


def pruning(facts: NodeFacts, project: str, needed: Mapping[str, Iterable[Needed]]) -> Pruning:
    """For the services of ``project`` that are in ``needed`` by name, and that the node has.

    A service with a pending switch is left alone, and so is one of which nothing runs and nothing was proven: what is
    there may be its first release on its way. Images go by the needs of all services together.
    """
    ours = {name: found for name, found in facts.services.items() if found.project == project}
    of = {name: _with_running(found, needed.get(name, ())) for name, found in ours.items()}
    images = _unique(each.image_id for name in of for each in of[name])
    kept = [
        Kept(
            service=name,
            releases=_unique(each.release for each in of[name]),
            certificates=_unique(each.certificate for each in of[name]),
            credentials=_unique(each.credentials for each in of[name]),
            images=images if len(images) <= LONGEST else (),
        )
        for name, found in sorted(ours.items())
        if name in needed and of[name] and found.pending is None
    ]
    return Pruning(tuple(kept), _surplus(facts, project, kept))


def _with_running(found: ServiceFacts, needed: Iterable[Needed]) -> list[Needed]:
    rows = list(needed)
    if found.release and found.image_id:
        running = Needed(found.release, found.image_id, found.certificate or "", found.credentials or "")
        rows.insert(0, running)
    return rows


def _unique(values: Iterable[T]) -> tuple[T, ...]:
    return tuple(sorted({value for value in values if value}))


def _surplus(facts: NodeFacts, project: str, kept: Iterable[Kept]) -> dict[str, int]:
    count: Counter[str] = Counter()
    images: set[str] = set()
    for each in kept:
        found = facts.services[each.service]
        count["release"] += len(set(found.releases) - set(each.releases))
        count["certificate"] += len(set(found.certs) - set(each.certificates)) if each.certificates else 0
        count["set of credentials"] += (
            len(set(found.credentials_held) - set(each.credentials)) if each.credentials else 0
        )
        images |= _images(facts, project) - set(each.images) if each.images else set()
    count["image"] += len(images)
    return {kind: number for kind, number in count.items() if number}


def gone(before: NodeFacts, after: NodeFacts, project: str) -> dict[str, int]:
    """What the second reading lacks of the first, by kind as in ``Pruning.surplus``."""
    count: Counter[str] = Counter(image=len(_images(before, project) - _images(after, project)))
    for name, old in before.services.items():
        new = after.service(name)
        if new is not None:
            count["release"] += len(set(old.releases) - set(new.releases))
            count["certificate"] += len(set(old.certs) - set(new.certs))
            count["set of credentials"] += len(set(old.credentials_held) - set(new.credentials_held))
    return {kind: number for kind, number in count.items() if number}


def freed(before: NodeFacts, after: NodeFacts) -> int:
    """Bytes that are free now and were not before, on both disks; 0 if other things took more meanwhile."""
    pairs = {(before.disk_images, after.disk_images), (before.disk_var, after.disk_var)}  # one disk counts once
    return max(0, sum(new.free - old.free for old, new in pairs))


def counted(kinds: Mapping[str, int]) -> str:
    """``2 releases, 1 image``."""
    words = {"set of credentials": "sets of credentials"}
    return ", ".join(
        f"{number} {kind if number == 1 else words.get(kind, f'{kind}s')}" for kind, number in sorted(kinds.items())
    )


def daily_slot(now: dt.datetime, key: int) -> dt.datetime:
    """The last moment up to ``now`` (UTC) at which what has this key was due: once a day, at a time of its own."""
    offset = zlib.crc32(f"prune:{key}".encode()) % _DAY
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    slot = midnight + dt.timedelta(seconds=offset)
    return slot if slot <= now else slot - dt.timedelta(days=1)


def _images(facts: NodeFacts, project: str) -> set[str]:
    return {each.removeprefix(f"{project}:") for each in facts.staged_images if each.startswith(f"{project}:")}
