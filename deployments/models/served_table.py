"""The table of certificates: what each service should have, has on its node, and serves."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from certificates.models import Certificate
from deployments.core.served import Verdict, compare, fingerprint_of

from .reading import Reading
from .served import Served, Sight
from .service import Service

if TYPE_CHECKING:
    from collections.abc import Iterable

    from django.db.models import QuerySet

    from certificates.core.findings import Level


@dataclass(frozen=True, slots=True)
class ServedRow:
    """One service with a certificate. Fingerprints are SHA-256 in hex, "" where there is none; times are UTC.

    ``local`` is the inventory's certificate, ``server`` the fingerprint that the unit on the node names (None: not
    read) with the end of it if the inventory knows it, ``outside`` what the dashboard saw last and ``inside`` what
    the node saw (None: it never looked).
    """

    service: Service
    local: Certificate
    server: str | None
    server_until: datetime | None
    outside: Sight | None
    inside: Sight | None
    verdict: Verdict
    days: int
    level: Level | None

    @property
    def seen(self) -> str:
        """The fingerprint of what was seen not long ago, by the node before by the dashboard; "" for none."""
        fresh = (each.fingerprint for each in (self.inside, self.outside) if each and not each.is_old)
        return next((each for each in fresh if each), "")

    @property
    def newest(self) -> Sight | None:
        """What was seen last, from wherever; None if nobody looked."""
        return max((each for each in (self.inside, self.outside) if each), key=lambda each: each.at, default=None)


def served_row(service: Service, reading: Reading | None) -> ServedRow | None:
    """The row of one service, of its newest reading; None if it has no certificate. At most two queries."""
    if service.certificate is None:
        return None
    rows = Certificate.objects.filter(project=service.project_id)
    return _row(service, reading, dict(rows.values_list("fingerprint", "not_after").order_by()))


def served_table(services: QuerySet[Service], *, search: str = "", state: str = "") -> list[ServedRow]:
    """The rows of those of ``services`` that have a certificate, filtered. Three queries, however many they are.

    Each word of ``search`` has to be in the names of service, node or project, in the label of the certificate, or at
    the beginning of one of the fingerprints.
    """
    last = Reading.objects.filter(node=OuterRef("node")).order_by("-taken_at").values("pk")[:1]
    found = list(
        services.filter(certificate__isnull=False)
        .select_related("project", "node", "certificate__project", "served")
        .defer("certificate__chain_pem", "certificate__sealed_key", "certificate__sealed_passphrase")
        .annotate(reading_id=Subquery(last))
        .order_by("project__name", "node__name", "name")
    )
    keys: dict[int, int | None] = {row.pk: vars(row)["reading_id"] for row in found}
    readings = Reading.objects.in_bulk({key for key in keys.values() if key})
    ends = dict(
        Certificate.objects.filter(project__in={row.project_id for row in found})
        .values_list("fingerprint", "not_after")
        .order_by()
    )
    rows = [_row(service, readings.get(keys[service.pk] or 0), ends) for service in found]
    words = search.lower().split()
    return [row for row in rows if (not state or row.verdict.state == state) and _fits(row, words)]


def _row(service: Service, reading: Reading | None, ends: dict[str, datetime]) -> ServedRow:
    certificate, now = service.certificate, timezone.now()
    assert certificate is not None  # noqa: S101 - filtered by the query
    served: Served | None = getattr(service, "served", None)
    outside, inside = (served.outside, served.inside) if served else (None, None)
    facts = reading.parsed() if reading else None
    there = facts.service(service.name) if facts else None
    server = None if facts is None else fingerprint_of(there.certificate if there else "")
    held = {fingerprint_of(version) for version in (there.certs if there else ())}
    return ServedRow(
        service=service,
        local=certificate,
        server=server,
        server_until=ends.get(server or ""),
        outside=outside,
        inside=inside,
        verdict=compare(
            certificate.fingerprint,
            server,
            outside.seen if outside else None,
            inside.seen if inside else None,
            held=held,
        ),
        days=certificate.days_left(now),
        level=certificate.time_level(now),
    )


def _fits(row: ServedRow, words: Iterable[str]) -> bool:
    names = (str(row.service), row.service.project.name, row.local.label, *row.local.names)
    text = " ".join(names).lower()
    sights = (each.fingerprint for each in (row.outside, row.inside) if each)
    prints = (row.local.fingerprint, row.server or "", *sights)
    return all(word in text or any(each.startswith(word.replace(":", "")) for each in prints) for word in words)
