"""Makes plans: what an operation would change, from what should be and what was last read. Pure; nothing is asked."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from .filecompare import compare
from .filetree import FileTree
from .plan_inputs import Desired, Held
from .plan_json import PlanError, effect_hash, from_json, from_value, plan_hash, to_json
from .plan_layers import layers_plan
from .plan_values import (
    AMBER,
    RED,
    Change,
    Check,
    CredentialsPlan,
    FileChange,
    FileMove,
    FilesPlan,
    Layer,
    LayersPlan,
    Plan,
    TargetPlan,
)
from .preflight import preflight
from .quadlet import unit_diff
from .rollout import Member, Rollout, split

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from .facts_values import ServiceFacts
    from .filetree import FileEntry

__all__ = [
    "ALL_AT_ONCE",
    "Change",
    "Check",
    "CredentialsPlan",
    "Desired",
    "FileChange",
    "FileMove",
    "FilesPlan",
    "Held",
    "Layer",
    "LayersPlan",
    "Plan",
    "PlanError",
    "TargetPlan",
    "effect_hash",
    "from_json",
    "from_value",
    "make_plan",
    "plan_hash",
    "to_json",
]

ALL_AT_ONCE = Rollout()
_OPERATION = re.compile(r"^Operation=.*$", re.MULTILINE)


def make_plan(
    targets: Sequence[tuple[Desired, Held]], *, kind: str = "deploy", rollout: Rollout = ALL_AT_ONCE
) -> Plan:
    """The plan for services of one project that all get the same release, in the order given.

    Raises ValueError if there are none, or if they disagree about project or release, or if a service occurs twice;
    RolloutError if the waves do not fit them.
    """
    if not targets:
        raise ValueError("a plan needs at least one service")
    if len({(desired.project, desired.release) for desired, _ in targets}) > 1:
        raise ValueError("the services are of different projects or get different releases")
    if len({desired.key for desired, _ in targets}) != len(targets):
        raise ValueError("a service occurs twice")
    first = targets[0][0]
    waves = split(rollout, [Member(desired.key, desired.node, desired.tags) for desired, _ in targets])
    planned = tuple(_target(desired, held) for desired, held in targets)
    return Plan(kind, first.project, first.release, planned, rollout, waves)


def _target(desired: Desired, held: Held) -> TargetPlan:
    service = held.facts.service(desired.service) if held.facts else None
    files, layers = _files(desired, held, service), layers_plan(desired, held)
    release = Change(str(service.release) if service and service.release else "", str(desired.release))
    image = Change((service.image_id if service else None) or "", desired.image_id)
    changes = unit_diff(_neutral(held.unit), _neutral(desired.unit))
    checks = (*preflight(desired, held, files, layers), *desired.notes)
    if held.facts and not changes and not image and service and service.active == "active":
        checks = (*checks, Check("Changes", AMBER, "Nothing changes; the service would only be restarted."))
    if service and service.project not in {None, desired.project}:
        text = f"The service {desired.service} on {desired.node} belongs to the project {service.project}."
        checks = (*checks, Check("Project", RED, text))
    return TargetPlan(
        key=desired.key,
        service=desired.service,
        node=desired.node,
        release=release,
        image=image,
        files=files,
        layers=layers,
        certificate=Change((service.certificate if service else None) or "", desired.certificate),
        credentials=_credentials(desired, service),
        unit_diff=changes,
        unit_sha256=(service.unit_sha256 if service else None) or "",
        checks=checks,
    )


def _neutral(unit: str) -> str:
    """A unit without the number of the operation that wrote it, which is no change of the service."""
    return _OPERATION.sub("Operation=", unit)


def _files(desired: Desired, held: Held, service: ServiceFacts | None) -> FilesPlan:
    releases = service.releases if service else ()
    current = (service.release if service else None) or 0
    known = held.files is not None and current in releases
    before = held.files if held.files is not None and known else FileTree()
    found = compare(before, desired.files)
    staged = desired.release in releases
    to_send = 0 if staged else found.travel.size
    return FilesPlan(
        base=current if known else 0,
        added=_sizes(found.added),
        changed=_sizes((*found.changed, *found.mode_changed)),
        removed=_sizes(found.removed),
        staged=staged,
        bytes_to_send=to_send,
        moved=tuple(FileMove(each.path, each.source, each.size) for each in found.moved),
        size=desired.files.size,
        expected=to_send if staged or held.files_bytes is None else held.files_bytes,
    )


def _sizes(entries: Iterable[FileEntry]) -> tuple[FileChange, ...]:
    return tuple(FileChange(entry.path, entry.size) for entry in sorted(entries, key=lambda entry: entry.path))


def _credentials(desired: Desired, service: ServiceFacts | None) -> CredentialsPlan:
    old = (service.credentials if service else None) or ""
    there = not desired.credentials or (service is not None and desired.credentials in service.credentials_held)
    return CredentialsPlan(old, desired.credentials, () if there else tuple(sorted(desired.credential_names)))
