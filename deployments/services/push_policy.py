"""A project's policy for pushed images, and which images it takes up."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

from django.db import transaction

from deployments.core.push_policy import OFF, goes_to, matches
from deployments.models import Image, PushPolicy, Service, TakenUp
from ffsweb.audit.services import record
from ffsweb.operations import messages

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ffsweb.accounts.models import AccessToken, Project, User

TASK = "deployments.take_up"


def set_policy(
    *,
    project: Project,
    actor: User,
    mode: str,
    pattern: str,
    services: Collection[str],
    tags: Collection[str],
    waves: str,
    request: HttpRequest | None = None,
) -> None:
    """Store what becomes of images that are pushed from now on."""
    values = {"mode": mode, "pattern": pattern, "services": sorted(services), "tags": sorted(tags), "waves": waves}
    with transaction.atomic():
        PushPolicy.objects.update_or_create(project=project, defaults=values)
        record(actor=actor, action="push-policy.set", project=project, target=mode, detail=values, request=request)


def note(*, project: Project, image: Image, name: str, token: AccessToken, by: str) -> None:
    """Write down that ``image`` was pushed as ``name``, if the policy takes it up, in the caller's transaction.

    One query where there is no policy. The same image is taken up once, under whatever names it comes.
    """
    policy = PushPolicy.objects.filter(project=project).exclude(mode=OFF).first()
    if policy is None or not matches(policy.pattern, name):
        return
    values = {"name": name, "token": token, "pushed_by": by}
    _, is_new = TakenUp.objects.get_or_create(project=project, image=image, defaults=values)
    if is_new:
        messages.tick_on_commit(TASK, lost="push_not_announced")


def chosen(project: Project, policy: PushPolicy) -> list[Service]:
    """The services that the policy deploys to. One query."""
    rows = Service.objects.filter(project=project).select_related("node").order_by("node__name", "name")
    return [row for row in rows if goes_to(row.name, row.node.tags, services=policy.services, tags=policy.tags)]
