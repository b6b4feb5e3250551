"""The words of a mail about certificates. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from certificates.core.expiry import Rung, Word
from ffsweb.notify.letter import Letter

_USERS = 6


@dataclass(frozen=True, slots=True)
class News:
    """One certificate of a mail, with what there is to tell; ``users`` are services, in words."""

    label: str
    names: tuple[str, ...]
    not_after: datetime
    fingerprint: str
    users: tuple[str, ...]
    path: str
    word: Word
    has_newer: bool


def letter(project: str, news: Sequence[News], *, path: str, now: datetime) -> Letter:
    """One mail for all ``news`` of a project, the worst first. ``path``: the page for several of them."""
    ordered = sorted(news, key=lambda each: (each.word.over, -each.word.rung, each.not_after))
    first, open_ones = ordered[0], [each for each in ordered if not each.word.over]
    more = f", and {len(ordered) - 1} more" if len(ordered) > 1 else ""
    return Letter(
        subject=f"{project}: certificate {first.label} {_short(first, now)}{more}",
        happened="\n".join(f"{each.label} {_short(each, now)}." for each in ordered[:20]),
        facts=tuple((each.label, _fact(each)) for each in ordered),
        todo=_todo(open_ones),
        path=first.path if len(ordered) == 1 else path,
    )


def _short(news: News, now: datetime) -> str:
    if news.word.over:
        return "was replaced"
    if news.word.rung is Rung.EXPIRED:
        return f"expired on {news.not_after:%Y-%m-%d}"
    days = max((news.not_after - now) // timedelta(days=1), 0)
    left = "in less than a day" if days == 0 else f"in {days} day{'' if days == 1 else 's'}"
    trouble = "is not renewed by itself and " if news.word.rung is Rung.RENEWAL else ""
    return f"{trouble}expires {left}"


def _fact(news: News) -> str:
    users = ", ".join(news.users[:_USERS]) + (
        f" and {len(news.users) - _USERS} more" if len(news.users) > _USERS else ""
    )
    parts = (
        f"until {news.not_after:%Y-%m-%d %H:%M} UTC",
        f"for {', '.join(news.names[:4]) or 'no name'}{' …' if len(news.names) > 4 else ''}",
        f"used by {users or 'nothing'}",
        f"SHA-256 {news.fingerprint[:16]}…",
        "a newer one is in the inventory" if news.has_newer else "",
    )
    return "; ".join(part for part in parts if part)


def _todo(news: Sequence[News]) -> str:
    if not news:
        return ""
    if all(each.has_newer for each in news):
        return "The newer certificate is here: choose it at the services that use the old one, and deploy them."
    return (
        "Get a renewed certificate, upload it on the page of the old one (Replace), choose it at the services that "
        "use it, and deploy them. If somebody looks after it, acknowledge it there; remove what nothing needs."
    )
