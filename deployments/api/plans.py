"""Plans in the API."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.shortcuts import get_object_or_404
from ninja import Field, Router, Schema

from deployments.core.plan import PlanError
from deployments.models import Plan
from deployments.services import deploys
from ffsweb.accounts.models import Role
from ffsweb.rest.caller import Call
from ffsweb.rest.rights import needs
from ffsweb.web.problems import Problem

router = Router(tags=["plans"])


class TargetShape(Schema):
    """What happens to one service. ``unit_diff`` are lines of a unified diff; sizes in bytes."""

    service: str
    release_old: str
    release_new: str
    image_old: str
    image_new: str
    changes: bool
    bytes_to_send: int
    files_added: int
    files_changed: int
    files_removed: int
    unit_diff: list[str]
    warnings: list[str]
    refusals: list[str]


class PlanShape(Schema):
    """What an operation would do. It is put to work by its hash, and is exactly what is done."""

    hash: str
    kind: str
    release: int
    refused: bool
    stale: bool = Field(description="Newer readings would give another plan: make it again.")
    warnings: int = Field(description="How many warnings have to be known before it is put to work.")
    bytes_to_send: int
    rollout: list[str] = Field(description="How it goes out, in sentences.")
    waves: list[list[str]]
    targets: list[TargetShape]
    created_at: datetime
    created_by: str


@router.get("/projects/{project}/plans/{plan}", response=PlanShape, summary="One plan")
@needs(Role.VIEWER)
def get_plan(request: Call, project: str, plan: str) -> dict[str, Any]:
    """By its hash."""
    return shape(find_plan(request, plan))


def find_plan(request: Call, digest: str) -> Plan:
    """The plan of this hash in the call's project, or 404. One query."""
    return get_object_or_404(Plan, project=request.project, hash=digest)


def shape(row: Plan) -> dict[str, Any]:
    """A plan; raises Problem for one of another version of ffsweb. Eight queries."""
    try:
        plan = row.parsed()
    except PlanError as error:
        raise Problem(409, "That plan was made by another version of ffsweb. Make a fresh one.") from error
    return {
        "hash": row.hash,
        "kind": plan.kind,
        "release": plan.release,
        "refused": plan.refused,
        "stale": deploys.is_stale(row),
        "warnings": plan.warnings,
        "bytes_to_send": plan.bytes_to_send,
        "rollout": list(plan.rollout_in_words),
        "waves": [list(wave) for wave in plan.shown_waves],
        "targets": [_target(target) for target in plan.targets],
        "created_at": row.created_at,
        "created_by": row.created_by,
    }


def _target(target: Any) -> dict[str, Any]:
    return {
        "service": f"{target.service}@{target.node}",
        "release_old": target.release.old,
        "release_new": target.release.new,
        "image_old": target.image.old,
        "image_new": target.image.new,
        "changes": target.changes,
        "bytes_to_send": target.bytes_to_send,
        "files_added": len(target.files.added),
        "files_changed": len(target.files.changed),
        "files_removed": len(target.files.removed),
        "unit_diff": list(target.unit_diff),
        "warnings": list(target.warnings),
        "refusals": list(target.refusals),
    }
