"""What ``ffs doctor`` looks at of the fleet: host keys, readings, the nodes' ffs-node, and programs of the worker."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import OuterRef, Subquery
from django.utils import timezone

from deployments.core.program import Standing
from deployments.models import Node, Reading
from deployments.models.program import programs_on
from deployments.services import sealed_kinds
from ffsweb.doctor.findings import Check, Finding, ok, some, warn
from ffsweb.doctor.sealed import sample

if TYPE_CHECKING:
    from collections.abc import Iterator

UNREAD: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Fleet:
    """Names of nodes, each list in their order."""

    number: int
    without_keys: tuple[str, ...] = ()
    never_read: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    other_protocol: tuple[str, ...] = ()
    older: tuple[str, ...] = ()


def checks() -> tuple[Check, ...]:
    """For ``AppConfig.ready()``."""
    return (
        Check("nodes", lambda: judge(_fleet(timezone.now())), database=True),
        Check("programs", lambda: judge_programs(skopeo=shutil.which("skopeo"))),
        Check("secrets of the fleet", lambda: map(sample, sealed_kinds.KINDS), database=True),
    )


def judge(found: Fleet) -> Iterator[Finding]:
    """Pure."""
    upgrade = "*Upgrade ffs-node* on the list of nodes."
    told = (
        (found.without_keys, "no host key: nobody can log in to them", "Install them from a fresh machine file."),
        (found.unread, "no reading of the last quarter of an hour", "Is there a worker, and does it read?"),
        (found.silent, "not answered the last time", "Their pages say why."),
        (found.never_read, "never been read", "Install them, or see on their pages what hinders."),
        (found.other_protocol, "an ffs-node of another protocol", upgrade),
        (found.older, "an older ffs-node", upgrade),
    )
    wrong = [warn(f"{len(names)} nodes have {what}: {some(names)}.", advice) for names, what, advice in told if names]
    yield from wrong
    if not wrong:
        yield ok(f"{found.number} nodes; all answered of late, none has an older ffs-node.")


def judge_programs(*, skopeo: str | None) -> Finding:
    """Pure. ``skopeo``: its path."""
    if skopeo is None:
        return warn(
            "skopeo is not installed here.", "The worker needs it for pulls from registries, and for nothing else."
        )
    return ok(f"skopeo is {skopeo}.")


def _fleet(now: datetime) -> Fleet:
    """Three queries."""
    last = Reading.objects.filter(node=OuterRef("pk")).order_by("-taken_at")
    rows = Node.objects.annotate(at=Subquery(last.values("taken_at")[:1]), error=Subquery(last.values("error")[:1]))
    nodes = list(rows.order_by("project__name", "name").values_list("pk", "name", "at", "error"))
    keyless = set(Node.objects.filter(host_keys=None).values_list("pk", flat=True))
    programs = programs_on(Node.objects.all())
    other = {pk for pk, each in programs.items() if each.found.protocol != each.ours.protocol}
    older = {pk for pk, each in programs.items() if each.standing is Standing.OLDER} - other
    return Fleet(
        number=len(nodes),
        without_keys=tuple(name for pk, name, _, _ in nodes if pk in keyless),
        never_read=tuple(name for _, name, at, _ in nodes if at is None),
        unread=tuple(name for _, name, at, _ in nodes if at is not None and now - at > UNREAD),
        silent=tuple(name for _, name, at, error in nodes if at is not None and now - at <= UNREAD and error),
        other_protocol=tuple(name for pk, name, _, _ in nodes if pk in other),
        older=tuple(name for pk, name, _, _ in nodes if pk in older),
    )
