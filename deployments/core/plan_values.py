"""What a plan says: per service, what is there, what will be there, and what has to travel. Sizes are in bytes."""

from __future__ import annotations

from dataclasses import dataclass

from .plan_layers import Layer, LayersPlan
from .rollout import Rollout, in_words

__all__ = [
    "AMBER",
    "FFS_NODE",
    "GREEN",
    "RED",
    "Change",
    "Check",
    "CredentialsPlan",
    "FileChange",
    "FileMove",
    "FilesPlan",
    "Layer",
    "LayersPlan",
    "Plan",
    "TargetPlan",
]

GREEN, AMBER, RED = "green", "amber", "red"
FFS_NODE = "ffs-node"
"""The name of the check that another ffs-node on the node would change."""


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the preflight: its name, ``green``, ``amber`` (goes on) or ``red`` (refused), and a sentence."""

    name: str
    verdict: str
    text: str


@dataclass(frozen=True, slots=True)
class Change:
    """A value before and after; "" where there is none."""

    old: str
    new: str

    def __bool__(self) -> bool:
        return self.old != self.new


@dataclass(frozen=True, slots=True)
class FileChange:
    """A file, and the bytes of its new content (of its old one if it is removed)."""

    path: str
    size: int


@dataclass(frozen=True, slots=True)
class FileMove:
    """A file whose content the node has under the name ``old``, which it leaves."""

    path: str
    old: str
    size: int


@dataclass(frozen=True, slots=True)
class FilesPlan:
    """The files of a release against those of ``base``, the release on the node that they are made from (0: none).

    ``bytes_to_send`` is the content that the node lacks, an upper bound, and ``expected`` what will probably travel;
    ``size`` is that of all files of the release.
    """

    base: int
    added: tuple[FileChange, ...]
    changed: tuple[FileChange, ...]
    removed: tuple[FileChange, ...]
    staged: bool
    """Whether the node holds this release's files already, so that nothing is sent."""
    bytes_to_send: int
    moved: tuple[FileMove, ...] = ()
    size: int = 0
    expected: int = 0

    def __bool__(self) -> bool:
        return bool(self.added or self.changed or self.removed or self.moved)


@dataclass(frozen=True, slots=True)
class CredentialsPlan:
    """Versions of the sealed settings, before and after; ``names`` are what will be sealed, empty if all is there."""

    old: str
    new: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TargetPlan:
    """What happens to one service. ``unit_sha256`` is that of the unit file that was read, "" if there was none."""

    key: str
    service: str
    node: str
    release: Change
    image: Change
    files: FilesPlan
    layers: LayersPlan
    certificate: Change
    credentials: CredentialsPlan
    unit_diff: tuple[str, ...]
    unit_sha256: str
    checks: tuple[Check, ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What an operator should know first (amber)."""
        return tuple(check.text for check in self.checks if check.verdict == AMBER)

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why this cannot be done now (red)."""
        return tuple(check.text for check in self.checks if check.verdict == RED)

    @property
    def needs_upgrade(self) -> bool:
        """Whether another ffs-node on the node would change what is said of it."""
        return any(check.name == FFS_NODE and check.verdict != GREEN for check in self.checks)

    @property
    def bytes_to_send(self) -> int:
        """Image and files together, as far as it can be told beforehand."""
        return self.files.expected + self.layers.expected

    @property
    def changes(self) -> bool:
        """Whether anything on the node would differ afterwards."""
        return bool(self.unit_diff or self.image or self.certificate or self.credentials.old != self.credentials.new)


@dataclass(frozen=True, slots=True)
class Plan:
    """What an operation of ``kind`` would do; the hash of ``plan_json.to_json`` is its name.

    ``waves``: the keys of the targets that are switched together, wave by wave.
    """

    kind: str
    project: str
    release: int
    targets: tuple[TargetPlan, ...]
    rollout: Rollout
    waves: tuple[tuple[str, ...], ...]

    @property
    def warnings(self) -> int:
        """How many amber checks there are on all targets: they are to be confirmed before anything is begun."""
        return sum(len(target.warnings) for target in self.targets)

    @property
    def rollout_in_words(self) -> tuple[str, ...]:
        """How it goes out, as sentences."""
        return in_words(self.rollout, self.waves)

    @property
    def shown_waves(self) -> tuple[tuple[str, ...], ...]:
        """The same waves by the names of services and nodes."""
        names = {target.key: f"{target.service}@{target.node}" for target in self.targets}
        return tuple(tuple(names[key] for key in wave) for wave in self.waves)

    @property
    def refused(self) -> bool:
        """Whether any target refuses: then nothing is done at all."""
        return any(target.refusals for target in self.targets)

    @property
    def bytes_to_send(self) -> int:
        """To all targets together."""
        return sum(target.bytes_to_send for target in self.targets)
