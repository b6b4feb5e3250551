"""What a plan of a rotation says beside that of a deploy, and what no rotation can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils import timezone

from deployments.core.rollout import OWE
from deployments.core.rotation import Material, checks
from deployments.models import Service
from deployments.services.refusals import NotPossible

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

    from certificates.models import Certificate
    from deployments.core.plan import Check
    from deployments.core.rollout import Rollout
    from deployments.models import Release


def refuse(services: Iterable[Service], release: Release, certificate: Certificate, rollout: Rollout) -> None:
    """Raise NotPossible for what no rotation can be. No query."""
    if certificate.project_id != release.project_id:
        raise NotPossible("The certificate belongs to another project.")
    if rollout.offline == OWE:
        raise NotPossible("A rotation cannot be owed to nodes that are away: choose to leave them out, or to stop.")
    others = [str(service) for service in services if service.live_release_id != release.pk]
    if others:
        raise NotPossible(
            f"A rotation changes the certificate alone, but release {release.number} is not live on "
            f"{', '.join(others)}. Rotate these apart, or deploy to them."
        )


def notes(kind: str, service: Service, certificate: Certificate) -> tuple[Check, ...]:
    """The rows of the preflight. No query if certificate and ``served`` of ``service`` were selected."""
    old = service.certificate
    return checks(kind, _material(old) if old else None, _material(certificate), _served(service))


def together(service: Service) -> list[Service]:
    """``service``, and the others that use its certificate with the same live release. One query."""
    rows = loaded(Service.objects.filter(project=service.project_id, live_release=service.live_release_id))
    others = rows.filter(certificate=service.certificate_id).exclude(pk=service.pk) if service.certificate_id else []
    return [service, *others]


def loaded(services: QuerySet[Service]) -> QuerySet[Service]:
    """The same set, with all that ``groups`` and its page need."""
    return services.select_related("project", "node", "certificate", "served", "live_release")


def groups(services: Iterable[Service]) -> tuple[list[tuple[Release, list[Service]]], list[Service]]:
    """``services`` by the release that is live on them, the newest first; and those on which none is.

    A rotation changes the certificate alone, so each group is a plan of its own. No query if they were ``loaded``.
    """
    found: dict[int, tuple[Release, list[Service]]] = {}
    unborn = []
    for service in services:
        if service.live_release is None:
            unborn.append(service)
        else:
            found.setdefault(service.live_release.number, (service.live_release, []))[1].append(service)
    return [found[number] for number in sorted(found, reverse=True)], unborn


def _material(certificate: Certificate) -> Material:
    return Material(certificate.fingerprint, certificate.label, frozenset(certificate.names), certificate.not_after)


def _served(service: Service) -> str:
    seen = getattr(service, "served", None)
    if seen is None or seen.at is None:
        return ""
    minutes = int((timezone.now() - seen.at).total_seconds() // 60)
    if not seen.fingerprint:
        return f"Looked {minutes} min ago and saw none: {seen.error}"
    return f"Port {seen.port} served the certificate {seen.fingerprint[:16]} {minutes} min ago."
