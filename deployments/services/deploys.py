"""Deploys: planned from stored readings, asked for by the plan's hash."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from django.db import transaction
from django.utils import timezone

from certificates.models import Certificate
from deployments.core.plan import ALL_AT_ONCE, PlanError, effect_hash, make_plan, plan_hash, to_json
from deployments.core.plan import Plan as PlanValue
from deployments.core.quadlet import UnitError
from deployments.core.rollout import Rollout, RolloutError
from deployments.core.rotation import DEPLOY, KINDS, certificate_of
from deployments.models import HostKey, Node, Owed, Plan, Reading, Release, Service
from deployments.models.desired import desired, held, image_of, running_number
from deployments.services import rotations
from deployments.services.file_estimates import with_estimates
from deployments.services.refusals import NotPossible, Refused
from deployments.services.transfers import Transfers
from ffsweb.audit.services import SYSTEM, record
from ffsweb.operations.services import Busy, Target, enqueue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.http import HttpRequest

    from ffsweb.accounts.models import User
    from ffsweb.operations.models import Operation


__all__ = ["NotPossible", "Refused", "is_stale", "preview", "request_deploy"]


def preview(
    *,
    release: Release,
    services: Iterable[Service],
    actor: User | None,
    rollout: Rollout = ALL_AT_ONCE,
    kind: str = DEPLOY,
    certificate: Certificate | None = None,
) -> Plan:
    """The plan for ``services``, kept under its hash; raises NotPossible. No node is asked.

    A rotation is of another ``kind`` (``core.rotation``) and brings ``certificate``; the release is the one that is
    live. ``actor`` None: the dashboard itself. Eleven queries, however many services. A plan that says the same as an
    earlier one is that one, made again.
    """
    value = _make(release, services, rollout, kind=kind, certificate=certificate, estimate=True)
    row, _ = Plan.objects.update_or_create(
        hash=plan_hash(value),
        defaults={
            "project": release.project,
            "body": json.loads(to_json(value)),
            "created_at": timezone.now(),
            "created_by": actor.get_username() if actor else SYSTEM,
        },
    )
    return row


def is_stale(plan: Plan) -> bool:
    """Whether the same plan made now, from newer readings, would do something else, or could not be done any more.

    Eight queries.
    """
    try:
        value = plan.parsed()
        fresh = _remake(plan, value)
    except (PlanError, Refused, Release.DoesNotExist):
        return True
    return effect_hash(fresh) != effect_hash(value) or fresh.refused != value.refused


def request_deploy(
    *, plan: Plan, actor: User | None, wait: bool = False, request: HttpRequest | None = None
) -> Operation:
    """Put exactly this plan to work; raises Refused or Busy, and then nothing was started. Audited either way.

    With ``wait`` it waits for what others hold instead. It stays bound to the plan: when its turn comes, each node is
    read and compared with the plan before anything is touched, and a change ends it.
    """
    try:
        with transaction.atomic():
            return _start(plan, actor, request, wait=wait)
    except (Busy, Refused) as error:
        record(
            actor=actor,
            action="deploy.refused",
            project=plan.project,
            detail={"plan": plan.hash, "why": str(error)},
            request=request,
        )
        raise


def _start(plan: Plan, actor: User | None, request: HttpRequest | None, *, wait: bool) -> Operation:
    try:
        value = plan.parsed()
    except PlanError as error:
        raise Refused(
            "The plan was made by another version of ffsweb. Nothing was started: make a fresh plan."
        ) from error
    if value.refused:
        raise Refused("The plan is refused: see its red rows. Nothing was started.")
    keys = _keys(value)
    # Locked, so that nobody edits a service between the comparison and the hold; by key, so that two deploys cannot
    # wait for each other.
    rows = Service.objects.select_for_update(of=("self",)).select_related("node", "project")
    services = sorted(
        rows.filter(project=plan.project, pk__in=keys).order_by("pk"), key=lambda service: keys.index(service.pk)
    )
    if is_stale(plan):
        raise Refused("The nodes changed since this plan was made. Nothing was started: make a fresh plan.")
    release = Release.objects.for_lists().get(project=plan.project, number=value.release)
    operation = enqueue(
        kind="deploy",
        project=plan.project,
        actor=actor,
        title=_title(value, release, services),
        params={"plan": plan.body},
        targets=[Target(key=service.resource, label=str(service)) for service in services],
        holds=_holds(services),
        plan_hash=plan.hash,
        wait=wait,
    )
    if value.kind not in KINDS:
        Owed.objects.filter(service__in=services).delete()  # this one takes its place
    record(
        actor=actor,
        action="rotate.request" if value.kind in KINDS else "deploy.request",
        project=plan.project,
        target=str(release),
        detail={"plan": plan.hash, "operation": operation.pk, "services": [str(service) for service in services]}
        | ({"wait": True} if wait else {})
        | ({"certificate": certificate_of(value)} if value.kind in KINDS else {}),
        request=request,
    )
    return operation


def _make(
    release: Release,
    services: Iterable[Service],
    rollout: Rollout,
    *,
    kind: str = DEPLOY,
    certificate: Certificate | None = None,
    estimate: bool = False,
) -> PlanValue:
    now = timezone.now()
    rows_of_release = Release.objects.select_related("project", "image", "files").prefetch_related("variants")
    release = rows_of_release.get(pk=release.pk)
    rows = Service.objects.select_related("node", "project", "certificate", "served").filter(
        project_id=release.project_id, pk__in=[row.pk for row in services]
    )
    chosen = list(rows.order_by("node__name", "name"))
    if not chosen:
        raise NotPossible("The services of this plan are gone.")
    if certificate is not None:
        rotations.refuse(chosen, release, certificate, rollout)
    readings = Node.objects.filter(pk__in={service.node_id for service in chosen}).newest_readings()
    running = _running(release, chosen, readings)
    known = {node_id: facts for node_id, reading in readings.items() if (facts := reading.parsed())}
    transfers = Transfers(release, known.values()) if estimate else None
    pairs = []
    for service in chosen:
        reading, facts = readings.get(service.node_id), known.get(service.node_id)
        image = image_of(release, facts)
        try:
            wanted = desired(service, release, now=now, image=image, certificate=certificate)
        except UnitError as error:
            raise NotPossible(f"{service} cannot have release {release.number}: {error}.") from error
        if certificate is not None:
            wanted = replace(wanted, notes=rotations.notes(kind, service, certificate))
        found = held(service, reading, now=now, running=running)
        if transfers and facts:
            found = replace(found, transfer=transfers.of(service, image, facts))
        pairs.append((wanted, found))
    try:
        return make_plan(with_estimates(pairs) if estimate else pairs, kind=kind, rollout=rollout)
    except RolloutError as error:
        raise NotPossible(str(error)) from error


def _running(release: Release, services: list[Service], readings: dict[int, Reading]) -> dict[int, Release]:
    """By number, the project's releases that the nodes run. One query."""
    numbers = set()
    for service in services:
        reading = readings.get(service.node_id)
        facts = reading.parsed() if reading else None
        if facts:
            numbers.add(running_number(service, facts))
    rows = Release.objects.select_related("files").filter(project_id=release.project_id, number__in=numbers)
    return {row.number: row for row in rows}


def _remake(plan: Plan, value: PlanValue) -> PlanValue:
    release = Release.objects.get(project=plan.project, number=value.release)
    services = list(Service.objects.filter(project=plan.project, pk__in=_keys(value)))
    if len(services) != len(value.targets):
        raise NotPossible("A service of this plan was removed.")
    certificate = None
    if value.kind in KINDS:
        rows = Certificate.objects.filter(project=plan.project, fingerprint=certificate_of(value))
        certificate = rows.first()
        if certificate is None:
            raise NotPossible("The certificate of this plan was removed.")
    return _make(release, services, value.rollout, kind=value.kind, certificate=certificate)


def _keys(value: PlanValue) -> list[int]:
    return [int(target.key.partition(":")[2]) for target in value.targets]


def _holds(services: list[Service]) -> list[str]:
    """The services; and a node whose host key is not pinned, because its first contact touches it as a whole."""
    pinned = set(
        HostKey.objects.filter(
            node__in=[service.node_id for service in services], kind=HostKey.Kind.PINNED
        ).values_list("node_id", flat=True)
    )
    nodes = {service.node.resource for service in services if service.node_id not in pinned}
    return [*(service.resource for service in services), *sorted(nodes)]


def _title(value: PlanValue, release: Release, services: list[Service]) -> str:
    if value.kind in KINDS:
        return f"Rotate the certificate of {_shown(services)}"
    return f"Deploy release {release.number} to {_shown(services)}"


def _shown(services: list[Service]) -> str:
    return str(services[0]) if len(services) == 1 else f"{len(services)} services"
