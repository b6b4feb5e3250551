"""Tells people what nears its end or is wrong, once, and remembers it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import datetime

from django.db import transaction
from django.urls import reverse

from certificates.core.expiry import Kind, Word
from certificates.core.expiry import Told as Before
from certificates.core.subjects import Subject
from certificates.models import Alert
from ffsweb.accounts.models import Project
from ffsweb.notify import kinds
from ffsweb.notify.letter import one_line
from ffsweb.notify.outbox import queue
from ffsweb.notify.recipients import recipients
from ffsweb.webhooks.outbox import announce

from . import gap
from .expiry_letter import News, letter
from .inventory_subjects import of_inventory

KIND = kinds.Kind(
    "certificate",
    "A certificate nears its end or is wrong",
    "30, 14, 7, 3 and 1 days before it expires, not before half of its life; when it has expired; when a service "
    "serves another one than it should; when nobody could look for a day; and when each of that is over. Each "
    "once.",
)
SLOTS = 6
"""Projects are looked at in one part of each hour, so that not all are at once."""
Source = Callable[[Project, datetime], Iterable[Subject]]
sources: list[Source] = [of_inventory]
"""What may be told of, as other applications see it: their ``ready()`` adds to it. A source gives all of its
subjects, or raises: one that is missing is over."""

_GONE = {
    Kind.EXPIRY: "is not served any more",
    Kind.MISMATCH: "is not compared any more",
    Kind.STALE: "is not looked at any more",
}


def look(now: datetime) -> None:
    """Tell the projects whose moment of the hour it is what there is to tell. A query, and ten or so for each.

    What cannot be told of one project (a fault that is raised at the end) keeps nothing from the others.
    """
    gap.note(now)
    slot = now.minute * SLOTS // 60
    tell_each([project for project in Project.objects.all() if project.pk % SLOTS == slot], now)


def tell_each(projects: Iterable[Project], now: datetime) -> None:
    """Tell each of ``projects``; a fault in one is raised when the others were told."""
    faults: list[Exception] = []
    for project in projects:
        try:
            tell(project, now)
        except Exception as error:  # noqa: BLE001 - the others are to be told first
            faults.append(error)
    if faults:
        raise faults[0]


def tell(project: Project, now: datetime) -> int:
    """Write one mail with all that there is to tell of ``project``; how many subjects are in it.

    One transaction: what was told is remembered with the mail, or neither is. Of two workers one tells.
    """
    with transaction.atomic():
        known = {(alert.kind, alert.key): alert for alert in Alert.objects.of(project).order_by("episode")}
        subjects = [subject for source in sources for subject in source(project, now)]
        told: list[tuple[News, int]] = []
        for subject in [*subjects, *_missing(known, subjects)]:
            alert = known.get((subject.kind, subject.key))
            word = subject.decide(alert.told if alert else Before(), now)
            episode = _remember(project, subject, word, alert, now) if word else 0
            if word and episode:
                told.append((News(subject, word), episode))
        if told:
            queue(
                letter(
                    project.name,
                    [news for news, _ in told],
                    path=reverse("certificates:alerts", args=[project.name]),
                    now=now,
                ),
                to=recipients(project, KIND.name),
                key=_key(project, told),
                kind=KIND.name,
                project=project,
            )
            announce(
                "certificate.alert",
                lambda: _event(told),
                key=_key(project, told),
                project=project,
                path=lambda: reverse("certificates:alerts", args=[project.name]),
            )
    return len(told)


def _event(told: Iterable[tuple[News, int]]) -> dict[str, object]:
    """What webhooks are told."""
    rows = [
        {
            "kind": str(news.subject.kind),
            "label": news.subject.label,
            "facts": news.subject.facts,
            "over": news.word.over,
        }
        for news, _ in told
    ]
    return {"alerts": rows}


def _missing(known: dict[tuple[str, str], Alert], subjects: Iterable[Subject]) -> list[Subject]:
    """What was told of, and is there no more: a service that was removed, a certificate that is not served."""
    there = {(subject.kind, subject.key) for subject in subjects}
    return [
        Subject(Kind(alert.kind), alert.key, alert.label, alert.path, ends=_GONE[Kind(alert.kind)])
        for place, alert in known.items()
        if alert.is_open and alert.certificate_id is None and place not in there
    ]


def _remember(project: Project, subject: Subject, word: Word, alert: Alert | None, now: datetime) -> int:
    """The number of the episode if it is for this worker to tell; 0 if another one was faster."""
    if word.over:
        ended = alert is not None and Alert.objects.change(alert, is_open=False, ended_at=now)
        return alert.episode if alert is not None and ended else 0
    news = {"rung": int(word.rung), "is_open": True, "told_at": now, "ended_at": None}
    if subject.certificate is not None and alert is None:
        alert, _ = Alert.objects.get_or_create(certificate_id=subject.certificate, kind=subject.kind)
        if alert.rung >= word.rung:
            return 0
    elif subject.certificate is None:
        news |= {
            "label": one_line(subject.label, 200),
            "path": subject.path,
            "reason": one_line(subject.facts, 500),
        }
        if alert is None or not alert.is_open:
            return _begin(project, subject, alert, news)
    return alert.episode if alert is not None and Alert.objects.change(alert, **news) else 0


def _begin(project: Project, subject: Subject, before: Alert | None, news: dict[str, object]) -> int:
    episode = before.episode + 1 if before else 1
    place = {"project": project, "subject": subject.key, "kind": subject.kind, "episode": episode}
    _, is_new = Alert.objects.get_or_create(certificate=None, **place, defaults=news)
    return episode if is_new else 0


def _key(project: Project, told: Iterable[tuple[News, int]]) -> str:
    """Names the event: each subject with what is told of it."""
    parts = sorted(
        f"{news.subject.kind}:{news.subject.key}:{episode}:{int(news.word.rung)}:{news.word.over}"
        for news, episode in told
    )
    return f"certificates:{project.pk}:{hashlib.sha256('|'.join(parts).encode()).hexdigest()}"
