"""Writing down what is to be posted. Everything that goes to webhooks goes through :func:`announce`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, timedelta
from typing import Any

from django.utils import timezone

from ffsweb.accounts.models import Project
from ffsweb.notify.backoff import PATIENCE
from ffsweb.notify.letter import one_line
from ffsweb.notify.outbox import base_url

from .events import TEST
from .models import Delivery, Endpoint

KEPT = timedelta(days=60)
"""How long a delivery is remembered that was taken or given up."""
TEXT = 500
"""Characters of one text in an event."""


def announce(
    event: str,
    data: Callable[[], Mapping[str, Any]],
    *,
    key: str,
    project: Project | None,
    path: Callable[[], str],
) -> None:
    """Write ``event`` down for each endpoint that wants it, inside the caller's transaction: the worker posts it.

    ``key`` (at most 200 characters) names what happened, as for mail: for one key no endpoint is told twice. ``data``
    gives plain JSON without secrets and without output of programs; texts are cut to ``TEXT`` characters on one line.
    ``path`` gives the dashboard's page about it. Both are asked only if somebody wants to know. One query without
    endpoints, else three.
    """
    told = [row for row in Endpoint.objects.told_of(project) if event in row.events]
    if told:
        write(told, event, data(), key=key, project=project, path=path())


def write(
    endpoints: list[Endpoint],
    event: str,
    data: Mapping[str, Any],
    *,
    key: str,
    project: Project | None = None,
    path: str = "",
) -> None:
    """The same for these endpoints, whatever they have chosen."""
    now = timezone.now()
    value = {
        "type": event,
        "timestamp": now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "data": {
            **({"project": project.name} if project else {}),
            **_short(data),
            **({"url": f"{base_url()}{path}"} if path else {}),
        },
    }
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    Delivery.objects.bulk_create(
        [
            Delivery(
                endpoint=endpoint,
                event=event,
                key=key[:200],
                body=body,
                created_at=now,
                next_at=now,
                give_up_at=now + PATIENCE,
            )
            for endpoint in endpoints
        ],
        ignore_conflicts=True,
    )


def write_test(endpoint: Endpoint, *, by: str, key: str) -> None:
    """Something to see whether it arrives."""
    write([endpoint], TEST, {"message": "A test.", "asked_by": by}, key=key, project=endpoint.project)


def forget_old() -> None:
    """Remove what was taken or given up long ago."""
    old = Delivery.objects.exclude(state=Delivery.State.QUEUED).filter(created_at__lt=timezone.now() - KEPT)
    old.delete()


def _short(value: Any) -> Any:
    if isinstance(value, str):
        return one_line(value, TEXT)
    if isinstance(value, Mapping):
        return {str(name): _short(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_short(each) for each in value[:100]]
    return value
