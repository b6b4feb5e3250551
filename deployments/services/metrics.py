"""What Prometheus is told of the fleet: what services serve, and how old is what is known of nodes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db.models import OuterRef, Subquery

from deployments.core.served import STATES
from deployments.models import Node, Reading, Service
from deployments.models.served_table import served_table
from ffsweb.web.metrics import epoch, gauge

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from prometheus_client.core import Metric

    from deployments.models.served_table import ServedRow

SERVICE = ("project", "node", "service")
NODE = ("project", "node")


def served() -> Iterator[Metric]:
    """The table of served certificates: its verdicts, and all ends, fingerprints and looks. Three queries."""
    states = gauge(
        "service_certificate_state",
        "1 for the state that a service's certificate is in, 0 for the others: do all places have the same?",
        *(*SERVICE, "state"),
    )
    ends = gauge(
        "service_certificate_not_after_timestamp_seconds",
        "When the certificate expires that a service has locally, on the server, or is seen to serve.",
        *(*SERVICE, "place"),
    )
    prints = gauge(
        "service_certificate_info",
        "Which certificate is at each place, by SHA-256; always 1.",
        *(*SERVICE, "place", "fingerprint"),
    )
    looks = gauge(
        "service_certificate_looked_timestamp_seconds",
        "When it was looked last at what a service serves; a look that saw nothing counts.",
        *(*SERVICE, "side"),
    )
    for row in served_table(Service.objects.all()):
        name = [row.service.project.name, row.service.node.name, row.service.name]
        for state in STATES:
            states.add_metric([*name, state], 1 if row.verdict.state == state else 0)
        for place, fingerprint, until in _places(row):
            if fingerprint:
                prints.add_metric([*name, place, fingerprint], 1)
            if until is not None:
                ends.add_metric([*name, place], epoch(until))
        for side, sight in (("node", row.inside), ("dashboard", row.outside)):
            if sight is not None:
                looks.add_metric([*name, side], epoch(sight.at))
    yield from (states, ends, prints, looks)


def readings() -> Iterator[Metric]:
    """How old the last reading of each node is, and whether it was one. One query."""
    taken = gauge("node_reading_timestamp_seconds", "When a node was read last, or its reading was tried.", *NODE)
    good = gauge("node_readable", "Whether the last reading of a node had an answer.", *NODE)
    last = Reading.objects.filter(node=OuterRef("pk")).order_by("-taken_at")
    rows = Node.objects.annotate(at=Subquery(last.values("taken_at")[:1]), error=Subquery(last.values("error")[:1]))
    for project, node, at, error in rows.order_by("pk").values_list("project__name", "name", "at", "error"):
        if at is not None:
            taken.add_metric([project, node], epoch(at))
            good.add_metric([project, node], 0 if error else 1)
    yield from (taken, good)


def _places(row: ServedRow) -> tuple[tuple[str, str, datetime | None], ...]:
    inside, outside = row.inside, row.outside
    return (
        ("local", row.local.fingerprint, row.local.not_after),
        ("server", row.server or "", row.server_until),
        ("node", inside.fingerprint if inside else "", inside.not_after if inside else None),
        ("dashboard", outside.fingerprint if outside else "", outside.not_after if outside else None),
    )
