"""Which releases were proven live on a service, and when: what one goes back to, and what is kept for it."""

from __future__ import annotations

from typing import Any

from django.db import models

from deployments.core.facts import NodeFacts
from deployments.core.retention import GOOD, Needed
from deployments.core.rotation import KINDS
from ffsweb.operations.models import Operation
from ffsweb.operations.states import State

from .content import Release
from .desired import credentials_of, image_of
from .node import Node
from .service import Service


class Proven(models.Model):
    """One release on one service, the last time that a reading proved it live, with what the unit named then."""

    service = models.ForeignKey(Service, on_delete=models.CASCADE, related_name="proofs")
    release = models.ForeignKey(Release, on_delete=models.CASCADE, related_name="proofs")
    at = models.DateTimeField()
    image_id = models.CharField(max_length=71)
    certificate = models.CharField(max_length=90, blank=True)
    credentials = models.CharField(max_length=64, blank=True)

    class Meta:
        ordering = ["-at"]
        constraints = [models.UniqueConstraint(fields=["service", "release"], name="one_proof_per_release")]

    def __str__(self) -> str:
        return f"{self.release} on {self.service}"


def last_good(proofs: list[Proven], running: int) -> list[Proven]:
    """Of one service's proofs, newest first, those that are gone back to: the last GOOD but for what runs."""
    return [each for each in proofs if each.release.number != running][:GOOD]


def needed_on(node: Node, facts: NodeFacts | None) -> dict[str, list[Needed]]:
    """What the services that are described on a node need there, by name, beside what runs.

    That is: what is live or wanted by their rows, the last good releases, and what operations that have not ended are
    to bring, and what the last rotations took the place of. Eight queries, and one for each release.
    """
    related = ("project", "certificate", "live_release__image", "desired_release__image")
    rows = Service.objects.filter(node=node).select_related(*related)
    proofs = Proven.objects.filter(service__node=node).select_related("release__image")
    proofs = proofs.prefetch_related("release__variants")
    by_service: dict[int, list[Proven]] = {}
    for proof in proofs:
        by_service.setdefault(proof.service_id, []).append(proof)
    coming, rotated = _coming(), _rotated(node)
    needed: dict[str, list[Needed]] = {}
    for row in rows:
        found = facts.service(row.name) if facts else None
        good = last_good(by_service.get(row.pk, []), (found.release or 0) if found else 0)
        releases = {each.release for each in good} | {row.live_release, row.desired_release} - {None}
        needed[row.name] = [
            *(Needed(each.release.number, each.image_id, each.certificate, each.credentials) for each in good),
            *(needed_now(row, release, facts) for release in releases if release is not None),
            *coming.get(row.resource, ()),
            *rotated.get(row.resource, ()),
        ]
    return needed


def needed_now(service: Service, release: Release, facts: NodeFacts | None) -> Needed:
    """As a deploy made now would want it: with the certificate that the service has by now."""
    certificate = service.certificate.version if service.certificate else ""
    version, _names = credentials_of(service, release)
    return Needed(release.number, image_of(release, facts).image_id, certificate, version)


def _coming() -> dict[str, list[Needed]]:
    """By a service's key, what plans of operations that have not ended bring. One query."""
    coming: dict[str, list[Needed]] = {}
    for params in Operation.objects.active().filter(params__has_key="plan").values_list("params", flat=True):
        for target in params["plan"].get("targets", ()):
            for side in ("new", "old"):
                coming.setdefault(str(target["key"]), []).extend(_side(target, side))
    return coming


def _rotated(node: Node) -> dict[str, list[Needed]]:
    """By a service's key, what the last GOOD rotations of each took the place of. Two queries."""
    keys = [f"service:{pk}" for pk in node.services.values_list("pk", flat=True)]
    done = Operation.objects.filter(kind="deploy", state=State.SUCCEEDED, targets__key__in=keys)
    done = done.filter(params__plan__kind__in=sorted(KINDS)).order_by("-pk")
    before: dict[str, list[Needed]] = {}
    for params in done.values_list("params", flat=True)[: GOOD * len(keys)]:
        for target in params["plan"].get("targets", ()):
            rows = before.setdefault(str(target["key"]), [])
            rows.extend(_side(target, "old")[: GOOD - len(rows)])
    return before


def _side(target: dict[str, Any], side: str) -> list[Needed]:
    of = {name: target[name] for name in ("release", "image", "certificate", "credentials")}
    number, image = str(of["release"].get(side) or ""), str(of["image"].get(side) or "")
    if not number.isdecimal() or not image:
        return []
    rest = (str(of[name].get(side) or "") for name in ("certificate", "credentials"))
    return [Needed(int(number), image, *rest)]
