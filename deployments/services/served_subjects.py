"""What may be told of the certificates that services serve: a source of ``certificates.services.alerts``."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import UTC, datetime

from django.db.models import F

from certificates.core.expiry import Facts, Kind, due_by_default
from certificates.core.subjects import Subject
from certificates.models import Certificate, Looked
from deployments.core.served_alarm import Watched, is_unseen, is_wrong, life_begins
from deployments.models import ServedWatch, Service
from deployments.models.service import Renewal
from ffsweb.accounts.models import Project

from .served_watch import watched_services

_WRONG = (
    "See the service's page for which certificate is where. If its application did not load the new file, restart "
    "it; if another certificate was chosen, rotate the service to it; if something else answers on its port, mend "
    "it. If its application has one of its own, say so on the service's form."
)
_UNSEEN = (
    "See whether the node is up and can be read, and whether the dashboard reaches the service's port. Until then "
    "nobody knows which certificate is served. If that is as it should be, acknowledge it."
)
_MACHINE = (
    "The inventory does not have this certificate: the application, or a machine, has to renew it. See its log for "
    "why it did not. If somebody renews it by hand, say so on the service's form."
)
_PEOPLE = "The inventory does not have this certificate: get a renewed one and give it to the application."


def subjects(project: Project, now: datetime) -> Iterable[Subject]:
    """Everything about the services of ``project``. Three queries."""
    running = Looked.since(now)
    rows = ServedWatch.objects.filter(service__in=watched_services().filter(project=project))
    rows = rows.select_related("service__node", "service__project", "service__certificate").defer(
        "service__certificate__chain_pem",
        "service__certificate__sealed_key",
        "service__certificate__sealed_passphrase",
    )
    told_of = _told_of(project)
    for row in rows:
        service, watched = row.service, row.watched
        if service.certificate is not None:
            yield _mismatch(service, watched, holds=is_wrong(watched, now, running=running))
        yield _unseen(service, watched, holds=is_unseen(watched, now, running=running))
        if row.fingerprint and row.not_after and row.first_seen_at and row.fingerprint not in told_of:
            begins = life_begins(row.not_before, row.not_after, row.first_seen_at)
            yield _end(service, row.fingerprint, begins, row.not_after)


def _told_of(project: Project) -> Collection[str]:
    """The fingerprints whose end the inventory tells: not those that were replaced and that no service has."""
    rows = Certificate.objects.filter(project=project)
    over = rows.filter(replaced_by__not_after__gte=F("not_after"), services=None).values("pk")
    return set(rows.exclude(pk__in=over).values_list("fingerprint", flat=True).order_by())


def _mismatch(service: Service, watched: Watched, *, holds: bool | None) -> Subject:
    begins, ends = "serves another certificate than it should", "serves the right certificate again"
    facts = _facts(watched.wrong, _should(service), watched.wrong_since)
    return _flag(Kind.MISMATCH, service, facts, _WRONG, holds=holds, begins=begins, ends=ends)


def _unseen(service: Service, watched: Watched, *, holds: bool | None) -> Subject:
    begins, ends = "could not be looked at for a day", "can be looked at again"
    facts = _facts(watched.unseen, _should(service), watched.unseen_since)
    return _flag(Kind.STALE, service, facts, _UNSEEN, holds=holds, begins=begins, ends=ends)


def _flag(
    kind: Kind, service: Service, facts: str, todo: str, *, holds: bool | None, begins: str, ends: str
) -> Subject:
    """What is true of a service or not."""
    return Subject(
        kind,
        service.resource,
        str(service),
        service.get_absolute_url(),
        facts=facts,
        todo=todo,
        holds=holds,
        begins=begins,
        ends=ends,
    )


def _end(service: Service, fingerprint: str, begins: datetime, ends: datetime) -> Subject:
    automatic = service.own_renewal != Renewal.PEOPLE
    due = due_by_default(begins, ends)
    parts = (
        f"until {_moment(ends)}",
        f"SHA-256 {fingerprint[:16]}…",
        "it is not in the inventory",
        f"a machine was to renew it by {due:%Y-%m-%d}" if automatic else "",
    )
    return Subject(
        Kind.EXPIRY,
        f"{service.resource}:{fingerprint[:32]}",
        f"the certificate of {service}",
        service.get_absolute_url(),
        facts="; ".join(part for part in parts if part),
        todo=_MACHINE if automatic else _PEOPLE,
        life=Facts(begins, ends, automatic=automatic, renewal_due=due),
    )


def _should(service: Service) -> str:
    certificate = service.certificate
    return f"it should serve {certificate} ({certificate.fingerprint[:16]}…)" if certificate else ""


def _facts(reason: str, should: str, since: datetime | None) -> str:
    parts = (reason.rstrip("."), should, f"since {_moment(since)}" if since else "")
    return "; ".join(part for part in parts if part)


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
