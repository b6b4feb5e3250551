"""Paying what services are owed: a node that was away when a release went out gets it when it is back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models.functions import Now

from deployments.core.rollout import OWE, Rollout
from deployments.models import Owed
from deployments.services import deploys
from ffsweb.audit.services import record
from ffsweb.operations.services import Busy

if TYPE_CHECKING:
    from django.http import HttpRequest

    from deployments.models import Service
    from ffsweb.accounts.models import User

AT_ONCE = 50


def catch_up() -> int:
    """Begin the deploys that are owed to nodes that were read since; how many. The rest say why not.

    One query if nothing is owed, else those of a plan and of a request for each.
    """
    begun = 0
    for owed in Owed.objects.payable().select_related("service", "release", "asked_by")[:AT_ONCE]:
        # By compare-and-swap: of two ticks at once, one tries.
        mine = Owed.objects.filter(pk=owed.pk, tries=owed.tries)
        if not mine.update(tried_at=Now(), tries=owed.tries + 1):
            continue
        try:
            plan = deploys.preview(
                release=owed.release, services=[owed.service], actor=owed.asked_by, rollout=Rollout(offline=OWE)
            )
            deploys.request_deploy(plan=plan, actor=owed.asked_by)
        except (Busy, deploys.Refused) as error:
            Owed.objects.filter(pk=owed.pk).update(problem=str(error))
        else:
            begun += 1
    return begun


def forget(*, service: Service, actor: User, request: HttpRequest | None = None) -> bool:
    """Owe ``service`` nothing any more; whether anything was owed. Audited."""
    owed = Owed.objects.filter(service=service).select_related("release").first()
    if owed is None or not Owed.objects.filter(pk=owed.pk).delete()[0]:
        return False
    record(
        actor=actor,
        action="deploy.forget",
        project=service.project,
        target=str(service),
        detail={"release": owed.release.number, "operation": owed.operation},
        request=request,
    )
    return True
