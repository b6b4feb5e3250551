"""Services and nodes in trouble, for the mail a day. No text that a service wrote is in it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC

from deployments.models import Node, Service
from ffsweb.accounts.models import Project
from ffsweb.notify.digest import Item


def troubled(projects: Collection[Project]) -> Iterator[Item]:
    """Degraded services and unreachable nodes, the eldest trouble first. Two queries."""
    services = Service.objects.filter(project__in=projects, trouble_since__isnull=False)
    nodes = Node.objects.filter(project__in=projects, trouble_since__isnull=False)
    rows: list[tuple[Service | Node, str]] = [
        *((service, "degraded") for service in services.select_related("project", "node").order_by("trouble_since")),
        *((node, "unreachable") for node in nodes.select_related("project").order_by("trouble_since")),
    ]
    for row, word in rows:
        since = f"{row.trouble_since.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if row.trouble_since else "unknown"
        yield Item(row.project, str(row), f"{word} since {since}; {row.trouble}")
