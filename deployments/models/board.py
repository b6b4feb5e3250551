"""The fleet board: each service with what was last read of it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Max, OuterRef, QuerySet, Subquery
from django.utils import timezone

from deployments.core.facts import ServiceFacts
from ffsweb.accounts.models import User

from .reading import Reading
from .searching import with_words
from .service import Service

FRESH = timedelta(minutes=5)
"""A reading older than this is called old: the dashboard reads every node about once a minute."""

STATES = {
    "live": "Live",
    "behind": "Behind",
    "degraded": "Degraded",
    "stopped": "Stopped",
    "never_deployed": "Never deployed",
    "unreachable": "Unreachable",
    "unknown": "Unknown",
}


@dataclass(frozen=True, slots=True)
class BoardRow:
    """One service on the board. Ages are given by the moments they count from, in UTC.

    ``restarts`` are systemd's and the supervisor's together, those that systemd was told to forget included;
    ``last_reason`` is why, as far as the node tells. ``since``: since when it is in this state, where that is known.
    """

    service: Service
    state: str
    reason: str
    read_at: datetime | None
    old: bool
    facts: ServiceFacts | None
    skew: int
    restarts: int
    last_reason: str
    certificate_days: int | None
    certificate_level: str | None = None
    since: datetime | None = None

    @property
    def label(self) -> str:
        """The state in words."""
        return STATES[self.state]

    @property
    def heartbeat_at(self) -> datetime | None:
        """When the node had last heard of the program: its age counts from the reading, not from now."""
        if self.read_at is None or self.facts is None or self.facts.heartbeat_age is None:
            return None
        return self.read_at - timedelta(seconds=self.facts.heartbeat_age)


def fleet_board(user: User, *, project: str = "", state: str = "", search: str = "") -> list[BoardRow]:
    """The services that ``user`` may see, filtered. Three queries, whatever the number of nodes."""
    services = Service.objects.visible_to(user)
    if project:
        services = services.filter(project__name=project)
    rows = board_of(services.filter(with_words(search, "name", "node__name", "node__address", "project__name")))
    return [row for row in rows if row.state == state] if state else rows


def board_of(services: QuerySet[Service]) -> list[BoardRow]:
    """The rows of ``services``, by project, node and name. Three queries, whatever the number of nodes."""
    related = ("project", "node__project", "live_release", "certificate", "owed__release")
    last = Reading.objects.filter(node=OuterRef("node")).order_by("-taken_at").values("pk")[:1]
    services = services.select_related(*related).annotate(reading_id=Subquery(last))
    found = list(services.order_by("project__name", "node__name", "name"))
    # Each row carries the key of its node's newest reading, by the annotation above.
    keys: dict[int, int | None] = {row.pk: vars(row)["reading_id"] for row in found}
    readings = Reading.objects.in_bulk({key for key in keys.values() if key})
    newest = newest_live({row.project_id for row in found})
    now = timezone.now()
    return [
        service_state(row, readings.get(keys[row.pk] or 0), newest=newest.get(row.project_id, 0), now=now)
        for row in found
    ]


def newest_live(projects: Collection[int]) -> dict[int, int]:
    """The highest release number that is live anywhere in each project. One query."""
    rows = Service.objects.filter(project__in=projects, live_release__isnull=False)
    pairs = rows.values_list("project").annotate(newest=Max("live_release__number")).order_by()
    return dict(pairs)


def service_state(service: Service, reading: Reading | None, *, newest: int, now: datetime | None = None) -> BoardRow:
    """What the last reading of its node says of a service; "unknown" where nothing can be said.

    ``newest`` is the highest release that is live in the project: how far this one is behind it is its skew.
    """
    now = now or timezone.now()
    node_facts = reading.parsed() if reading else None
    facts = node_facts.services.get(service.name) if node_facts else None
    skew = max(0, newest - service.live_release.number) if service.live_release else 0
    state, reason = _with_trouble(service, *_judge(service, reading, facts, skew))
    return BoardRow(
        service=service,
        state=state,
        reason=reason,
        read_at=reading.taken_at if reading else None,
        old=reading is None or now - reading.taken_at > FRESH,
        facts=facts,
        skew=skew,
        restarts=facts.restarts + facts.restarts_inside + service.restarts_before if facts else 0,
        last_reason=facts.last_reason if facts else "",
        certificate_days=service.certificate.days_left(now) if service.certificate else None,
        certificate_level=service.certificate.time_level(now) if service.certificate else None,
        since=_since(service, state),
    )


def _with_trouble(service: Service, state: str, reason: str) -> tuple[str, str]:
    """What one reading says, and what was seen over several: a crash loop is active now and then."""
    if service.trouble_since is not None and state in {"live", "behind", "degraded", "stopped"}:
        return "degraded", service.trouble
    if state == "stopped" and service.stopped_at is not None:
        return state, "It was stopped from the dashboard."
    return state, reason


def _since(service: Service, state: str) -> datetime | None:
    moments = {
        "degraded": service.trouble_since,
        "unreachable": service.node.trouble_since,
        "stopped": service.stopped_at,
    }
    return moments.get(state)


def _judge(service: Service, reading: Reading | None, facts: ServiceFacts | None, skew: int) -> tuple[str, str]:
    if reading is None:
        return "unknown", "The node was never read."
    if reading.problem:
        return "unreachable" if reading.error else "unknown", reading.problem
    if facts is None or not facts.deployed:
        return "never_deployed", "It waits for its first deploy."
    if facts.active in {"inactive", "deactivating"}:
        return "stopped", facts.result or "The unit is not active."
    if facts.active != "active":
        return "degraded", f"The unit is {facts.active} ({facts.result or facts.sub})."
    if service.live_release is None or facts.release != service.live_release.number:
        return "degraded", f"Release {facts.release} runs, which the dashboard did not prove."
    if skew:
        return "behind", f"It runs a release that is {skew} older than the newest that is live in the project."
    return "live", ""
