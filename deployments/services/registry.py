"""Registries elsewhere: how the project logs in to them, and pulls from them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import transaction

from deployments.models import RegistryCredential
from deployments.models.registry import registry_context
from deployments.oci.references import parse_reference
from ffsweb.audit.services import record
from ffsweb.operations.services import enqueue
from ffsweb.sealed import Secret
from ffsweb.web.keys import worker_sealer

if TYPE_CHECKING:
    from django.http import HttpRequest

    from ffsweb.accounts.models import Project, User
    from ffsweb.operations.models import Operation


def set_login(
    *,
    project: Project,
    actor: User,
    host: str,
    username: str,
    password: str,
    plain_http: bool,
    request: HttpRequest | None = None,
) -> None:
    """Store how the project comes to a registry, in place of what was there. An empty password: without a log-in."""
    context = registry_context(project.pk, host)
    sealed = worker_sealer().seal(Secret(password), context) if password else None
    with transaction.atomic():
        RegistryCredential.objects.update_or_create(
            project=project,
            host=host,
            defaults={
                "username": username if password else "",
                "sealed_password": sealed,
                "plain_http": plain_http,
            },
        )
        detail = {"username": username, "plain_http": plain_http, "password": bool(password)}
        record(actor=actor, action="registry.set", project=project, target=host, detail=detail, request=request)


def remove_login(*, login: RegistryCredential, actor: User, request: HttpRequest | None = None) -> None:
    """Forget it."""
    with transaction.atomic():
        record(actor=actor, action="registry.remove", project=login.project, target=login.host, request=request)
        login.delete()


def request_pull(*, project: Project, actor: User, reference: str, request: HttpRequest | None = None) -> Operation:
    """Let the worker pull an image. Raises BadReference."""
    name = str(parse_reference(reference))
    with transaction.atomic():
        operation = enqueue(
            kind="pull-image",
            project=project,
            actor=actor,
            title=f"Pull {name}"[:200],
            params={"reference": name},
            targets=[],
            holds=[],
        )
        detail = {"operation": operation.pk}
        record(actor=actor, action="image.pull", project=project, target=name, detail=detail, request=request)
    return operation
