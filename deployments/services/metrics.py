"""What Prometheus is told of the fleet: what runs and what it serves, and how old is what is known of nodes."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from django.db.models import Exists, OuterRef, Subquery

from deployments.core.served import STATES
from deployments.models import Collection, Node, Owed, OwedRotation, Reading, Service
from deployments.models.board import STATES as BOARD_STATES
from deployments.models.board import board_of
from deployments.models.collection import bytes_in_store
from deployments.models.served_table import served_table
from ffsweb.accounts.models import Project
from ffsweb.web.metrics import epoch, gauge, single

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from prometheus_client.core import Metric

    from deployments.models.served_table import ServedRow

SERVICE = ("project", "node", "service")
NODE = ("project", "node")
CONDITIONS: Final = ("cordoned", "unreachable", "owed")
UNWELL: Final = frozenset({"degraded", "unreachable", "unknown"})


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


def services() -> Iterator[Metric]:
    """The fleet board: how many services are in which state, and which are not well. Three queries."""
    numbers = gauge("services", "Services by what was last read of them, as on the board.", "project", "state")
    unwell = gauge("service_unwell", "1 for each service that is not well, with its state.", *(*SERVICE, "state"))
    releases = gauge("service_release", "The release that was last proven live; none where none was.", *SERVICE)
    counted: Counter[tuple[str, str]] = Counter()
    projects = set(Project.objects.values_list("name", flat=True))
    for row in board_of(Service.objects.all()):
        service = row.service
        name = [service.project.name, service.node.name, service.name]
        counted[service.project.name, row.state] += 1
        if row.state in UNWELL:
            unwell.add_metric([*name, row.state], 1)
        if service.live_release is not None:
            releases.add_metric(name, service.live_release.number)
    for project in sorted(projects):
        for state in BOARD_STATES:
            numbers.add_metric([project, state], counted[project, state])
    yield from (numbers, unwell, releases)


def nodes() -> Iterator[Metric]:
    """How old the last reading of each node is, whether it was one, and what holds of the node. One query."""
    taken = gauge("node_reading_timestamp_seconds", "When a node was read last, or its reading was tried.", *NODE)
    good = gauge("node_readable", "Whether the last reading of a node had an answer.", *NODE)
    text = (
        "1 where it holds: cordoned (no deploys go there), unreachable (for ten minutes), owed (it was away when a "
        "release or a key was to come)."
    )
    conditions = gauge("node_condition", text, *(*NODE, "condition"))
    last = Reading.objects.filter(node=OuterRef("pk")).order_by("-taken_at")
    rows = Node.objects.annotate(
        at=Subquery(last.values("taken_at")[:1]),
        error=Subquery(last.values("error")[:1]),
        releases=Exists(Owed.objects.filter(service__node=OuterRef("pk"))),
        keys_owed=Exists(OwedRotation.objects.filter(node=OuterRef("pk"))),
    ).order_by("pk")
    for project, node, at, error, cordoned, trouble, releases, keys in rows.values_list(
        *("project__name", "name", "at", "error", "cordoned_at", "trouble_since", "releases", "keys_owed")
    ):
        if at is not None:
            taken.add_metric([project, node], epoch(at))
            good.add_metric([project, node], 0 if error else 1)
        held = (cordoned is not None, trouble is not None, releases or keys)
        for condition, holds in zip(CONDITIONS, held, strict=True):
            conditions.add_metric([project, node, condition], 1 if holds else 0)
    yield from (taken, good, conditions)


def image_store() -> Iterator[Metric]:
    """What the images come to. Two queries."""
    text = "Layers of all images in the store, each once, uncompressed."
    yield single("image_store_bytes", text, bytes_in_store())
    last = Collection.objects.exclude(ended_at=None).first()
    if last is not None and last.ended_at is not None:
        text = "What was on the disk after the last collection of the store."
        yield single("image_store_kept_bytes", text, last.kept_bytes)
        text = "When the last collection of the store ended."
        yield single("image_store_collected_timestamp_seconds", text, epoch(last.ended_at))


def _places(row: ServedRow) -> tuple[tuple[str, str, datetime | None], ...]:
    inside, outside = row.inside, row.outside
    return (
        ("local", row.local.fingerprint, row.local.not_after),
        ("server", row.server or "", row.server_until),
        ("node", inside.fingerprint if inside else "", inside.not_after if inside else None),
        ("dashboard", outside.fingerprint if outside else "", outside.not_after if outside else None),
    )
