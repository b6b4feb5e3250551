"""The mails and webhooks about services and nodes in trouble.

They hold no text that a service wrote: it may print a secret.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from deployments.models import Node, Service
from ffsweb.notify.kinds import Kind
from ffsweb.notify.letter import Letter
from ffsweb.notify.outbox import queue
from ffsweb.notify.recipients import recipients
from ffsweb.web.measures import span_in_words
from ffsweb.webhooks.outbox import announce

if TYPE_CHECKING:
    from deployments.core.episodes import Episode

SERVICE = Kind(
    "service",
    "A service is degraded, or well again",
    "What was proven live failed, is restarted again and again, is unhealthy or silent, or another release runs. "
    "Once when it begins, once when it was well for five minutes.",
)
NODE = Kind(
    "node",
    "A node is unreachable, or reachable again",
    "It could not be read for ten minutes. Once when it begins, once when it was read again for two minutes.",
)


def begins(row: Node | Service) -> None:
    """Mail that ``row`` is in trouble, as it says by now. Up to four queries."""
    since = _moment(row.trouble_since)
    if isinstance(row, Service):
        letter = Letter(
            subject=f"{row.project.name}: {row} is degraded",
            happened=f"{row} is degraded. {row.trouble}",
            facts=(*_place(row), ("Since", since)),
            todo="Read its journal on its page. To go back, deploy the release before; to end it, stop the service.",
            path=row.get_absolute_url(),
        )
    else:
        letter = Letter(
            subject=f"{row.project.name}: {row} is unreachable",
            happened=f"{row} could not be read for ten minutes. What runs there is not known. {row.trouble}",
            facts=(*_place(row), ("Since", since)),
            todo="See whether the machine is up and whether its network lets the dashboard in. What runs there goes "
            "on running without the dashboard.",
            path=row.get_absolute_url(),
        )
    _send(row, letter, f"{_key(row)}:{since}:begins")
    _announce(row, "degraded" if isinstance(row, Service) else "unreachable", since, row.trouble)


def ends(row: Node | Service, was: Episode, at: float) -> None:
    """Mail that the trouble is over. Up to four queries."""
    began, ended = (datetime.fromtimestamp(moment, UTC) for moment in (was.since or at, at))
    words = "well" if isinstance(row, Service) else "reachable"
    letter = Letter(
        subject=f"{row.project.name}: {row} is {words} again",
        happened=f"{row} is {words} again.",
        facts=(
            *_place(row),
            ("What was wrong", was.reason),
            ("Since", _moment(began)),
            ("Seen well at", _moment(ended)),
            ("Took", span_in_words(ended - began)),
        ),
        path=row.get_absolute_url(),
    )
    _send(row, letter, f"{_key(row)}:{_moment(began)}:ends")
    _announce(row, "recovered", _moment(began), was.reason)


def _send(row: Node | Service, letter: Letter, key: str) -> None:
    kind = SERVICE if isinstance(row, Service) else NODE
    to = recipients(row.project, kind.name)
    queue(letter, to=to, key=key, kind=kind.name, project=row.project)


def _announce(row: Node | Service, what: str, since: str, reason: str) -> None:
    """The same for webhooks. One query without any."""

    def data() -> dict[str, object]:
        node = row.node if isinstance(row, Service) else row
        return {
            "node": node.name,
            **({"service": row.name} if node is not row else {}),
            "since": since,
            "reason": reason,
        }

    kind = SERVICE if isinstance(row, Service) else NODE
    key = f"{_key(row)}:{since}:{what}"
    announce(f"{kind.name}.{what}", data, key=key, project=row.project, path=row.get_absolute_url)


def _place(row: Node | Service) -> tuple[tuple[str, str], ...]:
    node = row.node if isinstance(row, Service) else row
    live = row.live_release if isinstance(row, Service) else None
    release = (("Release", str(live.number)),) if live else ()
    return (("Project", row.project.name), ("Node", f"{node} ({node.address})"), *release)


def _key(row: Node | Service) -> str:
    return row.resource


def _moment(at: datetime | None) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at else "unknown"
