"""The ways back of a service: older releases, and whether what they need is on the node still."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db.models import Q

from deployments.core.presence import lacking

from .content import Release
from .proven import needed_now

if TYPE_CHECKING:
    from .reading import Reading
    from .service import Service

NEWEST = 10
"""Releases that a service's page offers, and those older ones that were proven on it."""


@dataclass(frozen=True, slots=True)
class WayBack:
    """To a release that is older than the one that is live. ``known``: the last reading tells what is on the node."""

    known: bool
    lacking: tuple[str, ...] = ()

    @property
    def present(self) -> bool:
        """Whether everything of the release is proven to be on the node: going back sends nothing of it."""
        return self.known and not self.lacking

    @property
    def words(self) -> str:
        """Why it is not, for the page."""
        if not self.known:
            return "what is on the node is not known"
        return f"would have to be sent again: {', '.join(self.lacking)}"


def way_back(service: Service, release: Release, reading: Reading | None) -> WayBack | None:
    """None if the release is not older than the one that is live. One query unless the variants were prefetched.

    Project and certificate of ``service`` and ``sealed_settings`` of ``release`` are read.
    """
    if service.live_release is None or release.number >= service.live_release.number:
        return None
    facts = reading.parsed() if reading else None
    if facts is None:
        return WayBack(known=False)
    needed = needed_now(service, release, facts)
    return WayBack(known=True, lacking=lacking(facts, service.project.name, service.name, needed))


def offered(service: Service, reading: Reading | None) -> list[tuple[Release, WayBack | None]]:
    """The releases of a service's page, newest first, with the way back to each. Four queries."""
    rows = Release.objects.filter(project_id=service.project_id)
    newest = rows.values_list("pk", flat=True)[:NEWEST]
    proven = service.proofs.order_by("-at").values_list("release_id", flat=True)[:NEWEST]
    chosen = rows.filter(Q(pk__in=list(newest)) | Q(pk__in=list(proven))).for_going_back()
    return [(release, way_back(service, release, reading)) for release in chosen]
