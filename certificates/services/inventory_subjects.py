"""The certificates of the inventory, as subjects of mail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.db.models import Exists, OuterRef, Q

from certificates.core.expiry import BEGINS, Facts, Kind
from certificates.core.subjects import Subject
from certificates.models import Alert, Certificate
from ffsweb.accounts.models import Project

_USERS = 6
_NAMES = 4


def of_inventory(project: Project, now: datetime) -> list[Subject]:
    """The certificates of ``project`` of which there may be something to tell. Three queries."""
    newer = Certificate.objects.filter(replaces=OuterRef("pk"), not_after__gte=OuterRef("not_after"))
    being_told = Alert.objects.filter(is_open=True).exclude(certificate=None).values("certificate")
    wanted = Q(automatic=True) | Q(not_after__lte=now + BEGINS) | Q(pk__in=being_told)
    rows = (
        Certificate.objects.filter(wanted, project=project)
        .annotate(is_replaced=Exists(newer))
        .defer("chain_pem", "sealed_key", "sealed_passphrase")
        .select_related("project")
        .prefetch_related("services__node")
        .order_by("not_after", "pk")
    )
    return [_subject(row, is_replaced=vars(row)["is_replaced"]) for row in rows]


def _subject(row: Certificate, *, is_replaced: bool) -> Subject:
    users = [str(service) for service in row.services.all()]
    automatic = row.automatic and not is_replaced  # else it was renewed, and somebody has to rotate its users
    return Subject(
        kind=Kind.EXPIRY,
        key=f"certificate:{row.pk}",
        label=f"certificate {row.label}",
        path=row.get_absolute_url(),
        facts=facts_line(row, users, is_replaced=is_replaced),
        todo=_todo(row, is_replaced=is_replaced),
        life=Facts(
            row.not_before,
            row.not_after,
            gone=is_replaced and not users,
            automatic=automatic,
            renewal_due=row.renewal_due,
            failures=row.renewal_failures,
        ),
        certificate=row.pk,
    )


def facts_line(row: Certificate, users: Sequence[str], *, is_replaced: bool) -> str:
    """What somebody has to know of a certificate, on one line."""
    more = f" and {len(users) - _USERS} more" if len(users) > _USERS else ""
    parts = (
        f"until {row.not_after:%Y-%m-%d %H:%M} UTC",
        f"for {', '.join(row.names[:_NAMES]) or 'no name'}{' …' if len(row.names) > _NAMES else ''}",
        f"used by {', '.join(users[:_USERS]) or 'nothing'}{more}",
        f"SHA-256 {row.fingerprint[:16]}…",
        "a newer one is in the inventory" if is_replaced else "",
        f"a machine was to renew it by {row.renewal_due:%Y-%m-%d}" if row.automatic and not is_replaced else "",
        f"that failed {row.renewal_failures} times" if row.automatic and row.renewal_failures > 1 else "",
    )
    return "; ".join(part for part in parts if part)


def _todo(row: Certificate, *, is_replaced: bool) -> str:
    if is_replaced:
        return "The newer certificate is here: rotate the services that use the old one to it."
    if row.automatic:
        return (
            "See why the machine that renews it did not: its page says what was noted. Or get a renewed one by hand, "
            "upload it on its page (Replace), and rotate the services that use it."
        )
    return (
        "Get a renewed certificate, upload it on the page of the old one (Replace), and rotate the services that use "
        "it. If somebody looks after it, acknowledge it there; remove what nothing needs."
    )
