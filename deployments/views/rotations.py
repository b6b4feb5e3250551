"""Where a rotation begins: at a service, at the certificate that is to go, or at one that is to come back."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from certificates.models import Certificate
from deployments.core.rollout import Rollout
from deployments.core.rotation import HANDSHAKE
from deployments.core.served import fingerprint_of
from deployments.forms.rollout import RolloutForm, values_of
from deployments.models import Service
from deployments.services import rotations
from deployments.views.instances import find_service
from ffsweb.accounts.access import ProjectRequest, project_view
from ffsweb.accounts.models import Role
from ffsweb.web.htmx import go


@project_view(Role.OPERATOR)
@require_safe
def of_service(request: ProjectRequest, project: str, node: str, service: str) -> HttpResponse:
    """Choose the certificate that takes the place of a service's own, and which services get it too."""
    found = find_service(request, node, service)
    if found.live_release is None:
        messages.error(request, "Nothing of it runs yet: choose the certificate on its form, and deploy it.")
        return go(request, "deployments:service", project=project, node=node, service=service)
    reading = found.node.readings.first()
    facts = reading.parsed() if reading else None
    there = facts.service(found.name) if facts else None
    context = {
        "title": f"Rotate the certificate of {found}",
        "origin": found,
        "choices": _choices(
            _others(request, found.certificate),
            found.certificate,
            held={fingerprint_of(version) for version in (there.certs if there else ())},
        ),
    }
    return _page(request, context, rotations.together(found), checked={found.pk})


@project_view(Role.OPERATOR)
@require_safe
def of_certificate(request: ProjectRequest, project: str, certificate: int) -> HttpResponse:
    """Choose what takes the place of a certificate, and on which of the services that use it; all are ticked."""
    found = _certificate(request, certificate)
    users = rotations.loaded(found.services.all())
    context = {
        "title": f"Rotate {found}",
        "origin": found,
        "choices": _choices(_others(request, found), found),
        "nobody": "No service uses this certificate.",
    }
    return _page(request, context, users, checked={each.pk for each in users})


@project_view(Role.OPERATOR)
@require_safe
def back_to(request: ProjectRequest, project: str, certificate: int) -> HttpResponse:
    """Give a certificate back to services that had it before."""
    found = _certificate(request, certificate)
    services = rotations.loaded(Service.objects.filter(had__certificate=found))
    context = {
        "title": f"Restore {found}",
        "origin": found,
        "choices": _choices([found] if found.not_after > timezone.now() else [], None),
        "nobody": "No service had this certificate before.",
    }
    return _page(request, context, services, checked={each.pk for each in services})


def _page(
    request: HttpRequest, context: dict[str, Any], services: Iterable[Service], *, checked: Collection[int]
) -> HttpResponse:
    """A form for each release that is live: a rotation changes the certificate alone, so it is of one release."""
    chosen = request.GET.get("to", "")
    groups, unborn = rotations.groups(services)
    choices = context["choices"]
    keys = [str(row.pk) for row, _, _ in choices]
    initial = values_of(Rollout())
    shown = {
        "groups": [
            (release, rows, RolloutForm(initial=initial, auto_id=f"id_{number}_%s"))
            for number, (release, rows) in enumerate(groups)
        ],
        "unborn": unborn,
        "checked": set(checked),
        "first": chosen if chosen in keys else next(iter(keys), ""),
        "suggestions": RolloutForm.suggestions,
        "kinds": HANDSHAKE,
        **context,
    }
    return render(request, "deployments/rotate.html", shown)


def _certificate(request: ProjectRequest, certificate: int) -> Certificate:
    return get_object_or_404(Certificate.objects.select_related("project"), project=request.project, pk=certificate)


def _others(request: ProjectRequest, old: Certificate | None) -> list[Certificate]:
    """The project's certificates that may take the place of ``old``, what was made to replace it first. One query."""
    rows = Certificate.objects.filter(project=request.project, not_after__gt=timezone.now())
    others = rows.exclude(pk=old.pk if old else 0).defer("chain_pem", "sealed_key", "sealed_passphrase")
    return sorted(others, key=lambda row: row.replaces_id is None or row.replaces_id != (old.pk if old else None))


def _choices(
    rows: Iterable[Certificate], old: Certificate | None, *, held: Collection[str] = ()
) -> list[tuple[Certificate, int, str]]:
    """What is offered, with the days that it has left and a word on it."""
    now = timezone.now()
    return [(row, row.days_left(now), _word(row, old, held)) for row in rows]


def _word(row: Certificate, old: Certificate | None, held: Collection[str]) -> str:
    words = ["made to replace it"] if old is not None and row.replaces_id == old.pk else []
    return "; ".join([*words, *(["on the node already"] if row.fingerprint in held else [])])
