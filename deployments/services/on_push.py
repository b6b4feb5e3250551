"""A pushed image that the project's policy takes up: a release is made of it, and a deploy planned or started.

The push writes a row; the worker does the rest, by the services that the pages and the API use, in the name of
whoever made the access token, and only as far as token and person may at that moment.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import structlog
from django.db import transaction
from django.utils import timezone

from deployments.core.push_policy import ASK, DEPLOY, OFF
from deployments.core.rollout import Rollout, RolloutError, check
from deployments.models import HostKey, PushPolicy, Release, Service, TakenUp
from deployments.services import deploys, push_news
from deployments.services.push_policy import chosen
from deployments.services.releases import Gone, make_release
from ffsweb.accounts import tokens
from ffsweb.accounts.errors import TokenRefused
from ffsweb.accounts.models import Role
from ffsweb.audit.services import record
from ffsweb.notify.letter import one_line
from ffsweb.operations.models import Hold
from ffsweb.operations.services import Busy

if TYPE_CHECKING:
    from deployments.models import Plan
    from ffsweb.accounts.models import User

logger = structlog.get_logger(__name__)

PATIENCE = timedelta(hours=24)
"""For how long an image waits for services that are in use."""

State = TakenUp.State


class _NotDeployed(Exception):
    """Nothing was started; the text says why."""


class _Elsewhere(Exception):
    """Another worker has it."""


def take_up_waiting() -> int:
    """Go on with what waits, the newest image of each project; how many were started. One query if nothing waits."""
    started = 0
    waiting = TakenUp.objects.filter(state=State.WAITING)
    for project_id in list(waiting.order_by("project_id").values_list("project_id", flat=True).distinct()):
        rows = list(waiting.filter(project_id=project_id).select_related("project"))
        if not rows:
            continue  # another worker was faster
        newest = rows[0]
        for row in rows[1:]:
            _end(row, State.OVERTAKEN, f"{newest.name} came before this one was begun.")
        try:
            started += _take_up(newest)
        except Exception as error:  # one project's trouble keeps nothing from the others, and is not tried for ever
            logger.exception("pushed_image_not_taken_up", image=newest.pk)
            _end(newest, State.NOT_DEPLOYED, f"A mistake of ffsweb ({type(error).__name__}); its log has it.")
    return started


def _take_up(row: TakenUp) -> int:
    policy = PushPolicy.objects.filter(project=row.project).first()
    services = chosen(row.project, policy) if policy else []
    if policy and policy.mode == DEPLOY and _in_use(services):
        if timezone.now() - row.created_at > PATIENCE:
            _end(row, State.NOT_DEPLOYED, "Its services were in use for a day.")
        return 0
    try:
        return _go_on(row, policy, services)
    except (Busy, _Elsewhere):
        return 0  # somebody was faster: at the next tick
    except (_NotDeployed, Gone, deploys.Refused) as error:
        _end(row, State.NOT_DEPLOYED, str(error))
        return 0


def _go_on(row: TakenUp, policy: PushPolicy | None, services: list[Service]) -> int:
    actor = _actor(row)
    if policy is None or policy.mode == OFF:
        raise _NotDeployed("The policy was switched off meanwhile.")
    release = _release(row, actor, policy.mode)
    if not services:
        raise _NotDeployed("The policy's services and tags choose no service of this project.")
    plan = deploys.preview(release=release, services=services, actor=actor, rollout=_rollout(policy))
    if policy.mode == ASK:
        _end(row, State.ASKS, "", plan=plan)
        return 0
    TakenUp.objects.filter(pk=row.pk).update(plan=plan)
    why = [f"{target.service}@{target.node}: {text}" for target in plan.parsed().targets for text in target.refusals]
    if why:
        raise _NotDeployed(f"The plan is refused. {' '.join(why)}")
    with transaction.atomic():
        if _locked(row) is None:
            return 0
        operation = deploys.request_deploy(plan=plan, actor=actor)
        TakenUp.objects.filter(pk=row.pk).update(state=State.STARTED, operation=operation)
    return 1


def _locked(row: TakenUp) -> TakenUp | None:
    """The row, if it waits still: of two workers at once, one has it."""
    rows = TakenUp.objects.select_for_update(of=("self",)).select_related("image")
    return rows.filter(pk=row.pk, state=State.WAITING).first()


def _actor(row: TakenUp) -> User:
    """Who made the token, if both may deploy here now."""
    if row.token_id is None:
        raise _NotDeployed("The access token that pushed it is gone.")
    try:
        admitted = tokens.admit_again(row.token_id)
    except TokenRefused as error:
        raise _NotDeployed("The access token that pushed it counts no more.") from error
    if not admitted.may(row.project.name, Role.OPERATOR):
        raise _NotDeployed(f"{row.pushed_by} may not deploy here any more.")
    return admitted.token.user


@transaction.atomic
def _release(row: TakenUp, actor: User, mode: str) -> Release:
    """Of the image, the settings of the moment and the files of the newest release; or that of an earlier try."""
    mine = _locked(row)
    if mine is None:
        raise _Elsewhere
    if mine.release_id is not None:
        return Release.objects.get(pk=mine.release_id)
    newest = Release.objects.filter(project=row.project).select_related("files").order_by("-number").first()
    release = make_release(
        project=row.project,
        actor=actor,
        image=mine.image,
        files=newest.files if newest else None,
        note=f"Pushed as {row.name}"[:255],
    )
    TakenUp.objects.filter(pk=row.pk).update(release=release)
    detail = {"image": mine.image.image_id, "release": release.number, "pushed_by": row.pushed_by, "mode": mode}
    record(actor=actor, action="push-policy.take-up", project=row.project, target=row.name, detail=detail)
    return release


def _rollout(policy: PushPolicy) -> Rollout:
    try:
        return check(Rollout(waves=policy.waves))
    except RolloutError as error:
        raise _NotDeployed(f"The policy's waves cannot be: {error}") from error


def _in_use(services: list[Service]) -> bool:
    pinned = HostKey.objects.filter(node__in=[row.node_id for row in services], kind=HostKey.Kind.PINNED)
    contacted = set(pinned.values_list("node_id", flat=True))
    nodes = {row.node.resource for row in services if row.node_id not in contacted}
    return Hold.objects.filter(resource__in={*nodes, *(row.resource for row in services)}).exists()


def _end(row: TakenUp, state: str, message: str, plan: Plan | None = None) -> None:
    """Nothing more is done with ``row`` by itself; people are told, unless a newer one is on its way."""
    with transaction.atomic():
        waiting = TakenUp.objects.filter(pk=row.pk, state=State.WAITING)
        if not waiting.update(state=state, message=one_line(message, 500), **({"plan": plan} if plan else {})):
            return
        if state != State.OVERTAKEN:
            push_news.tell(TakenUp.objects.select_related("project", "plan").get(pk=row.pk))
