"""What of a project must not be forgotten, however old it is."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from django.db.models import Max, Q

from deployments.core.retention import GOOD
from ffsweb.operations.models import Operation, OperationTarget
from ffsweb.operations.states import State

from .content import Image, Release
from .node import Node
from .plan import Plan
from .proven import Proven
from .registry import PushedManifest
from .service import Service

if TYPE_CHECKING:
    from datetime import datetime

    from ffsweb.accounts.models import Project

_LOOKS = ("journal", "read")
"""Kinds that tell what was looked at, not what was done."""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def telling_operations(project: Project) -> set[int]:
    """The last operation on each service, and its last deploy that succeeded: they tell what runs. Three queries."""
    keys = [service.resource for service in Service.objects.filter(project=project)]
    rows = OperationTarget.objects.filter(key__in=keys, operation__project=project).order_by()
    succeeded = rows.filter(operation__kind="deploy", operation__state=State.SUCCEEDED)
    done = rows.exclude(operation__kind__in=_LOOKS)
    last = (each.values("key").annotate(last=Max("operation_id")) for each in (done, succeeded))
    return {row["last"] for found in last for row in found}


def needed_releases(project: Project, newest: int) -> set[int]:
    """Numbers of the releases that stay. Seven queries, and the newest reading of each node of the project.

    The last ``newest``; what is live or wanted anywhere, or runs by a node's last reading; what is gone back to; what
    plans and operations that have not ended are about.
    """
    rows = Release.objects.filter(project=project)
    numbers = set(rows.order_by("-number").values_list("number", flat=True)[:newest])
    numbers |= set(
        rows.filter(Q(live_on__isnull=False) | Q(desired_by__isnull=False)).values_list("number", flat=True)
    )
    good: dict[int, list[int]] = {}
    proofs = Proven.objects.filter(release__project=project).order_by("-at")
    for service_id, number in proofs.values_list("service_id", "release__number"):
        good.setdefault(service_id, []).append(number)
    numbers |= {number for found in good.values() for number in found[: GOOD + 1]}
    nodes = Node.objects.filter(Q(project=project) | Q(services__project=project)).distinct()
    for reading in nodes.newest_readings().values():
        facts = reading.parsed()
        services = facts.services.values() if facts else ()
        numbers |= {found.release for found in services if found.release and found.project == project.name}
    active = Operation.objects.filter(project=project).active().values_list("params", flat=True)
    for body in (*Plan.objects.filter(project=project).values_list("body", flat=True), *active):
        numbers |= _numbers(body)
    return numbers


def _numbers(value: object) -> set[int]:
    """Every release that a plan, or an operation's parameters with one inside, names."""
    found: set[int] = set()
    for name, each in value.items() if isinstance(value, dict) else ():
        if name == "release":
            for number in each.values() if isinstance(each, dict) else (each,):
                found |= {int(number)} if str(number).isdecimal() else set()
        elif name in {"plan", "params"}:
            found |= _numbers(each)
        elif name == "targets" and isinstance(each, list):
            found |= {number for target in each for number in _numbers(target)}
    return found


def loose_images(project: Project, before: datetime) -> list[Image]:
    """Images that came before ``before`` and that nothing refers to. Five queries.

    What refers to one: a release; a tag; an operation that has not ended; and, if it came in an index with others,
    what refers to one of those.
    """
    rows = Image.objects.filter(project=project)
    in_release = Q(releases__isnull=False) | Q(variant_of__isnull=False)
    tagged = PushedManifest.objects.filter(project=project, tags__isnull=False)
    kept = {*rows.filter(in_release | Q(pushed_manifests__tags__isnull=False)).values_list("pk", flat=True)}
    indexes = {*rows.filter(pk__in=kept).values_list("index_digest", flat=True)} | {
        *tagged.values_list("kept_digest", flat=True)
    }
    named: set[object] = set()
    for params in Operation.objects.filter(project=project).active().values_list("params", flat=True):
        named |= {params.get("image"), *_DIGEST.findall(json.dumps(params))}
    old = rows.filter(came_at__lt=before).defer("layers", "config")
    return [
        image
        for image in old
        if image.pk not in kept
        and not (image.index_digest and image.index_digest in indexes)
        and not {image.pk, image.image_id, image.manifest_digest} & named
    ]
